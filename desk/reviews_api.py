"""The same for a program of the team's: JSON in, JSON out, with the session of somebody who has signed in.

What changes something needs the session's token in `X-Nightlight-Token`, as the pages' forms have it: the list gives it.
"""

from dataclasses import asdict
from hmac import compare_digest
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, HTTPException
from pydantic import Field

from desk import comparing
from desk.reviews import Key, decide
from desk.tools import Tools
from schemas.base import Shape
from store import reviews
from store.sessions import Session


class Answer(Shape):
    """`child` with "same" alone: one of those that were shown. `why`: a key of the closed lists on the page."""

    decision: Literal["same", "different"]
    child: Annotated[str, Field(max_length=64)] | None = None
    why: Annotated[str, Field(max_length=40)]


def router(tools: Tools) -> APIRouter:
    """/api/reviews."""
    routes = APIRouter(tags=["desk"], prefix="/api/reviews")
    signed_in = Annotated[Session, Depends(tools.signed_in)]

    @routes.get("", summary="Possible matches that wait for a person: nothing that says who")
    async def waiting(who: signed_in) -> dict[str, Any]:
        async with tools.engine.connect() as connection:
            found = await reviews.waiting(connection, who.teams)
        return {"token": who.form_token, "reviews": [asdict(each) for each in found]}

    @routes.get("/{key}", summary="Both records side by side; the score with ?score=true, or once decided")
    async def look(key: Key, who: signed_in, score: bool = False) -> dict[str, Any]:
        async with tools.engine.begin() as connection:
            compared = await comparing.compare(connection, tools, who, key, score=score, now=tools.clock())
        scores = {child: each.model_dump(exclude={"child"}) for child, each in compared.scores.items()}
        return {
            "review": asdict(compared.review.about),
            "children": compared.children,
            "compared": [asdict(line) for line in compared.lines],
            "where": dict(compared.where),
            "scores": scores,
            "why": compared.why,
        }

    @routes.post("/{key}", summary="Decide: the same child, or not")
    async def answer(
        key: Key, given: Answer, who: signed_in, x_nightlight_token: Annotated[str, Header()] = ""
    ) -> dict[str, Any]:
        if not compare_digest(x_nightlight_token.encode(), who.form_token.encode()):
            raise HTTPException(403, "Send the token of GET /api/reviews in X-Nightlight-Token.")
        if (given.decision == "same") != (given.child is not None):
            raise HTTPException(400, "Name the child with the decision 'same', and none with 'different'.")
        decided = await decide(tools, who, key, given.why, child=given.child)
        return asdict(decided)

    return routes
