"""One page in full: who, where and since when. Nothing about a child is shown before it is written down who looks and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse

from desk import words
from desk.tools import Tools, form_of, page_of
from notifiers.clocks import observe
from schemas.child import WatchedChild
from schemas.moments import Decision
from schemas.pages import PageState
from store import answers, board, sessions, undoing
from store.sessions import Session

QUESTIONS = (
    ("contact", "Was contact made with the child?", words.CONTACT),
    ("wanted", "Did the child want it?", words.WANTED),
    ("harm", "Did being told of this do any harm?", words.HARM),
)
SHOWED = ["name", "date-of-birth", "approach", "where", "times", "why"]


@dataclass(frozen=True)
class Shown:
    """One thing an agency said, as the screen has it."""

    type: str
    feed: str
    occurred_at: datetime
    withdrawn_at: datetime | None
    where: list[tuple[str, str]]
    times: tuple[datetime | None, ...]
    decision: Decision


def router(tools: Tools) -> APIRouter:
    """/pages/{page}, and what can be done there."""
    routes = APIRouter(tags=["desk"])
    signed_in = Annotated[Session, Depends(tools.signed_in)]

    @routes.get("/pages/{page}", summary="One page: asks why first, then shows it", response_class=HTMLResponse)
    async def look(page: str, who: signed_in) -> Response:
        return await _look(tools, page, who)

    @routes.post("/pages/{page}/reason", summary="Why somebody is looking", response_class=RedirectResponse)
    async def give_reason(page: str, request: Request, who: signed_in) -> Response:
        reason = str((await form_of(request, who)).get("reason", ""))
        if reason not in words.REASONS:
            raise HTTPException(400, "Choose one of the reasons.")
        async with tools.engine.begin() as connection:
            found = await page_of(connection, page, who)
            await sessions.give_reason(connection, who, found.page, reason, at=tools.clock())
        return _back(page)

    @routes.post("/pages/{page}/accept", summary="Accept", response_class=RedirectResponse)
    async def accept(page: str, request: Request, who: signed_in) -> Response:
        return await _act(tools, page, request, who, answers.accept)

    @routes.post("/pages/{page}/pass", summary="I cannot go", response_class=RedirectResponse)
    async def pass_on(page: str, request: Request, who: signed_in) -> Response:
        return await _act(tools, page, request, who, answers.pass_on)

    @routes.post("/pages/{page}/contact", summary="Contact made", response_class=RedirectResponse)
    async def contact(page: str, request: Request, who: signed_in) -> Response:
        return await _act(tools, page, request, who, answers.record_contact)

    @routes.post("/pages/{page}/close", summary="Close, and say how it went", response_class=RedirectResponse)
    async def close(page: str, request: Request, who: signed_in) -> Response:
        outcome = _outcome(await form_of(request, who))
        if outcome is None:
            return await _look(tools, page, who, problem="Answer the three questions, then close", status=422)
        return await _act(tools, page, request, who, answers.close, outcome=outcome)

    return routes


async def _act(tools: Tools, page: str, request: Request, who: Session, act: Any, **more: Any) -> Response:
    """Do one thing, and go back to the page: it says what is true now, whoever was quicker."""
    await form_of(request, who)
    async with tools.engine.begin() as connection:
        found = await page_of(connection, page, who)
        answered = await act(connection, found.page, who.person, via="desk", at=tools.clock(), **more)
    observe(tools.metrics, answered)
    return _back(page)


async def _look(tools: Tools, page: str, who: Session, *, problem: str | None = None, status: int = 200) -> Response:
    now = tools.clock()
    async with tools.engine.begin() as connection:
        found = await page_of(connection, page, who)
        passed = await board.passed_at(connection, found.page, who.person)
        reason = await sessions.reason_for(connection, who, found.page)
        if reason is None:
            return tools.screens.show(
                "why.html", who=who, page=found, now=now, passed=passed, reasons=words.REASONS, status=status
            )
        attempts = await board.attempts_of(connection, [found.page])
        child = await board.child_of(connection, tools.sealer, found.moment)
        facts = await board.facts_of(connection, tools.sealer, found.moment)
        may_undo = await undoing.may(connection, who.person, found.team, at=now)
        await sessions.record_view(connection, who, found.page, reason, SHOWED, at=now)
    # Committed: only now may it be shown.
    return tools.screens.show(
        "detail.html",
        status=status,
        problem=problem,
        who=who,
        page=found,
        now=now,
        passed=passed if found.state == PageState.OPEN else None,
        child=child,
        facts=[_shown(told, found, now) for told in facts],
        address=_address(child, facts),
        attempts=attempts,
        questions=QUESTIONS,
        undo=words.UNDO_BECAUSE if may_undo and found.ended_at is None else None,
        clocks=words.CLOCKS,
    )


def _shown(told: board.Told, page: board.Page, now: datetime) -> Shown:
    """With the seven clock readings: three of its own, four of the page."""
    times = (told.occurred_at, told.received_at, told.matched_at)
    times_of_page = (page.sent_at, page.delivered_at, page.accepted_at, page.contact_at)
    return Shown(
        type=told.type,
        feed=told.feed,
        occurred_at=told.occurred_at,
        withdrawn_at=told.withdrawn_at,
        where=words.where(told.type, told.details, now),
        times=(*times, *times_of_page),
        decision=told.decision,
    )


def _address(child: WatchedChild | None, facts: list[board.Told]) -> str | None:
    """Where they may be at home; never once any record is marked sensitive (domain page, L5)."""
    if child is None or any(words.is_sensitive(told.details) for told in facts):
        return None
    if not any(told.type in words.AT_HOME and told.withdrawn_at is None for told in facts):
        return None
    return ", ".join(part for part in (child.address_line, child.postcode) if part) or None


def _outcome(form: FormData) -> dict[str, str] | None:
    """The answers to the three questions, from their closed lists; None if one is missing."""
    given = {name: str(form.get(name, "")) for name, _, _ in QUESTIONS}
    return given if all(given[name] in choices for name, _, choices in QUESTIONS) else None


def _back(page: str) -> Response:
    return RedirectResponse(f"/pages/{page}", status_code=303)
