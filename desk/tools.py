"""What every room of the desk works with, and who is at it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from uuid import UUID

from fastapi import HTTPException, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.datastructures import FormData

from desk.guards import is_https
from desk.rendering import Screens
from schemas.metrics import Metrics
from schemas.settings import Settings
from schemas.wire import Sealer
from store import board, sessions
from store.sessions import Session

Clock = Callable[[], datetime]


class SignInFirst(Exception):
    """Nobody is signed in. `wanted` is where to go afterwards."""

    def __init__(self, wanted: str) -> None:
        super().__init__("sign in first")
        self.wanted = wanted


@dataclass(frozen=True)
class Tools:
    """Handed to every router of the desk."""

    engine: AsyncEngine
    settings: Settings
    sealer: Sealer
    metrics: Metrics
    clock: Clock
    screens: Screens

    @property
    def cookie(self) -> str:
        """The session cookie's name. `__Host-` makes the browser hold it to this host and to https; plain http is for this machine."""
        return "__Host-nightlight" if is_https(self.settings) else "nightlight"

    async def signed_in(self, request: Request) -> Session:
        """Who is asking. Raises SignInFirst."""
        cookie = request.cookies.get(self.cookie)
        wanted = request.url.path if request.method == "GET" else "/"
        if not cookie:
            raise SignInFirst(wanted)
        async with self.engine.connect() as connection:
            found = await sessions.find(connection, cookie, at=self.clock())
        if found is None:
            raise SignInFirst(wanted)
        return found


async def form_of(request: Request, who: Session) -> FormData:
    """What a form of a signed-in page sent. Raises 403 if it was not one of ours."""
    form = await request.form()
    if not compare_digest(str(form.get("token", "")).encode(), who.form_token.encode()):
        raise HTTPException(403, "That form has grown old. Open the page again, and try once more.")
    return form


async def page_of(connection: AsyncConnection, page: str, who: Session) -> board.Page:
    """A page of this person's teams. Raises 404 for another team's, as for one that never was (R36)."""
    try:
        found = await board.find(connection, UUID(page), who.teams)
    except ValueError:
        found = None
    if found is None:
        raise HTTPException(404)
    return found
