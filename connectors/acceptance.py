"""What may come in, whichever door it comes to: is it this agency's to say, and is it what the contract says."""

from collections.abc import Sequence
from datetime import datetime

from connectors.cloudevents import Attributes, Told, check_attributes, check_data
from connectors.problems import Finding, Reason, Refused, invalid
from schemas.envelope import Envelope
from schemas.envelope import Mode as EventMode
from schemas.events import EVENTS, AboutEvent, AboutPerson, Event
from schemas.identifiers import is_synthetic_nhs_number, nhs_number
from schemas.settings import Mode
from store.rights import Agency

Known = tuple[Told, Attributes]
"""An event whose attributes are good, and whose agency may send it."""


def check_whose(told: Sequence[Told], agency: Agency) -> list[Known]:
    """Every event's attributes, and whether this agency may send it: all of them, or none.

    Raises:
        Refused: 403 without a sharing agreement; 422 with what is wrong with attributes, or else 403.
    """
    if not agency.agreed:
        raise Refused(
            Reason.NOT_AGREED,
            "No sharing agreement with you is in force: the operator enters its id and dates with 'nightlight agencies agree'.",
        )
    known: list[Known] = []
    problems: list[Finding] = []
    for one in told:
        attributes, wrong = check_attributes(one)
        problems += wrong
        if attributes:
            known.append((one, attributes))
    if problems:
        raise invalid(problems)
    for one, attributes in known:
        _check_rights(one.where, attributes, agency)
    return known


def check_events(
    known: Sequence[Known], agency: Agency, *, entrance: str, mode: Mode, received_at: datetime
) -> list[Envelope]:
    """What every event says, in its envelope: all of them, or none.

    Raises:
        Refused: 422 with what is wrong with the data; 403 for a correction of another agency's event.
    """
    envelopes: list[Envelope] = []
    problems: list[Finding] = []
    for one, attributes in known:
        event, wrong = check_data(one, EVENTS[attributes.type])
        if event and mode is Mode.REHEARSAL:
            wrong = _real_child(one.where, event)
        problems += wrong
        if event and not problems:
            envelopes.append(_envelope(attributes, event, agency, entrance, received_at))
    if problems:
        raise invalid(problems)
    for (one, _), envelope in zip(known, envelopes, strict=True):
        _check_correction(one.where, envelope.event, agency)
    return envelopes


def _check_rights(where: str, attributes: Attributes, agency: Agency) -> None:
    rights = {
        "source": agency.owns(attributes.source),
        "type": attributes.type in agency.types,
        "authority": agency.covers(attributes.authority),
    }
    for name, allowed in rights.items():
        if not allowed:
            raise _not_yours(where, name)


def _check_correction(where: str, event: Event, agency: Agency) -> None:
    """Nobody cancels what another agency has said: it would end a page for a child they know nothing of."""
    if isinstance(event, AboutEvent) and not agency.owns(event.of.source):
        raise _not_yours(where, "data.of.source")


def _not_yours(where: str, name: str) -> Refused:
    path = f"{where}.{name}" if where else name
    return Refused(Reason.NOT_YOURS, f"`{path}` is not registered for this key: the operator can add it.")


def _real_child(where: str, event: Event) -> list[Finding]:
    """A rehearsal must not hold a real child: an NHS number tells."""
    if not isinstance(event, AboutPerson) or not (typed := event.person.nhs_number):
        return []
    if is_synthetic_nhs_number(typed) or not nhs_number(typed).usable:
        return []
    path = f"{where}.data.person.nhs_number" if where else "data.person.nhs_number"
    message = "this is a rehearsal, which takes made-up children only: use a synthetic NHS number, which starts with 9"
    return [Finding(path=path, message=message)]


def _envelope(attributes: Attributes, event: Event, agency: Agency, entrance: str, received_at: datetime) -> Envelope:
    return Envelope(
        id=attributes.id,
        source=attributes.source,
        time=attributes.time,
        authority=attributes.authority,
        mode=attributes.mode or EventMode.LIVE,
        feed=agency.name,
        entrance=entrance,
        received_at=received_at,
        event=event,
    )
