"""A manager takes a page back: it was the wrong child."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from starlette.responses import RedirectResponse

from desk import words
from desk.tools import Tools, form_of, page_of
from store import undoing
from store.sessions import Session
from store.undoing import Undo

SAYS = {
    Undo.RECALLED: "The page is recalled, and whoever was told of it is being told so.",
    Undo.RECORDED: "The page had ended before, so nobody is texted. It is written down.",
    Undo.ALREADY: "It had been taken back already.",
}


def router(tools: Tools) -> APIRouter:
    """/pages/{page}/undo."""
    routes = APIRouter(tags=["desk"])
    signed_in = Annotated[Session, Depends(tools.signed_in)]

    @routes.post("/pages/{page}/undo", summary="It was the wrong child", response_class=RedirectResponse)
    async def undo(page: str, request: Request, who: signed_in) -> Response:
        why, now = str((await form_of(request, who)).get("why", "")), tools.clock()
        if why not in words.UNDO_BECAUSE:
            raise HTTPException(400, "Choose one of the reasons.")
        async with tools.engine.begin() as connection:
            found = await page_of(connection, page, who)
            if not await undoing.may(connection, who.person, found.team, at=now):
                raise HTTPException(403, "Only the manager on call for the team may take a page back.")
            done = await undoing.undo(
                connection, tools.sealer, found.page, who=who.person, why=why, teams=who.teams, at=now
            )
        if done.undo is Undo.UNKNOWN:
            raise HTTPException(404)
        return tools.screens.tell(
            f"Page {found.reference} is taken back", SAYS[done.undo], next=("/", "Duty desk"), reference=found.reference
        )

    return routes
