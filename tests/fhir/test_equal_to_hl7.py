"""What is told as HL7 v2 and as FHIR is the same events: of one message, and of a whole story, in order and out of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.envelope import Envelope
from schemas.sealing import Keyring
from tests.fhir import cast as fhir
from tests.fhir.stories import ENCOUNTER, NOBODY, PATIENT, ROBIN, STORIES, ZEBEDEE, Told, of_royal, v2
from tests.gateway import MET_KEY, NOW, Gateway, key_of
from tests.hl7 import cast as hl7


@dataclass
class Pair:
    """One thing that happened, told twice."""

    v2: dict[str, Any] = field(default_factory=dict)
    patient: dict[str, Any] = field(default_factory=dict)
    encounter: dict[str, Any] = field(default_factory=dict)


PAIRS = {
    "an arrival": Pair(),
    "an arrival in summer, by the wall clock": Pair(
        v2={"arrived": "20260701030100", "at": "20260701030600"},
        encounter={"period": {"start": "2026-07-01T03:01:00+01:00"}},
    ),
    "an arrival by ambulance": Pair(
        v2={"more": ["PV2" + "|" * 38 + "1^Ambulance"]},
        encounter={
            "extension": [
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/encounter-modeOfArrival",
                    "valueCoding": {"code": "1", "display": "Ambulance"},
                }
            ]
        },
    ),
    "a ward's patient of emergency medicine": Pair(
        v2={"patient_class": "I", "function": "180"},
        encounter={"class": {"code": "IMP"}, "serviceType": {"coding": [{"code": "180"}]}},
    ),
    "an unverified child with a former name and a nickname": Pair(
        v2={"pid": "PID|1||T100^^^R1H^MR||LAMPWICK^ROBIN^^^^^L~TALLOW^ROBIN^^^^^PREVIOUS~^BOBBY^^^^^N||20100314|1"},
        patient={
            "identifier": [{"system": "urn:r1h", "value": "T100"}],
            "name": [
                {"use": "official", "family": "LAMPWICK", "given": ["ROBIN"]},
                {"use": "old", "family": "TALLOW", "given": ["ROBIN"]},
                {"use": "nickname", "given": ["BOBBY"]},
            ],
            "address": [],
        },
    ),
    "a number alone": Pair(
        v2={"pid": "PID|1||9990000026^^^NHS^NH||UNKNOWN|||2"},
        patient={
            "identifier": [{"system": fhir.NHS, "value": "9990000026"}],
            "name": [{"family": "UNKNOWN"}],
            "birthDate": None,
            "gender": "female",
            "address": [],
        },
    ),
    "a restricted record": Pair(
        v2={"more": ["PD1||||||||||||Y"]},
        patient={"meta": {"security": [{"code": "R"}]}},
    ),
    "a sensitive visit": Pair(
        v2={"vip": "S"},
        encounter={"hospitalization": {"specialCourtesy": [{"coding": [{"code": "S"}]}]}},
    ),
    "a visit that is labelled as restricted": Pair(
        v2={"more": ["ARV|1|A|LOCIS"]},
        encounter={"meta": {"security": [{"code": "LOCIS"}]}},
    ),
    "a child who has died": Pair(
        v2={"pid": hl7.PID + "|" * 17 + "|20261121020000|Y"},
        patient={"deceasedDateTime": "2026-11-21T02:00:00+00:00"},
    ),
    "a departure": Pair(
        v2={"event": "A03", "left": "20261121043000"},
        encounter={
            "status": "finished",
            "period": {"start": "2026-11-21T02:01:00+00:00", "end": "2026-11-21T04:30:00+00:00"},
        },
    ),
    "a cancellation": Pair(v2={"event": "A11"}, encounter={"status": "cancelled"}),
}
NOTHING = {
    "a test patient": Pair(
        v2={"pid": "PID|1||9990000018^^^NHS^NH||ZZZTEST^ROBIN||20100314|1"},
        patient={"name": [{"family": "ZZZTEST", "given": ["ROBIN"]}]},
    ),
    "somebody whom nobody can name": Pair(
        v2={"pid": hl7.NOBODY},
        patient={
            "identifier": [{"system": "urn:r1h", "value": "T100"}],
            "name": [{"family": "UNKNOWN"}],
            "birthDate": None,
        },
    ),
    "a visit to outpatients": Pair(v2={"patient_class": "O"}, encounter={"class": {"code": "AMB"}}),
    "a ward's patient who left": Pair(
        v2={"event": "A03", "patient_class": "I"}, encounter={"status": "finished", "class": {"code": "IMP"}}
    ),
}


class Doors:
    """Both doors of one hospital, with one keyring: ids are made with it."""

    def __init__(self) -> None:
        self.listener = hl7.DoorKept()
        self.gateway = Gateway(sealer=Keyring.make(lambda count: b"k" * count))
        self.gateway.doorkeeper.know([key_of(MET_KEY, hl7.BARTS)])

    async def tell(self, v2: bytes, message: dict[str, Any]) -> None:
        acknowledged = hl7.fields(await self.listener.send(v2))
        answer = await fhir.post(self.gateway, message)

        assert acknowledged[1] == "AA"
        assert answer.status_code == 202, answer.text

    @property
    def heard(self) -> tuple[list[Envelope], list[Envelope]]:
        """What came in over FHIR and over HL7: each event once, for what comes twice counts once."""
        return once(self.gateway.shelf.kept), once(self.listener.shelf.kept)


def once(envelopes: Iterable[Envelope]) -> list[Envelope]:
    found: dict[str, Envelope] = {}
    for envelope in envelopes:
        found.setdefault(envelope.id, envelope)
    return list(found.values())


@pytest.mark.parametrize("name", [*PAIRS, *NOTHING])
async def test_one_thing_told_twice_is_one_event(name: str) -> None:
    pair, doors = {**PAIRS, **NOTHING}[name], Doors()

    told = fhir.message(encounter={**ENCOUNTER, **pair.encounter}, patient={**PATIENT, **pair.patient})
    await doors.tell(v2(**pair.v2), of_royal(told))

    from_fhir, from_hl7 = doors.heard
    assert [compared(one) for one in from_fhir] == [compared(one) for one in from_hl7]
    assert len(from_fhir) == (name in PAIRS)


def compared(envelope: Envelope) -> Envelope:
    """All of it but the door, and but when a cancellation was sent: the two were not sent at once."""
    sent = {"time": NOW} if envelope.type == "nightlight.cancelled.v1" else {}
    return envelope.model_copy(update={"entrance": "", "authority": None, **sent})


@pytest.mark.parametrize("name", STORIES)
async def test_one_story_told_twice_is_the_same_events(name: str) -> None:
    story, expected = STORIES[name]
    doors = Doors()

    for number, step in enumerate(story):
        await doors.tell(step.as_hl7(f"C{number}"), step.as_fhir())

    from_fhir, from_hl7 = doors.heard
    assert [whole(one) for one in from_fhir] == [whole(one) for one in from_hl7]
    assert [one.type for one in from_fhir] == expected


def whole(envelope: Envelope) -> Envelope:
    """All of it but the door."""
    return envelope.model_copy(update={"entrance": "", "authority": None})


async def test_no_event_of_a_sensitive_visit_holds_an_address() -> None:
    story, _ = STORIES["a sensitive visit, and somebody else"]
    doors = Doors()

    for number, step in enumerate(story):
        await doors.tell(step.as_hl7(f"C{number}"), step.as_fhir())

    people = [one.event.model_dump()["person"] for heard in doors.heard for one in heard]
    assert len(people) == 4
    assert {(person["postcode"], person["address_line"]) for person in people} == {(None, None)}


async def test_what_one_door_was_told_the_other_takes_back() -> None:
    """A hospital that moves from one format to the other in the middle of a visit: what is remembered is of the visit."""
    doors = Doors()
    visits = doors.gateway.visits
    doors.listener.listener.visits = visits

    await doors.listener.send(Told("A04", 6).as_hl7("C1"))
    await doors.listener.send(Told("A02", 30, ward="6Z").as_hl7("C2"))
    await fhir.post(doors.gateway, Told("A11", 40, plain=True).as_fhir())

    told = {one.id for one in doors.listener.shelf.kept}
    taken_back = {one.event.model_dump()["of"]["id"] for one in doors.gateway.shelf.kept}
    assert taken_back == told


STEPS = st.builds(
    Told,
    event=st.sampled_from(["A01", "A02", "A03", "A04", "A06", "A08", "A11", "A12", "A13"]),
    at=st.integers(6, 12),
    who=st.sampled_from([ROBIN, ZEBEDEE, NOBODY]),
    ward=st.sampled_from(["RNJ ED", "6Z"]),
    kind=st.sampled_from(["E", "E", "I"]),
)


@settings(max_examples=60, deadline=None)
@given(story=st.lists(STEPS, max_size=8))
async def test_any_story_is_the_same_events_over_both_doors(story: list[Told]) -> None:
    doors = Doors()

    for number, step in enumerate(story):
        await doors.tell(step.as_hl7(f"C{number}"), step.as_fhir())

    from_fhir, from_hl7 = doors.heard
    assert [whole(one) for one in from_fhir] == [whole(one) for one in from_hl7]
