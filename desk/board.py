"""The duty desk: every page of one's teams that has not ended, the oldest first, each with its own clock."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from starlette.responses import HTMLResponse, StreamingResponse

from desk.live import Live
from desk.tools import Tools
from schemas.pages import Purpose
from store import board
from store.board import Tried
from store.sessions import Session


def router(tools: Tools, live: Live) -> APIRouter:
    """/ with everything, /board with the part that changes, /events with when it has."""
    routes = APIRouter(tags=["desk"])
    signed_in = Annotated[Session, Depends(tools.signed_in)]

    @routes.get("/", summary="The duty desk", response_class=HTMLResponse)
    async def desk(who: signed_in) -> Response:
        return tools.screens.show("board.html", **await _shown(tools, who))

    @routes.get("/board", summary="The part of the duty desk that changes", response_class=HTMLResponse)
    async def part(who: signed_in) -> Response:
        return tools.screens.show("part.html", **await _shown(tools, who))

    @routes.get("/events", summary="When the duty desk has changed", response_class=StreamingResponse)
    async def events(who: signed_in) -> Response:
        return StreamingResponse(live.stream(who.ends_at, tools.clock), media_type="text/event-stream")

    return routes


async def _shown(tools: Tools, who: Session) -> dict[str, Any]:
    now = tools.clock()
    async with tools.engine.connect() as connection:
        pages = await board.live_pages(connection, who.teams)
        attempts = await board.attempts_of(connection, [page.page for page in pages])
        on_call = await board.on_call(connection, who.teams, at=now)
        reviews = await board.reviews_waiting(connection, who.teams)
        feeds = await board.feeds(connection)
    covered = {duty.team for duty in on_call}
    return {
        "who": who,
        "now": now,
        "live": pages,
        "latest": _latest(attempts),
        "on_call": on_call,
        "uncovered": [team for team in who.teams if team not in covered],
        "reviews": reviews,
        "feeds": feeds,
    }


def _latest(attempts: list[Tried]) -> dict[Any, list[Tried]]:
    """The last attempt for each person who was asked, by page."""
    last = {(tried.page, tried.name): tried for tried in attempts if tried.purpose == Purpose.PAGE}
    by_page: dict[Any, list[Tried]] = {}
    for (page, _), tried in last.items():
        by_page.setdefault(page, []).append(tried)
    return by_page
