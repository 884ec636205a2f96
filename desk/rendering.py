"""Screens out of templates, and the few files they need. Values are escaped, and a missing one is an error."""

import hashlib
import mimetypes
from importlib import resources
from typing import Any, Final

from fastapi import APIRouter, HTTPException, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from desk import words
from schemas.kinds import DRILL

FILES: Final = ("desk.css", "live.js", "icon.svg")


class Screens:
    """Every screen of the desk. `rehearsal` is said in the header of each."""

    def __init__(self, *, rehearsal: bool) -> None:
        self._files = {name: (resources.files("desk") / "static" / name).read_bytes() for name in FILES}
        self._environment = Environment(
            loader=PackageLoader("desk"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {
            "static": self.address,
            "rehearsal": rehearsal,
            "drill": DRILL,
            "who": None,
            "problem": None,
        }
        self._environment.filters |= {
            "clock": words.clock,
            "lasted": words.lasted,
            "place": words.place,
            "state": lambda key: words.STATES[key],
            "channel": lambda key: words.CHANNELS[key],
            "attempt": lambda key: words.ATTEMPTS[key],
            "purpose": lambda key: words.PURPOSES[key],
            "role": lambda key: words.ROLES[key],
            "phone": lambda key: words.PHONES[key],
            "heading": words.heading,
        }

    def show(self, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._environment.get_template(name).render(values), status_code=status)

    def tell(self, heading: str, *lines: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page that says one thing."""
        given = {"title": heading, "reference": None, "next": None, **values}
        return self.show("told.html", status=status, heading=heading, lines=lines, **given)

    def address(self, name: str) -> str:
        """Where a file is, with a mark of what is in it: a phone may keep it until it changes."""
        return f"/static/{name}?{hashlib.sha256(self._files[name]).hexdigest()[:8]}"

    def router(self) -> APIRouter:
        routes = APIRouter()

        @routes.get("/static/{name}", include_in_schema=False)
        async def static(name: str) -> Response:
            if name not in self._files:
                raise HTTPException(404)
            kind = mimetypes.guess_type(name)[0]
            return Response(self._files[name], media_type=kind, headers={"Cache-Control": "public, max-age=86400"})

        return routes
