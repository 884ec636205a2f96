"""What an encounter means to us: an arrival at A&E, a departure, a correction, or nothing. Then the event, as if it had been told."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from connectors.attendances import arrival_id, cancellation_id, departure_id
from connectors.cloudevents import Told
from connectors.fhir.message import Found, Message
from connectors.fhir.patient import Read, read_patient
from connectors.fhir.resources import Coding, Encounter, Identifier, Organisation, Reference
from connectors.hl7.reading import Nothing
from connectors.problems import Finding, invalid
from schemas.events import ChildAdmitted, ChildDischarged, EventCancelled, IdentityChanged
from schemas.london import LONDON
from schemas.wire import Sealer
from store.rights import ANYWHERE, Agency

EMERGENCY: Final = frozenset({"EMER", "E"})
"""Of v3-ActCode; `E` is what converters leave of HL7 v2's table 0004."""
FROM_EMERGENCY: Final = frozenset({"emd"})
"""Of encounter-admit-source: a ward's encounter of a child who came in through A&E."""

THERE: Final = frozenset({"arrived", "triaged", "in-progress", "onleave", "unknown"})
LEFT: Final = frozenset({"finished"})
TAKEN_BACK: Final = frozenset({"cancelled", "entered-in-error"})
NOT_YET: Final = frozenset({"planned"})
UPDATES: Final = frozenset({"A08", "A28", "A31", "A40", "A47"})
"""HL7 v2 events that tell of a person anew: with one of these as `eventCoding` the earlier arrival is matched again."""
TESTING: Final = frozenset({"HTEST", "T", "D"})
"""v3-ActReason for test data; and of HL7 v2's table 0103 training and debugging, as converters tag a message."""

_ODS: Final = ("ods-site-code", "ods-organization-code")
_INSTANT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2}))?"
)


@dataclass(frozen=True, slots=True)
class Meant:
    """What one encounter came to: events, or `why` there are none. `places` say which element each of their paths came from."""

    where: str
    told: tuple[Told, ...] = ()
    why: str = ""
    nothing: Nothing | None = None
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Teller:
    """Whose message it is, and what their events' ids are made with. `now` stands in for times that are not said."""

    agency: Agency
    sealer: Sealer
    now: datetime


def mean(message: Message, found: Found, teller: Teller) -> Meant:
    """Raises Refused: a status that FHIR does not know, a time that is none, an arrival of nobody."""
    encounter: Encounter = found.resource
    if encounter.status in NOT_YET:
        return Meant(found.where, why="planned: nobody has arrived yet", nothing=Nothing.NOT_AN_ARRIVAL)
    if encounter.status not in THERE | LEFT | TAKEN_BACK:
        known = ", ".join(sorted(THERE | LEFT | TAKEN_BACK | NOT_YET))
        raise invalid([Finding(path=f"{found.where}.status", message=f"must be one of {known}")])
    if not _at_emergency(encounter):
        return Meant(found.where, why="not at A&E: its class is not EMER", nothing=Nothing.NOT_AN_ARRIVAL)
    visit = _visit(message, found, teller)
    if encounter.status in TAKEN_BACK:
        return visit.taken_back()
    if encounter.status in LEFT:
        return visit.left()
    patient = message.patient_of(found)
    read = read_patient(patient.resource, patient.where)
    if read.made_up:
        return Meant(found.where, why="a test patient, whose name begins with ZZZ", nothing=Nothing.MADE_UP)
    return visit.there(read, patient.where, updated=_code(message.header.event) in UPDATES)


@dataclass(frozen=True, slots=True)
class Visit:
    """One attendance as one message tells it."""

    found: Found
    teller: Teller
    attendance: str
    site: str
    site_name: str | None
    started: datetime | None
    ended: datetime | None
    sent: datetime
    attributes: Mapping[str, Any]

    @property
    def arrival(self) -> str:
        return arrival_id(self.teller.sealer, self.site, self.attendance)

    def there(self, read: Read, where: str, *, updated: bool) -> Meant:
        """An arrival: told again, by whichever status, it is the same event. An update says beside it who it is."""
        places = {f"data.person.{name}": f"{where}.{element}" for name, element in ELEMENTS.items()}
        places |= {"data.person": where, "data.arrived_at": f"{self.found.where}.period.start"}
        at = self.started or self.sent
        data = {
            "person": read.person,
            "attendance": self.attendance,
            "site": self.site,
            "site_name": self.site_name,
            "arrived_at": at.isoformat(),
            "sensitive": read.sensitive or None,
            "deceased": read.deceased or None,
        }
        said = [self._told(ChildAdmitted.type, self.arrival, at, _without_none(data))]
        if updated:
            mark = self.teller.sealer.mark("fhir/identified", self.arrival, str(sorted(read.person.items())))
            now = {"of": self._of(), "person": read.person}
            said.append(self._told(IdentityChanged.type, f"identity-{mark[:32]}", self.sent, now))
        return self._meant(said, places)

    def left(self) -> Meant:
        at = self.ended or self.sent
        data = {"attendance": self.attendance, "site": self.site, "left_at": at.isoformat()}
        name = departure_id(self.teller.sealer, self.site, self.attendance)
        said = self._told(ChildDischarged.type, name, at, data)
        return self._meant([said], {"data.left_at": f"{self.found.where}.period.end"})

    def taken_back(self) -> Meant:
        name = cancellation_id(self.teller.sealer, self.arrival)
        return self._meant([self._told(EventCancelled.type, name, self.sent, {"of": self._of()})], {})

    def _of(self) -> dict[str, str]:
        return {"source": self.teller.agency.sources[0], "id": self.arrival}

    def _told(self, type_: str, id_: str, at: datetime, data: dict[str, Any]) -> Told:
        return Told("", {**self.attributes, "type": type_, "id": id_, "time": at.isoformat()}, data)

    def _meant(self, said: list[Told], places: Mapping[str, str]) -> Meant:
        where = self.found.where
        usual = {"data.attendance": f"{where}.identifier", "data.site": f"{where}.serviceProvider"}
        return Meant(where, tuple(said), places={**usual, **places})


