"""Possible matches: both records side by side, and two buttons. The score is shown on request, or once it is decided."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from desk import comparing, words
from desk.tools import Tools, form_of
from store import deciding, reviews
from store.deciding import Decided, Verdict
from store.sessions import Session

Key = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
"""The event's keyed hash: it names the review, and nobody else."""

REFUSED = {
    Verdict.UNKNOWN: (404, "There is no such possible match."),
    Verdict.NO_CANDIDATE: (409, "That child is not asked about here: open it again, and choose one that is shown."),
}


def router(tools: Tools) -> APIRouter:
    """/reviews with the list, and one page for each."""
    routes = APIRouter(tags=["desk"])
    signed_in = Annotated[Session, Depends(tools.signed_in)]

    @routes.get("/reviews", summary="Possible matches that wait for a person", response_class=HTMLResponse)
    async def waiting(who: signed_in) -> Response:
        async with tools.engine.connect() as connection:
            found = await reviews.waiting(connection, who.teams)
        return tools.screens.show("reviews.html", who=who, now=tools.clock(), waiting=found)

    @routes.get("/reviews/{key}", summary="Both records side by side", response_class=HTMLResponse)
    async def look(key: Key, who: signed_in, score: bool = False) -> Response:
        now = tools.clock()
        async with tools.engine.begin() as connection:
            compared = await comparing.compare(connection, tools, who, key, score=score, now=now)
        # Committed: only now may it be shown.
        return tools.screens.show(
            "review.html",
            who=who,
            now=now,
            compared=compared,
            about=compared.review.about,
            states=words.REVIEW_STATES,
            same=words.SAME_BECAUSE,
            different=words.DIFFERENT_BECAUSE,
        )

    @routes.post("/reviews/{key}/same", summary="The same child", response_class=RedirectResponse)
    async def same(key: Key, request: Request, who: signed_in) -> Response:
        form = await form_of(request, who)
        why, child = str(form.get("why", "")), str(form.get("child", ""))
        return _answer(tools, await decide(tools, who, key, why, child=child))

    @routes.post("/reviews/{key}/different", summary="Not the same", response_class=RedirectResponse)
    async def different(key: Key, request: Request, who: signed_in) -> Response:
        form = await form_of(request, who)
        return _answer(tools, await decide(tools, who, key, str(form.get("why", ""))))

    return routes


async def decide(tools: Tools, who: Session, key: str, why: str, *, child: str | None = None) -> Decided:
    """Decide as this person, for their teams alone: the same as `child`, or as none of those shown.

    Raises 400 for a reason that is not on the list, 404 and 409 as in `REFUSED`.
    """
    if why not in (words.DIFFERENT_BECAUSE if child is None else words.SAME_BECAUSE):
        raise HTTPException(400, "Choose one of the reasons.")
    given: dict[str, Any] = {"who": who.person, "why": why, "teams": who.teams, "at": tools.clock()}
    async with tools.engine.begin() as connection:
        if child is None:
            decided = await deciding.different(connection, tools.sealer, key, **given)
        else:
            decided = await deciding.same(connection, tools.sealer, key, child, **given)
    if decided.verdict in REFUSED:
        status, sentence = REFUSED[decided.verdict]
        raise HTTPException(status, sentence)
    if decided.verdict is not Verdict.ALREADY:
        tools.metrics.reviews_decided.labels(type=decided.type, outcome=decided.verdict.value).inc()
    if decided.waited is not None:
        tools.metrics.asked_to_decided_seconds.observe(decided.waited)
    return decided


SAYS = {
    Verdict.PAGED: ("The team is paged", "Whoever is on call is being texted now."),
    Verdict.JOINED: ("Added to the child’s open page", "Somebody is told of this child already."),
    Verdict.CONFIRMED: ("The page is sure now", "The team had been paged already, with the same reference."),
    Verdict.LATE: ("Written down", "The window is over, so nobody is paged."),
    Verdict.NOT_WATCHED: ("Written down", "Nobody watches over this child any more, so nobody is paged."),
    Verdict.DIFFERENT: ("Remembered", "Nobody is asked about this pair again."),
    Verdict.HANDED_ON: ("Remembered, and handed on", "It may be a child of another team, who is asked now."),
}

ASKED_AGAIN = "Everything that was said fits the child too, so the next such event will be asked about again."


def _answer(tools: Tools, decided: Decided) -> Response:
    if decided.verdict is Verdict.ALREADY:
        stands = words.REVIEW_STATES.get(decided.state, decided.state)
        lines = [f"{stands}.", "What you chose was not taken."]
        return tools.screens.tell("A colleague was quicker", *lines, next=("/reviews", "Possible matches"))
    heading, line = SAYS[decided.verdict]
    lines = [line]
    if decided.verdict in (Verdict.DIFFERENT, Verdict.HANDED_ON) and not decided.remembered:
        lines = [ASKED_AGAIN]
    return tools.screens.tell(heading, *lines, next=("/reviews", "Possible matches"))
