"""One message about a visit, with what is known of the visit beside it, and the events that can be made of the two."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from connectors import attendances
from connectors.visits.known import Known, Visits
from connectors.visits.reading import Nothing, Reading, Said
from connectors.visits.rule import Arrival, arrival
from connectors.visits.shapes import Merge, Patient, Visit
from schemas.events import ChildAdmitted, EventCancelled, IdentityChanged
from schemas.wire import Sealer
from store.senders import Sender

LONGEST_NAME: Final = 200


@dataclass
class Story:
    """One message, what is known beside it, and the ids that follow from both.

    `site` is the hospital's ODS code, `source` the CloudEvents source, `now` when we have the message. `unnumbered` is what
    tells a visit without a number from others, if its patient has none either.
    """

    sender: Sender
    source: str
    site: str
    test: bool
    patient: Patient
    visit: Visit
    visits: Visits
    sealer: Sealer
    now: datetime
    merges: tuple[Merge, ...] = ()
    unnumbered: tuple[str, ...] = ()
    why: list[str] = field(default_factory=list)

    @cached_property
    def number(self) -> str:
        """The visit's own number; else one made from the patient and the arrival, or from the message alone."""
        if self.visit.number:
            return self.visit.number
        who = [number for number, _ in self.patient.identifiers[:1]]
        parts = (*who, self.visit.arrived_at.isoformat()) if who else self.unnumbered
        return f"unnumbered-{self.sealer.mark('hl7/visit', self.sender.sender, *parts)[:24]}"

    @cached_property
    def known(self) -> Known | None:
        found = self.visits.find(self.key(self.number))
        return found or (self.visits.find(self.key(self.visit.former)) if self.visit.former else None)

    def key(self, number: str) -> str:
        return "\n".join((self.scope, self.site, number))

    @cached_property
    def scope(self) -> str:
        """Whose visits: a test never changes what is known of a real one."""
        return f"{self.sender.agency}{' test' if self.test else ''}"

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

    @cached_property
    def is_late(self) -> bool:
        """Whether something that was written down after this has been heard already: then that holds, of who and of where."""
        at, known = self.visit.recorded_at, self.known
        return known is not None and any(later and at < later for later in (known.said_at, known.left_at))

    def current(self) -> Known:
        """What is known of this visit, with what this message says of who and where."""
        first = self.visit.former or self.number
        known = self.known or Known(self.site, first, (self.key(first),), self.now)
        marks = self.patient_marks(self.patient.identifiers)
        person = self.person_mark(self.patient)
        place = self.place_mark if self.visit.ward else None
        return replace(
            known,
            keys=tuple(dict.fromkeys((*known.keys, self.key(self.number)))),
            heard_at=self.now,
            patients=known.patients | marks,
            arrived_at=known.arrived_at or self.visit.arrived_at,
            person=(known.person or person) if self.is_late else (person or known.person),
            place=(known.place or place) if self.is_late else (place or known.place),
            site_name=self.place_name or known.site_name,
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
        where = ", ".join(filter(None, (self.place_name, self.visit.ward)))[:LONGEST_NAME]
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
            "site_name": self.place_name or known.site_name,
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
        return Reading(visits=visits, nothing=why, why=tuple(dict.fromkeys((*self.why, says))))

    def reading(self, said: Iterable[Said], *visits: Known) -> Reading:
        return Reading(tuple(said), visits, why=tuple(dict.fromkeys((*self.why, *self.patient.notes))))
