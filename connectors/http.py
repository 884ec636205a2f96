"""The HTTP door: an agency says what happened, and is told 202 once Kafka has it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from starlette.requests import ClientDisconnect

from connectors import openapi
from connectors.acceptance import check_events, check_whose
from connectors.cloudevents import MOST_EVENTS, Style, read, style_of
from connectors.doorkeeper import Doorkeeper
from connectors.problems import Finding, Reason, Refused, answer, answer_with_problems, invalid
from connectors.publish import NotPublished
from connectors.strict import Malformed
from schemas.base import utc_now
from schemas.envelope import Envelope
from schemas.metrics import UNKNOWN_FEED, Metrics
from schemas.settings import Mode
from schemas.web import Readiness, service
from store.database import connect
from store.rights import Agency

LARGEST_BODY: Final = 256 * 1024
BODY_SECONDS: Final = 10
RETRY_SECONDS: Final = 2
DOOR: Final = "http"


class Publishes(Protocol):
    """Keeps events. Returns once every one is safe; raises NotPublished if they may not be, within five seconds."""

    async def publish(self, *envelopes: Envelope) -> None: ...


@dataclass(frozen=True)
class Door:
    """What the handler needs, made by the wiring."""

    doorkeeper: Doorkeeper
    publisher: Publishes
    metrics: Metrics
    clock: Callable[[], datetime]
    mode: Mode


def build(door: Door, *, ready: Readiness, registry: CollectorRegistry) -> FastAPI:
    """The gateway's app: `POST /v1/events`, and what every HTTP process answers."""
    app = service("Nightlight gateway", ready=ready, registry=registry, description=openapi.ABOUT)
    answer_with_problems(app)

    @app.post("/v1/events", **openapi.OPERATION)
    async def report(request: Request) -> JSONResponse:
        """In this order, so that a refusal costs us less than it costs the sender: key, pace, content type, size, JSON,
        attributes, rights, data, Kafka. The list of watched children is not known here, so no answer can depend on it."""
        feed = UNKNOWN_FEED
        try:
            agency = await recognise(request.headers.get("authorization"), door)
            feed = agency.name
            envelopes = await take(request, agency, door)
            # Answer only once Kafka has it: 202 means "we will not lose this".
            await door.publisher.publish(*envelopes)
        except Refused as refusal:
            door.metrics.events_refused.labels(feed=feed, reason=refusal.reason).inc()
            return answer(refusal)
        except NotPublished:
            door.metrics.events_refused.labels(feed=feed, reason=Reason.KAFKA_AWAY).inc()
            return answer(AWAY)
        _count(envelopes, agency, door)
        return accepted(envelopes)

    openapi.complete(app)
    return app


def describe(registry: CollectorRegistry) -> dict[str, Any]:
    """The OpenAPI document of this door, without opening it: no database and no broker is asked. `registry` is an empty one."""
    metrics = Metrics.build(registry)
    doorkeeper = Doorkeeper(connect("postgresql://nobody@127.0.0.1/none"), metrics, utc_now)

    async def ready() -> list[str]:
        return ["this is a description"]

    door = Door(doorkeeper, _Nowhere(), metrics, utc_now, Mode.REHEARSAL)
    return build(door, ready=ready, registry=registry).openapi()


class _Nowhere:
    """Keeps nothing, and says so."""

    async def publish(self, *_: Envelope) -> None:
        raise NotPublished("this is a description")


AWAY: Final = Refused(
    Reason.KAFKA_AWAY,
    "Nothing was confirmed: send all of it again, with the same source and id. What arrives twice counts once.",
    retry_after=RETRY_SECONDS,
)


async def recognise(authorization: str | None, door: Door) -> Agency:
    """Whose key it is, also if it was made a moment ago. Raises Refused."""
    try:
        return door.doorkeeper.recognise(authorization)
    except Refused as refusal:
        if refusal.reason is not Reason.UNKNOWN_KEY or not (authorization or "").startswith("Bearer nl_"):
            raise
    await door.doorkeeper.look_again()
    return door.doorkeeper.recognise(authorization)


async def take(request: Request, agency: Agency, door: Door) -> list[Envelope]:
    """Read the request's events and check everything about them. Raises Refused."""
    door.doorkeeper.admit(agency)
    style = style_of(request.headers.get("content-type"))
    if style is None or request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(Reason.MEDIA_TYPE, f"Send one of {', '.join(Style)}, in UTF-8, and not compressed.")
    body = await read_body(request)
    received_at = door.clock()
    try:
        told = read(style, body, request.headers.raw)
    except Malformed as problem:
        raise Refused(Reason.MALFORMED, str(problem)) from None
    if len(told) > MOST_EVENTS:
        raise invalid([Finding(path="", message=f"a batch holds at most {MOST_EVENTS} events")])
    if len(told) > 1:
        door.doorkeeper.admit(agency, len(told) - 1)
    known = check_whose(told, agency)
    return check_events(known, agency, entrance=DOOR, mode=door.mode, received_at=received_at)


async def read_body(request: Request) -> bytes:
    """The body, as far as it may be long, and no longer than it may take. The declared length is a hint, never trusted."""
    too_large = Refused(Reason.TOO_LARGE, f"At most {LARGEST_BODY // 1024} KiB in one request: send smaller batches.")
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > LARGEST_BODY:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise too_large
    except (TimeoutError, ClientDisconnect):
        raise Refused(Reason.MALFORMED, f"The body did not arrive within {BODY_SECONDS} seconds.") from None
    return bytes(body)


def accepted(envelopes: list[Envelope]) -> JSONResponse:
    """202, with what was taken, in the order it was sent."""
    taken = [
        {"source": one.source, "id": one.id, "received_at": one.received_at.isoformat(timespec="milliseconds")}
        for one in envelopes
    ]
    return JSONResponse({"accepted": taken}, status_code=202)


def _count(envelopes: list[Envelope], agency: Agency, door: Door) -> None:
    for one in envelopes:
        door.metrics.events_accepted.labels(feed=agency.name, type=one.type, door=DOOR).inc()
        late = max(0.0, (one.received_at - one.time).total_seconds())
        door.metrics.occurred_to_received_seconds.labels(feed=agency.name, type=one.type).observe(late)
    if envelopes:
        door.doorkeeper.saw(agency, envelopes[-1].received_at)
