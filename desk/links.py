"""The link in a text. Opening it changes nothing, because clients open links by themselves; the one button accepts."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from fastapi import APIRouter, Response
from starlette.responses import HTMLResponse, RedirectResponse

from desk import words
from desk.tools import Tools
from notifiers.clocks import observe
from schemas.pages import PageState
from store import answers, board, links
from store.links import Link

WITHDRAWN: Final = "It was cancelled, or it was about somebody else. There is nothing for you to do."


class Standing(StrEnum):
    """What the link's page says. Decided by `standing`, row by row."""

    ASKING = "asking"
    TOO_OLD = "too-old"
    PASSED = "passed"
    YOURS = "yours"
    TAKEN = "taken"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    CLOSED = "closed"


def standing(page: board.Page, link: Link, passed: datetime | None, now: datetime) -> Standing:
    """Where a page stands for the person whose link this is."""
    if page.state == PageState.WITHDRAWN:
        return Standing.WITHDRAWN
    if page.state == PageState.EXPIRED:
        return Standing.EXPIRED
    if page.state == PageState.CLOSED:
        return Standing.CLOSED
    if page.state != PageState.OPEN:
        return Standing.YOURS if page.accepted_by == link.person else Standing.TAKEN
    if passed and passed >= link.made_at:
        return Standing.PASSED
    return Standing.ASKING if link.usable(now) else Standing.TOO_OLD


def router(tools: Tools) -> APIRouter:
    """/p/{token}: without JavaScript, without signing in, and without a cookie."""
    routes = APIRouter(tags=["phones"])

    @routes.get(
        "/p/{token}", summary="The page behind the link in a text: changes nothing", response_class=HTMLResponse
    )
    async def look(token: str) -> Response:
        now = tools.clock()
        async with tools.engine.begin() as connection:
            link = await links.find(connection, token)
            if link is None:
                return _no_such_link(tools)
            await links.mark_opened(connection, token, at=now)  # of the link alone: the page does not change
            page = await board.anyone(connection, link.page)
            passed = await board.passed_at(connection, link.page, link.person)
        return _show(tools, token, page, link, passed, now)

    @routes.post("/p/{token}/accept", summary="Accept: the one button", response_class=RedirectResponse)
    async def accept(token: str) -> Response:
        now = tools.clock()
        async with tools.engine.begin() as connection:
            link = await links.use(connection, token, at=now)
            if link:
                answered = await answers.accept(connection, link.page, link.person, via="link", at=now)
        if link:
            observe(tools.metrics, answered)
        # Used before, too old or unknown: the page behind the link says which, and what to do instead.
        return RedirectResponse(f"/p/{token}", status_code=303)

    @routes.post("/p/{token}/pass", summary="I cannot go: ask the next person", response_class=RedirectResponse)
    async def pass_on(token: str) -> Response:
        now = tools.clock()
        async with tools.engine.begin() as connection:
            link = await links.use(connection, token, at=now)
            if link:
                await answers.pass_on(connection, link.page, link.person, via="link", at=now)
        return RedirectResponse(f"/p/{token}", status_code=303)

    return routes


def _no_such_link(tools: Tools) -> Response:
    return tools.screens.tell(
        "This link does not work",
        "It may have been cut short on the way. Open it from the text again, or reply 1 to the text to accept.",
        status=404,
    )


def _show(
    tools: Tools, token: str, page: board.Page, link: Link, passed: datetime | None, now: datetime
) -> HTMLResponse:
    stands = standing(page, link, passed, now)
    if stands is Standing.ASKING:
        return tools.screens.show(
            "link.html",
            page=page,
            token=token,
            place=words.place(page.type),
            sent=words.clock(link.made_at, now),
            left=words.left(page.next_step_at or now, now),
        )
    heading, lines, next_ = _say(stands, page, passed, now)
    return tools.screens.tell(heading, *lines, reference=page.reference, title=f"Page {page.reference}", next=next_)


def _say(
    stands: Standing, page: board.Page, passed: datetime | None, now: datetime
) -> tuple[str, list[str], tuple[str, str] | None]:
    def at(when: datetime | None) -> str:
        return words.clock(when or now, now)

    details = (f"/pages/{page.page}", "Sign in for who and where")
    instead = f"You can still accept: reply “{page.reference} 1” to the text, or sign in."
    match stands:
        case Standing.YOURS:
            return f"You accepted at {at(page.accepted_at)}", [f"The moment is at {words.place(page.type)}."], details
        case Standing.TAKEN:
            who = f"A colleague accepted at {at(page.accepted_at)}"
            return who, ["There is nothing for you to do."], (details[0], "Sign in to see who")
        case Standing.PASSED:
            return f"You passed this on at {at(passed)}", ["The next person is being asked.", instead], details
        case Standing.WITHDRAWN:
            return f"Withdrawn at {at(page.ended_at)}", [WITHDRAWN], None
        case Standing.EXPIRED:
            return f"The time for this page ran out at {at(page.ended_at)}", ["The manager has been told."], None
        case Standing.CLOSED:
            return f"Closed at {at(page.ended_at)}", ["There is nothing more for you to do."], None
    return "Nobody has accepted yet, but this link has run out", ["A link works for 15 minutes.", instead], details
