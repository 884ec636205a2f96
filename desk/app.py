"""The desk: what people and their phones touch. Everything is wired here, and started here."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse

from desk import board, detail, guards, hooks, links, reviews, reviews_api, rota, sign_in, undoing
from desk.live import Live
from desk.rendering import Screens
from desk.tools import Clock, SignInFirst, Tools
from notifiers.series import Series
from schemas import web
from schemas.base import utc_now
from schemas.metrics import Metrics
from schemas.sealing import KeyringFile
from schemas.settings import Mode, Settings
from schemas.wire import Sealer
from store import accounts
from store.database import connect

TEXTS_STILL_COME = "Texts still come to your phone, and can be answered with 1."


def build(
    settings: Settings,
    engine: AsyncEngine,
    sealer: Sealer,
    metrics: Metrics,
    registry: CollectorRegistry,
    clock: Clock = utc_now,
    live: Live | None = None,
) -> FastAPI:
    """The desk's app. Its live pages hear of changes only while the app's lifespan runs."""
    live = live or Live()
    screens = Screens(rehearsal=settings.mode is Mode.REHEARSAL)
    tools = Tools(engine, settings, sealer, metrics, clock, screens)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(accounts.stand_in)  # the first sign-in must not take longer than the second
        following = asyncio.create_task(live.follow(settings.need("database_url")))
        yield
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following

    async def ready() -> list[str]:
        return await _missing(engine)

    app = web.service(
        "Nightlight desk",
        ready=ready,
        registry=registry,
        description="Links in texts, the duty desk, and the providers' callbacks.",
        lifespan=lifespan,
    )
    app.include_router(links.router(tools))
    app.include_router(sign_in.router(tools))
    app.include_router(board.router(tools, live))
    app.include_router(detail.router(tools))
    app.include_router(reviews.router(tools))
    app.include_router(reviews_api.router(tools))
    app.include_router(undoing.router(tools))
    app.include_router(rota.router(tools))
    app.include_router(hooks.router(engine, settings, sealer, metrics, clock))
    app.include_router(screens.router())
    _refuse_kindly(app, settings, screens)
    app.add_middleware(guards.Guard, settings=settings)
    return app


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then stop within five seconds."""
    registry, live = CollectorRegistry(), Live()
    engine = connect(settings.need("database_url"), pool=10)
    metrics = Metrics.build(registry)
    app = build(settings, engine, KeyringFile(settings.keyring_path), metrics, registry, utc_now, live)
    # The server waits for open streams, so they end with the same signal; and it raises the signal again when it is done.
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, live.close)
    series = asyncio.create_task(_keep_series(engine, Series(metrics)))
    try:
        await web.server(app, settings).serve()
    finally:
        live.close()
        series.cancel()
        await engine.dispose()


async def _keep_series(engine: AsyncEngine, series: Series) -> None:
    """Every five seconds, until cancelled: an authority may have joined, and its first page is to be counted."""
    while True:
        with contextlib.suppress(SQLAlchemyError, OSError):
            async with engine.connect() as connection:
                await series.begin(connection)
        await asyncio.sleep(5)


async def _missing(engine: AsyncEngine) -> list[str]:
    try:
        async with asyncio.timeout(2), engine.connect() as connection:
            await connection.execute(text("SELECT FROM pages LIMIT 1"))
    except (SQLAlchemyError, OSError, TimeoutError):
        return ["PostgreSQL does not answer, or 'nightlight migrate' has not been run"]
    return []


def _refuse_kindly(app: FastAPI, settings: Settings, screens: Screens) -> None:
    """What a person sees when something is not there, not theirs, or broken. No answer repeats what was sent."""

    async def sign_in_first(request: Request, problem: Any) -> Response:
        if request.url.path.startswith("/api/"):
            return JSONResponse({"detail": "Sign in at /sign-in first, and send its cookie."}, status_code=401)
        return RedirectResponse(f"/sign-in?next={sign_in.afterwards(problem.wanted)}", status_code=303)

    async def refused(request: Request, problem: Any) -> Response:
        phrase = HTTPStatus(problem.status_code).phrase
        if request.url.path.startswith(("/twilio/", "/notify/")):
            return JSONResponse({"detail": phrase}, status_code=problem.status_code, headers=problem.headers)
        if request.url.path.startswith("/api/"):
            said = {"detail": problem.detail}
            return JSONResponse(said, status_code=problem.status_code, headers=problem.headers)
        if problem.status_code == HTTPStatus.NOT_FOUND:
            return screens.tell(
                "There is no such page", "Or it is another team’s.", status=404, next=("/", "Duty desk")
            )
        lines = [problem.detail] if problem.detail != phrase else []
        answer = screens.tell("That did not work", *lines, status=problem.status_code, next=("/", "Duty desk"))
        answer.headers.update(problem.headers or {})
        return answer

    async def malformed(_: Request, __: Any) -> Response:
        return JSONResponse({"detail": "Malformed request"}, status_code=422)

    async def broken(_: Request, __: Any) -> Response:
        answer = screens.tell("Something broke on our side", TEXTS_STILL_COME, status=500, next=("/", "Try again"))
        # This answer is made outside the guard, which would have put the headers on it.
        answer.headers.update(guards.headers(settings))
        return answer

    app.add_exception_handler(SignInFirst, sign_in_first)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(Exception, broken)
