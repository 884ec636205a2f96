"""The FHIR door: `POST /fhir/$process-message`, with the key, the limits and the acceptance of `POST /v1/events`."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from connectors.acceptance import check_events, check_whose
from connectors.door import Door, knocking, read_body
from connectors.fhir.answers import CAPABILITIES, MEDIA_TYPE, TAKEN, outcome, taken
from connectors.fhir.encounters import mean
from connectors.fhir.meant import Meant, Teller
from connectors.fhir.message import read_message
from connectors.problems import Finding, Reason, Refused
from connectors.strict import Malformed, read_json
from connectors.visits.known import Known
from schemas.envelope import Envelope
from schemas.events import ChildAdmitted
from store.rights import Agency

DOOR: Final = "fhir"
PREFIX: Final = "/fhir"

Taken = list[tuple[str, Envelope]]
Left = list[tuple[str, str]]


def router(door: Door, operation: Mapping[str, Any]) -> APIRouter:
    """The two addresses. `operation` is what OpenAPI says of the first."""
    routes = APIRouter(prefix=PREFIX, tags=["agencies"])

    @routes.post("/$process-message", **operation)
    async def process_message(request: Request) -> JSONResponse:
        """As `connectors.http.report`, in the same order: a refusal costs us less than it costs the sender."""
        try:
            with knocking(door) as knock:
                agency = await knock.recognise(request.headers.get("authorization"))
                envelopes, left, visits = await take(request, agency, door)
                await knock.keep([one for _, one in envelopes], agency)
                for known in visits:
                    door.visits.keep(known)
        except Refused as refusal:
            return outcome(refusal)
        return taken(envelopes, left)

    @routes.get(
        "/metadata",
        summary="What this door takes, as a FHIR CapabilityStatement",
        response_class=Response,
        responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}},
    )
    async def metadata() -> Response:
        return JSONResponse(dict(CAPABILITIES), media_type=MEDIA_TYPE)

    return routes


async def take(request: Request, agency: Agency, door: Door) -> tuple[Taken, Left, list[Known]]:
    """Read the message and check everything about it: all its encounters, or none. Raises Refused.

    What they became, and those that become nothing, each with its place in the Bundle; and what is to be remembered of the
    visits once Kafka has it all.
    """
    door.doorkeeper.admit(agency)
    if (
        not is_fhir(request.headers.get("content-type"))
        or request.headers.get("content-encoding", "identity") != "identity"
    ):
        raise Refused(Reason.MEDIA_TYPE, f"Send {MEDIA_TYPE} of FHIR R4, in UTF-8, and not compressed.")
    body = await read_body(request)
    received_at = door.clock()
    try:
        message = read_message(read_json(body))
    except Malformed as problem:
        raise Refused(Reason.MALFORMED, str(problem)) from None
    meant = mean(message, Teller(agency, door.visits, door.sealer, received_at))
    if (events := sum(len(one.told) for one in meant)) > 1:
        door.doorkeeper.admit(agency, events - 1)
    envelopes: Taken = []
    for one in meant:
        try:
            known = check_whose(one.told, agency)
            checked = check_events(known, agency, entrance=DOOR, mode=door.mode, received_at=received_at)
        except Refused as refusal:
            raise _placed(refusal, one) from None
        # Two resources of a message can say one thing: who somebody is, by their record and by their encounter.
        said = {envelope.id for _, envelope in envelopes}
        envelopes += [(one.where, envelope) for envelope in checked if envelope.id not in said]
    for one in meant:
        if one.nothing:
            door.metrics.messages_noted.labels(feed=agency.name, door=DOOR, reason=one.nothing).inc()
    if not envelopes:
        door.doorkeeper.saw(agency, received_at)  # it had nothing for us, and it is alive
    left = [(one.where, one.why) for one in meant if not one.told]
    # Whoever may not tell of arrivals is not remembered for what comes to nothing: others' visits would be forgotten for it.
    visits = [known for one in meant for known in one.visits] if ChildAdmitted.type in agency.types else []
    return envelopes, left, visits


def is_fhir(content_type: str | None) -> bool:
    """Whether it is JSON, UTF-8, and R4 where it says a version. Plain application/json is taken too, as FHIR asks."""
    kind, *parameters = (content_type or "").lower().replace('"', "").split(";")
    known = {"charset=utf-8", "fhirversion=4.0", "fhirversion=4.0.1", ""}
    return kind.strip() in TAKEN and {part.strip().replace(" ", "") for part in parameters} <= known


def _placed(refusal: Refused, meant: Meant) -> Refused:
    """The refusal with the elements of the message in place of our own fields."""
    errors = [Finding(path=_element(finding.path, meant), message=finding.message) for finding in refusal.errors]
    detail = (
        refusal.detail if errors else "This message is not for this key's types or places: the operator can add them."
    )
    return Refused(refusal.reason, detail, errors, refusal.retry_after)


def _element(path: str, meant: Meant) -> str:
    """The nearest element that we know of, of a path such as `data.person.other_names[1]`."""
    parts = path.partition("[")[0].split(".")
    for end in range(len(parts), 0, -1):
        if found := meant.places.get(".".join(parts[:end])):
            return found
    return meant.where
