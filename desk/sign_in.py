"""Signing in: a password and a code. Whatever is wrong, the answer is the same, and takes as long."""

import asyncio
import re
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from desk import words
from desk.guards import is_https
from desk.throttle import Throttle
from desk.tools import Tools, form_of
from store import accounts, sessions
from store.accounts import Refusal
from store.sessions import Session

PROBLEM = (
    "That did not work. Check the name, the password and the code; a code works once. "
    "After several tries the account rests for a few minutes."
)
AFTERWARDS = re.compile(r"/(pages/[0-9a-f-]{36}|rota|reviews(/[0-9a-f]{64})?)?")
"""Where signing in may lead: a page of ours, and nowhere else."""

AT_ONCE = 2  # a check takes 64 MiB and a tenth of a second of one core


def router(tools: Tools) -> APIRouter:
    """/sign-in and /sign-out."""
    routes = APIRouter(tags=["desk"])
    throttle = Throttle()
    checking = asyncio.Semaphore(AT_ONCE)

    @routes.get("/sign-in", summary="The form", response_class=HTMLResponse)
    async def ask(next: str = "/") -> Response:  # noqa: A002 - the query's own name
        return tools.screens.show("sign_in.html", next=afterwards(next))

    @routes.post("/sign-in", summary="Sign in", response_class=RedirectResponse)
    async def sign_in(request: Request) -> Response:
        now, address = tools.clock(), request.client.host if request.client else ""
        if wait := throttle.wait(address, now):
            refused = tools.screens.tell(
                "Too many tries from here",
                f"Try again in {words.lasted(wait)}. Texts can still be answered.",
                status=429,
            )
            refused.headers["Retry-After"] = str(int(wait.total_seconds()) + 1)
            return refused
        form = await request.form()
        name, password, code, wanted = (str(form.get(field, "")) for field in ("name", "password", "code", "next"))
        async with checking:
            cookie = await _try(tools, name, password, code, now)
        if cookie is None:
            throttle.failed(address, now)
            return tools.screens.show("sign_in.html", status=403, next=afterwards(wanted), problem=PROBLEM)
        answer = RedirectResponse(afterwards(wanted), status_code=303)
        answer.set_cookie(
            tools.cookie,
            cookie,
            max_age=int(sessions.SHIFT.total_seconds()),
            secure=is_https(tools.settings),
            httponly=True,
            samesite="lax",
        )
        return answer

    @routes.post("/sign-out", summary="Sign out, and leave nothing on the phone", response_class=HTMLResponse)
    async def sign_out(request: Request, who: Annotated[Session, Depends(tools.signed_in)]) -> Response:
        await form_of(request, who)
        async with tools.engine.begin() as connection:
            await sessions.sign_out(connection, who, at=tools.clock())
        answer = tools.screens.tell("You have signed out", "Texts still come to your phone.", next=("/", "Sign in"))
        answer.delete_cookie(tools.cookie, secure=is_https(tools.settings), httponly=True, samesite="lax")
        answer.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
        return answer

    return routes


def afterwards(wanted: str) -> str:
    """A place of ours to go to; the duty desk for anything else."""
    return wanted if AFTERWARDS.fullmatch(wanted) else "/"


async def _try(tools: Tools, name: str, password: str, code: str, now: datetime) -> str | None:
    """The cookie of a new session, or None. The database is not held while the password is checked."""
    async with tools.engine.connect() as connection:
        account = await accounts.find(connection, tools.sealer, name)
    verdict = await asyncio.to_thread(accounts.check, account, password, code, at=now)
    async with tools.engine.begin() as connection:
        if account and verdict.refusal is None:
            cookie = await accounts.let_in(connection, account.person, verdict.step, at=now)
            if cookie:
                return cookie
        await accounts.refuse(connection, account, verdict.refusal or Refusal.CODE_USED, at=now)
    return None
