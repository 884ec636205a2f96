"""The demo's page and what its buttons do, on the port of the phone: one app, in the demo's own process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import CollectorRegistry
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from embedded.demo import view
from embedded.demo.feeds import NotTaken
from embedded.demo.load import SignIn
from embedded.demo.scenes import SCENES
from embedded.demo.stage import Stage
from embedded.demo.story import clock
from schemas import web
from schemas.base import Shape, utc_now

STATIC = Path(__file__).parent / "static"
ROOM = "/demo"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


class Play(Shape):
    """Send an event of this kind; `child` is an id on the list, or nobody for whoever is next."""

    kind: str
    watched: bool
    child: str | None = None


class Reply(Shape):
    """Type this on that phone."""

    phone: str
    words: str


class Wrong(Shape):
    """Let this go wrong."""

    what: str


@dataclass(frozen=True)
class Surroundings:
    """What the page shows that the stage does not know: people by number, addresses, and how to sign in."""

    people: Mapping[str, str]
    links: Mapping[str, str]
    sign_in: SignIn


def build(stage: Stage, around: Surroundings, phone: ASGIApp, say: Callable[[str], None]) -> FastAPI:
    """The app: the page at `/`, its parts below `/demo`, and everything else is the phone's own API."""

    async def ready() -> list[str]:
        return []

    app = web.service(
        "Nightlight demo",
        ready=ready,
        registry=CollectorRegistry(),
        description="The demo's page, and the phone on the screen.",
    )
    buttons = Buttons(stage, around, say)
    app.add_api_route("/", page, include_in_schema=False)
    app.add_api_route(f"{ROOM}/state.json", buttons.state, summary="All that the page shows")
    app.add_api_route(f"{ROOM}/play", buttons.play, methods=["POST"], status_code=202, summary="Send an event")
    app.add_api_route(f"{ROOM}/reply", buttons.reply, methods=["POST"], status_code=202, summary="Type on a phone")
    app.add_api_route(
        f"{ROOM}/wrong", buttons.wrong, methods=["POST"], status_code=202, summary="Let something go wrong"
    )
    app.add_exception_handler(NotTaken, _not_taken)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.mount(ROOM, StaticFiles(directory=STATIC))
    app.mount("/", phone)
    return app


async def page() -> FileResponse:
    return FileResponse(STATIC / "index.html", headers={"Content-Security-Policy": POLICY})


class Buttons:
    """What the page asks for, and what its buttons do."""

    def __init__(self, stage: Stage, around: Surroundings, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._around = around
        self._say = say
        self._wrong = {
            "nobody": stage.nobody_answers,
            "text": stage.text_fails,
            "feed": stage.feed_falls_silent,
            "worker": stage.worker_is_killed,
        }

    async def state(self) -> dict[str, Any]:
        return _state(self._stage, self._around)

    async def play(self, asked: Play) -> dict[str, str]:
        if asked.kind not in SCENES:
            raise HTTPException(404, "There is no such scene.")
        sent = await self._stage.play(SCENES[asked.kind], watched=asked.watched, child_id=asked.child)
        return {"event": sent.key}

    async def reply(self, asked: Reply) -> dict[str, bool]:
        if asked.phone not in self._around.people:
            raise HTTPException(404, "There is no such phone.")
        await self._stage.phone.answer(asked.phone, asked.words[:160])
        return {"sent": True}

    async def wrong(self, asked: Wrong) -> dict[str, str]:
        if asked.what not in self._wrong:
            raise HTTPException(404, "There is no such button.")
        watch = await self._wrong[asked.what]()
        self._say(watch)
        return {"watch": watch}


async def _not_taken(_: Request, problem: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(problem)}, status_code=503)


async def _not_understood(_: Request, __: Exception) -> JSONResponse:
    return JSONResponse({"detail": "That was not understood: load the page again."}, status_code=422)


def _state(stage: Stage, around: Surroundings) -> dict[str, Any]:
    now = utc_now()
    texts = stage.phone.texts()
    code, left = around.sign_in.code(now)
    pids = stage.processes.pids()
    return {
        "clock": clock(now),
        **view.moment(stage.seen[0] if stage.seen else None, now),
        "earlier": view.earlier(stage.seen[1:]),
        "phones": view.phones(around.people, texts),
        "rang": view.rang(texts),
        "feeds": view.feeds(stage.feeds.heard, now),
        "workers": [
            {"words": f"{name}: process {pid}", "bad": not alive} for name, pid, alive in _workers(stage, pids)
        ],
        "children": view.choices(),
        "sign_in": f"{around.sign_in.person} / {around.sign_in.password}, code {code} ({left} s)",
        "links": dict(around.links),
    }


def _workers(stage: Stage, pids: Mapping[str, int]) -> list[tuple[str, int, bool]]:
    return [(name, pid, stage.processes.alive(name)) for name, pid in pids.items() if name.startswith("streams")]