ELEMENTS: Final[Mapping[str, str]] = {
    "family_name": "name",
    "given_name": "name",
    "other_names": "name",
    "previous_family_names": "name",
    "date_of_birth": "birthDate",
    "sex": "gender",
    "postcode": "address",
    "address_line": "address",
    "nhs_number": "identifier",
}
"""Which element of a Patient each field of a person came from."""


def _visit(message: Message, found: Found, teller: Teller) -> Visit:
    encounter: Encounter = found.resource
    attendance = _attendance(encounter)
    if attendance is None:
        raise invalid([Finding(path=f"{found.where}.identifier", message="give the attendance its number, or an id")])
    site, site_name = _site(message, encounter)
    sent = _instant(message.bundle.timestamp, "Bundle.timestamp") or teller.now
    authorities = [code for code in teller.agency.authorities if code != ANYWHERE]
    tagged = {
        _code(coding) for meta in (message.bundle.meta, message.header.meta) for coding in (*meta.tag, *meta.security)
    }
    return Visit(
        found=found,
        teller=teller,
        attendance=attendance,
        site=site or teller.agency.name,
        site_name=site_name,
        started=_instant(encounter.period.start, f"{found.where}.period.start"),
        ended=_instant(encounter.period.end, f"{found.where}.period.end"),
        sent=sent,
        attributes={
            "specversion": "1.0",
            "source": teller.agency.sources[0],
            # Where it happened, if the agency is of one place: the message itself does not say.
            **({"authority": authorities[0]} if len(teller.agency.authorities) == len(authorities) == 1 else {}),
            **({"mode": "test"} if tagged & TESTING else {}),
        },
    )


def _at_emergency(encounter: Encounter) -> bool:
    source = {code.lower() for code in encounter.hospitalization.admit_source.codes}
    return _code(encounter.class_) in EMERGENCY or bool(source & FROM_EMERGENCY)


def _attendance(encounter: Encounter) -> str | None:
    """The hospital's visit number, where one is marked as that; else its first number; else the resource's own id."""
    given = [one for one in encounter.identifier if one.value and one.use != "old"]
    visit = [one for one in given if "VN" in one.type.codes]
    return next((one.value for one in (*visit, *given)), None) or encounter.id


def _site(message: Message, encounter: Encounter) -> tuple[str | None, str | None]:
    """The ODS code and the name of the place: of the location they are at, or else of the hospital."""
    current = [place.location for place in encounter.location if place.status not in ("planned", "completed")]
    organisations: list[Organisation] = []
    identifiers: list[Identifier] = []
    displayed: list[str] = []
    for reference in (*current, encounter.service_provider):
        for each in (reference, *_above(message, reference)):
            found = message.lead(each, Organisation)
            organisations += [found.resource] if found else []
            identifiers += [
                *(found.resource.identifier if found else ()),
                *([each.identifier] if each.identifier else []),
            ]
            displayed += [each.display] if each.display else []
    ods = [one for name in _ODS for one in identifiers if one.value and (one.system or "").lower().endswith(name)]
    code = next((one.value for one in (*ods, *identifiers) if one.value), None)
    names = [each.name for each in organisations if each.name]
    return code, next(iter((*names, *displayed)), None)


def _above(message: Message, reference: Reference) -> list[Reference]:
    found = message.lead(reference, Organisation)
    return [found.resource.managing] if found else []


def _without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}


def _code(coding: Coding | None) -> str:
    return (coding.code if coding else None) or ""


def _instant(text: str | None, where: str) -> datetime | None:
    """FHIR's dateTime and instant, in UTC. A date alone is its first minute in London; a month or a year says nothing."""
    if not text or re.fullmatch("[0-9]{4}(-[0-9]{2})?", text):
        return None
    try:
        # Text of another shape is no time, whatever else Python would take for one.
        at = datetime.fromisoformat(text if _INSTANT.fullmatch(text) else "")
        return (at if at.tzinfo else at.replace(tzinfo=LONDON)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(
            [Finding(path=where, message="write a time with its offset, as 2026-11-21T02:06:00+00:00")]
        ) from None
