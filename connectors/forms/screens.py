"""The forms' pages out of their templates, and the one style sheet they need. Values are escaped, and a missing one is an error."""

import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from connectors.forms.fields import TRIAL, Field, Page
from connectors.problems import STATUS, TITLES, Reason, Refused

PREFIX: Final = "/form"
STYLE: Final = f"{PREFIX}/static/form.css"


class Screens:
    """Every page. `rehearsal` is said in the header of each."""

    def __init__(self, *, rehearsal: bool) -> None:
        self.style = (resources.files("connectors.forms") / "static" / "form.css").read_bytes()
        self._environment = Environment(
            loader=PackageLoader("connectors.forms"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        style = f"{STYLE}?{hashlib.sha256(self.style).hexdigest()[:8]}"
        self._environment.globals |= {"style": style, "rehearsal": rehearsal, "optional": _optional, "trial": TRIAL}

    def show(self, name: str, *, status: int = 200, who: str = "", token: str = "", **values: Any) -> HTMLResponse:
        page = self._environment.get_template(name).render(who=who, token=token, **values)
        return HTMLResponse(page, status)

    def form(
        self, page: Page, answers: Mapping[str, Sequence[str]], *, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """A form with what has been written in it so far."""

        def one(name: str) -> str:
            return next(iter(answers.get(name, ())), "")

        def many(name: str) -> Sequence[str]:
            return answers.get(name, ())

        given = {"problems": {}, "doubted": (), "asked": (*page.place, *page.who), **values}
        return self.show("form.html", status=status, page=page, one=one, many=many, **given)

    def refuse(self, refusal: Refused) -> Response:
        """What a person sees when it is not one of their fields that is wrong."""
        lines = [WORDS.get(refusal.reason, refusal.detail)]
        answer = self.show("told.html", status=STATUS[refusal.reason], heading=TITLES[refusal.reason], lines=lines)
        answer.headers.update(refusal.headers)
        return answer


WORDS: Final[Mapping[Reason, str]] = {
    Reason.NO_SUCH_PAGE: "The address may have been mistyped.",
    Reason.NO_SUCH_METHOD: "Open the form again.",
    Reason.KAFKA_AWAY: (
        "Nothing was sent. Go back and press Send once more in a minute. If it is urgent, ring the team: do not wait for this page."
    ),
    Reason.FAILED: "It may not have been sent. Go back and press Send once more: what arrives twice counts once.",
    Reason.STARTING: "Nothing was sent. Try again in a minute.",
}


def _optional(field: Field) -> str:
    return "" if field.required or field.person else " (optional)"
