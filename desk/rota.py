"""The rota of one's own teams, and the phones on it: what is wrong, who is on call when, and what each phone's state is."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from starlette.responses import HTMLResponse

from desk.tools import Tools
from store import drills, gaps, phones, rotas
from store.rotas import AHEAD
from store.sessions import Session


def router(tools: Tools) -> APIRouter:
    """/rota, for whoever is signed in: their teams and nobody else's, and no number of anybody's."""
    routes = APIRouter(tags=["desk"])
    signed_in = Annotated[Session, Depends(tools.signed_in)]

    @routes.get("/rota", summary="The rota and its phones", response_class=HTMLResponse)
    async def rota(who: signed_in) -> Response:
        now = tools.clock()
        async with tools.engine.connect() as connection:
            found = await gaps.survey(connection, now, AHEAD // timedelta(days=1), only=who.teams)
            shifts = await rotas.show(connection, now, now + AHEAD)
            known = await phones.listing(connection, teams=who.teams)
            drilled = {one.team: one.last_at for one in await drills.listing(connection)}
        return tools.screens.show(
            "rota.html",
            who=who,
            now=now,
            problems=found.problems,
            notes=(*found.unverified, *found.notes),
            shifts=[shift for shift in shifts if shift.team in who.teams],
            phones=known,
            cannot=phones.CANNOT_BE_REACHED,
            drilled=[(team, drilled.get(team)) for team in who.teams],
        )

    return routes
