"""What a resource of a message came to, as it is published and as it is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from connectors.cloudevents import Told
from connectors.fhir.message import Found
from connectors.fhir.places import Where
from connectors.visits.known import Known, Visits
from connectors.visits.reading import Nothing, Reading
from connectors.visits.shapes import Patient, Visit
from connectors.visits.story import Story
from schemas.wire import Sealer
from store.rights import ANYWHERE, Agency
from store.senders import Sender

WORDS: Final[Mapping[Nothing, str]] = {
    Nothing.NOT_WANTED: "an event that nothing is done with",
    Nothing.NOT_AN_ARRIVAL: "not at A&E: its class is not EMER",
    Nothing.NOBODY_NAMED: "no NHS number, and no surname with a date of birth: nobody to look for, or nothing new of them",
    Nothing.NO_OPEN_VISIT: "no visit to A&E that is still open is known for this patient",
    Nothing.HAS_LEFT: "the patient has left, or came longer ago than a day",
    Nothing.OVERTAKEN: "what was written down later has been told already, and holds",
    Nothing.MADE_UP: "a test patient, whose name begins with ZZZ",
    Nothing.DUPLICATE: "taken before",
}


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


@dataclass(frozen=True, slots=True)
class Meant:
    """What one resource came to: events, or `why` there are none. `visits` are kept once the events are in Kafka; `places` say
    which element each of their paths came from."""

    where: str
    told: tuple[Told, ...] = ()
    visits: tuple[Known, ...] = ()
    why: str = ""
    nothing: Nothing | None = None
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Teller:
    """Whose message it is, what is known of their visits, and what ids are made with. `now` stands in for times that are not
    said. A key is of one agency, and source, types and places are the agency's: nothing here widens them."""

    agency: Agency
    visits: Visits
    sealer: Sealer
    now: datetime

    def story(self, patient: Patient, visit: Visit, where: Where, *, test: bool) -> Story:
        """One resource's, with the rule for whoever has none of their own."""
        return Story(
            sender=Sender(sender=self.agency.name, agency=self.agency.name, site_name=where.name),
            source=self.agency.sources[0],
            site=where.site or self.agency.name,
            test=test,
            patient=patient,
            visit=visit,
            visits=self.visits,
            sealer=self.sealer,
            now=self.now,
        )

    def means(self, found: Found, reading: Reading, story: Story, *, person: str) -> Meant:
        """The events as if they had been told over HTTP. `person` is where in the message it says who."""
        attributes = self._attributes(story)
        told = tuple(
            Told("", {**attributes, "type": said.type, "id": said.id, "time": said.time.isoformat()}, said.data)
            for said in reading.said
        )
        why = WORDS[reading.nothing] if reading.nothing else ""
        return Meant(found.where, told, reading.visits, why, reading.nothing, _places(found.where, person))

    def _attributes(self, story: Story) -> dict[str, Any]:
        authorities = [code for code in self.agency.authorities if code != ANYWHERE]
        return {
            "specversion": "1.0",
            "source": story.source,
            # Where it happened, if the agency is of one place: the message itself does not say.
            **({"authority": authorities[0]} if len(self.agency.authorities) == len(authorities) == 1 else {}),
            **({"mode": "test"} if story.test else {}),
        }


def nothing(found: Found, why: Nothing, says: str = "") -> Meant:
    return Meant(found.where, why=says or WORDS[why], nothing=why)


def _places(where: str, person: str) -> dict[str, str]:
    return {
        **{f"data.person.{name}": f"{person}.{element}" for name, element in ELEMENTS.items()},
        "data.person": person,
        "data.attendance": f"{where}.identifier",
        "data.site": f"{where}.serviceProvider",
        "data.arrived_at": f"{where}.period.start",
        "data.left_at": f"{where}.period.end",
    }
