"""What every HTTP process answers: is it alive, can it work now and if not why, its metrics, and its own reference page."""

import contextlib
import html
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CollectorRegistry
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.metrics import exposition
from schemas.settings import Settings

Readiness = Callable[[], Awaitable[list[str]]]
"""What keeps this process from working now, one sentence each; empty when nothing does."""

CLOSED = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Headers of every answer (OWASP ASVS 5.0, 3.4). An app with scripts widens the first for itself."""


def service(
    title: str,
    *,
    ready: Readiness,
    registry: CollectorRegistry,
    description: str = "",
    notes: Callable[[], list[str]] = list,
    **kwargs: Any,
) -> FastAPI:
    """A FastAPI app with /healthz, /readyz, /metrics, /openapi.json and /docs. The last loads nothing from elsewhere.

    `notes`: what is wrong and yet does not keep it from working, one sentence each.
    """
    app = FastAPI(title=title, description=description, version="1", docs_url=None, redoc_url=None, **kwargs)

    @app.get("/healthz", tags=["operators"], summary="Is the process alive?")
    async def healthz() -> dict[str, bool]:
        return {"alive": True}

    @app.get(
        "/readyz",
        tags=["operators"],
        summary="Can it work now? If not, why",
        responses={503: {"description": "Not now"}},
    )
    async def readyz() -> JSONResponse:
        because = await ready()
        said: dict[str, Any] = {"ready": not because, "because": because}
        if noted := notes():
            said["noted"] = noted
        return JSONResponse(said, status_code=503 if because else 200)

    @app.get("/metrics", tags=["operators"], summary="Prometheus metrics", response_class=Response)
    async def metrics() -> Response:
        body, kind = exposition(registry)
        return Response(body, headers={"Content-Type": kind})

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(reference_page(app.openapi()))

    app.add_middleware(Closed)
    return app


class Closed:
    """Puts the closed headers on every answer that has not set them itself.

    Plain ASGI: the framework's own way to write such a layer runs each request in a task of its own behind a queue, and
    cost the gateway more than reading, checking and sealing an event.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in CLOSED.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, closed if scope["type"] == "http" else send)


REFERENCE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<h1>{title}</h1><p>{about}</p><p>The whole of it, for a machine: <a href="openapi.json">openapi.json</a></p>
<table><thead><tr><th>Request</th><th>What it does</th><th>More</th><th>Answers</th></tr></thead><tbody>{rows}</tbody></table>
</html>"""


def reference_page(openapi: dict[str, Any]) -> str:
    """The API as one plain page: every path, what it does, what it answers."""
    rows = []
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            answers = ", ".join(f"{code} {answer['description']}" for code, answer in operation["responses"].items())
            cells = (
                f"{method.upper()} {path}",
                operation.get("summary", ""),
                operation.get("description", ""),
                answers,
            )
            rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    page = {
        "title": html.escape(openapi["info"]["title"]),
        "about": html.escape(openapi["info"].get("description", "")),
        "rows": "".join(rows),
    }
    return REFERENCE.format(**page)


def server(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """An HTTP server at `settings.listen`, quiet in the log: an access line would hold what is in a link."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=16 * 1024,  # of headers
        server_header=False,
    )
    return uvicorn.Server(config)


@contextlib.contextmanager
def serving_in_thread(app: FastAPI, settings: Settings) -> Iterator[None]:
    """Serve from a thread of its own while the body runs: for a process whose loop belongs to another (Faust, the pager)."""
    http = server(app, settings)
    thread = threading.Thread(target=http.run, name="http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        http.should_exit = True
        thread.join(timeout=6)
