"""One message of a known sender, with what is known of the visit beside it, and the events that can be made of the two."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from connectors import attendances
from connectors.hl7.header import Header
from connectors.hl7.message import Message
from connectors.hl7.patient import Patient, read_patient
from connectors.hl7.reading import Nothing, Reading, Said
from connectors.hl7.senders import Arrival, arrival
from connectors.hl7.visit import Visit
from connectors.hl7.visits import Known, Visits
from schemas.events import ChildAdmitted, EventCancelled, IdentityChanged
from schemas.wire import Sealer
from store.senders import Sender


@dataclass
class Story:
    """One message, what is known beside it, and the ids that follow from both."""

    message: Message
    header: Header
    sender: Sender
    source: str
    visits: Visits
    sealer: Sealer
    now: datetime
    patient: Patient
    visit: Visit
    why: list[str] = field(default_factory=list)

    @cached_property
    def site(self) -> str:
        """The ODS code: as registered, or else as the message says (ITK: the facility in MSH-4)."""
        return self.sender.site or self.header.facility or self.sender.sender

    @cached_property
    def number(self) -> str:
        """The visit's own number; else one made from the patient and the arrival, or from the message alone."""
        if self.visit.number:
            return self.visit.number
        who = [number for number, _ in self.patient.identifiers[:1]]
        parts = (*who, self.visit.arrived_at.isoformat()) if who else (self.header.control_id, *_contents(self.message))
        return f"unnumbered-{self.sealer.mark('hl7/visit', self.sender.sender, *parts)[:24]}"

    @cached_property
    def known(self) -> Known | None:
        return self.visits.find(self.key(self.number))

    def key(self, number: str) -> str:
        return "\n".join((self.scope, self.site, number))

    @cached_property
    def scope(self) -> str:
        """Whose visits: a test never changes what is known of a real one."""
        return f"{self.sender.agency}{'' if self.header.processing == 'P' else ' test'}"

    def patient_marks(self, identifiers: Iterable[tuple[str, str]]) -> frozenset[str]:
        """Each number with whoever gave it, and alone: a merge may name it without."""
        return self.looked_for((number, authority) for number, whose in identifiers for authority in ("", whose))

    def looked_for(self, identifiers: Iterable[tuple[str, str]]) -> frozenset[str]:
        return frozenset("\n".join((self.scope, *pair)) for pair in identifiers)

    def person_mark(self, patient: Patient) -> str | None:
        if patient.person is None:
            return None
        said = json.dumps(patient.person, sort_keys=True)
        return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()

    @cached_property
    def place_mark(self) -> str:
        return f"{self.visit.facility}\n{self.visit.ward}"

    @cached_property
    def found(self) -> Arrival:
        """What the sender's rule says of the visit."""
        return arrival(self.sender, self.visit)

    def current(self) -> Known:
        """What is known of this visit, with what this message says of who and where."""
        known = self.known or Known(self.site, self.number, (self.key(self.number),), self.now)
        marks = self.patient_marks(self.patient.identifiers)
        return replace(
            known,
            heard_at=self.now,
            patients=known.patients | marks,
            arrived_at=known.arrived_at or self.visit.arrived_at,
            person=self.person_mark(self.patient) or known.person,
            place=self.place_mark if self.visit.ward else known.place,
            ours=known.ours or self.found.is_one,
        )

    def arrival_id(self, known: Known) -> str:
        return attendances.arrival_id(
            self.sealer, known.site, known.attendance, known.cancellations(self.visit.recorded_at)
        )

    def arrived(self, known: Known) -> Said:
        """The arrival: the same event, however many messages tell it."""
        return Said(
            ChildAdmitted.type, self.arrival_id(known), known.arrived_at or self.visit.arrived_at, self.arrival(known)
        )

    def moved(self, known: Known) -> Said:
        """The same attendance at another place: a fact more, by an id of its own."""
        of = self.arrival_id(known)
        mark = self.sealer.mark("hl7/moved", of, self.place_mark, self.visit.recorded_at.isoformat())
        where = ", ".join(filter(None, (self.place_name, self.visit.ward)))[:200]
        data = {**self.arrival(known), "site_name": where}
        return Said(ChildAdmitted.type, f"moved-{mark[:32]}", self.visit.happened_at, data)

    def identified(self, known: Known, patient: Patient) -> Said:
        """Who it really is: the arrival is matched again."""
        of = self.arrival_id(known)
        mark = self.sealer.mark(
            "hl7/identified", of, self.person_mark(patient) or "", self.visit.recorded_at.isoformat()
        )
        data = {"person": patient.person, "of": {"source": self.source, "id": of}}
        return Said(IdentityChanged.type, f"identity-{mark[:32]}", self.visit.happened_at, data)

    def cancelled(self, of: str) -> Said:
        data = {"of": {"source": self.source, "id": of}}
        return Said(EventCancelled.type, attendances.cancellation_id(self.sealer, of), self.visit.happened_at, data)

    def arrival(self, known: Known) -> dict[str, Any]:
        data = {
            "person": self.patient.person,
            "attendance": known.attendance,
            "site": known.site,
            "site_name": self.place_name or None,
            "arrived_at": (known.arrived_at or self.visit.arrived_at).isoformat(),
            "arrival_mode": self.visit.arrival_mode or None,
            "sensitive": self.patient.sensitive or None,
            "deceased": self.patient.deceased or None,
        }
        return {name: value for name, value in data.items() if value is not None}

    @property
    def place_name(self) -> str:
        return self.sender.site_name or self.visit.facility

    def is_ours(self) -> bool:
        """Whether this visit is one of A&E: by the sender's rule, or because it was when it was told before (UCLH's class
        turns from E to I on the way to the ward)."""
        found, known = self.found, self.known
        before = known is not None and known.ours
        self.why.append(found.why)
        if before and not found.is_one:
            self.why.append("the visit has been told of before")
        return found.is_one or before

    def nothing(self, why: Nothing, says: str, *visits: Known) -> Reading:
        return Reading(self.header, visits=visits, nothing=why, why=tuple(dict.fromkeys((*self.why, says))))

    def reading(self, said: Iterable[Said], *visits: Known) -> Reading:
        return Reading(self.header, tuple(said), visits, why=tuple(dict.fromkeys((*self.why, *self.patient.notes))))


def replace_patient(story: Story, group: Message) -> Story:
    """The same story about the patient of one of its groups."""
    return replace(story, message=group, patient=read_patient(group))


def _contents(message: Message) -> Iterator[str]:
    for segment in message.segments:
        if segment.name in ("PID", "PV1"):
            yield from segment.fields
