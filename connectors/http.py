"""The HTTP door: an agency says what happened, and is told 202 once Kafka has it."""

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from starlette.routing import Route

from connectors import fhir, forms, openapi
from connectors.acceptance import check_events, check_whose
from connectors.cloudevents import MOST_EVENTS, Style, read, style_of
from connectors.door import Door, knocking, read_body
from connectors.doorkeeper import Doorkeeper
from connectors.problems import Finding, Reason, Refused, answer, answer_with_problems, invalid
from connectors.publish import NotPublished
from connectors.strict import Malformed
from schemas.base import utc_now
from schemas.envelope import Envelope
from schemas.metrics import Metrics
from schemas.sealing import Keyring
from schemas.settings import Mode
from schemas.web import Readiness, service
from store.database import connect
from store.rights import Agency

DOOR: Final = "http"


def build(door: Door, *, ready: Readiness, registry: CollectorRegistry) -> FastAPI:
    """The gateway's app: `POST /v1/events`, FHIR, the forms, and what every HTTP process answers."""
    app = service("Nightlight gateway", ready=ready, registry=registry, description=openapi.ABOUT)
    screens = forms.Screens(rehearsal=door.mode is Mode.REHEARSAL)
    answer_with_problems(app, {fhir.PREFIX: fhir.outcome, forms.PREFIX: screens.refuse})
    app.include_router(fhir.router(door, openapi.MESSAGE))
    app.include_router(forms.router(door, screens))

    @app.post("/v1/events", **openapi.OPERATION)
    async def report(request: Request) -> JSONResponse:
        """In this order, so that a refusal costs us less than it costs the sender: key, pace, content type, size, JSON,
        attributes, rights, data, Kafka. The list of watched children is not known here, so no answer can depend on it."""
        try:
            with knocking(door) as knock:
                agency = await knock.recognise(request.headers.get("authorization"))
                envelopes = await take(request, agency, door)
                await knock.keep(envelopes, agency)
        except Refused as refusal:
            return answer(refusal)
        return accepted(envelopes)

    # The same, found first and called by itself: what FastAPI does for a handler without parameters took a fifth of an event.
    app.router.routes.insert(0, Route("/v1/events", report, methods=["POST"], include_in_schema=False))
    openapi.complete(app)
    return app


def describe(registry: CollectorRegistry) -> dict[str, Any]:
    """The OpenAPI document of this door, without opening it: no database and no broker is asked. `registry` is an empty one."""
    metrics = Metrics.build(registry)
    doorkeeper = Doorkeeper(connect("postgresql://nobody@127.0.0.1/none"), metrics, utc_now)

    async def ready() -> list[str]:
        return ["this is a description"]

    door = Door(doorkeeper, _Nowhere(), metrics, utc_now, Mode.REHEARSAL, Keyring.make())
    return build(door, ready=ready, registry=registry).openapi()


class _Nowhere:
    """Keeps nothing, and says so."""

    async def publish(self, *_: Envelope) -> None:
        raise NotPublished("this is a description")


async def take(request: Request, agency: Agency, door: Door) -> list[Envelope]:
    """Read the request's events and check everything about them. Raises Refused."""
    door.doorkeeper.admit(agency)
    style = style_of(request.headers.get("content-type"), marked="ce-specversion" in request.headers)
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


def accepted(envelopes: list[Envelope]) -> JSONResponse:
    """202, with what was taken, in the order it was sent."""
    taken = [
        {"source": one.source, "id": one.id, "received_at": one.received_at.isoformat(timespec="milliseconds")}
        for one in envelopes
    ]
    return JSONResponse({"accepted": taken}, status_code=202)
