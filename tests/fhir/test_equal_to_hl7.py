"""The same thing told as HL7 v2 and as FHIR is the same event: the same id, the same person, the same attendance, place and times."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from schemas.envelope import Envelope
from schemas.sealing import Keyring
from tests.fhir import cast as fhir
from tests.gateway import MET_KEY, NOW, Gateway, key_of
from tests.hl7 import cast as hl7

SITE = {
    "resourceType": "Organization",
    "id": "o1",
    "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "R1H12"}],
    "name": "The Royal London",
}
PATIENT = {
    "id": "p1",
    "identifier": [{"system": fhir.NHS, "value": "9990000018"}, {"system": "urn:r1h", "value": "T100"}],
    "name": [{"use": "official", "family": "LAMPWICK", "given": ["ROBIN", "JUDE"]}],
    "birthDate": "2010-03-14",
    "gender": "male",
    "address": [{"use": "home", "line": ["12 MADE UP ROAD"], "city": "LONDON", "postalCode": "N1 9GU"}],
}
ENCOUNTER = {
    "identifier": [{"value": "V77", "type": {"coding": [{"code": "VN"}]}}],
    "period": {"start": "2026-11-21T02:01:00+00:00"},
}


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
    "a test patient": Pair(
        v2={"pid": "PID|1||9990000018^^^NHS^NH||ZZZTEST^ROBIN||20100314|1"},
        patient={"name": [{"family": "ZZZTEST", "given": ["ROBIN"]}]},
    ),
}


@pytest.mark.parametrize("name", PAIRS)
async def test_one_thing_told_twice_is_one_event(name: str) -> None:
    pair, listener = PAIRS[name], hl7.DoorKept()
    gateway = Gateway(sealer=Keyring.make(lambda count: b"k" * count))  # the listener's own: ids are made with it
    gateway.doorkeeper.know([key_of(MET_KEY, hl7.BARTS)])

    await listener.send(hl7.message(**pair.v2))
    told = fhir.message(encounter={**ENCOUNTER, **pair.encounter}, patient={**PATIENT, **pair.patient})
    told["entry"][3] = {"resource": SITE}
    answer = await fhir.post(gateway, told)

    assert answer.status_code == 202, answer.text
    assert [compared(one) for one in gateway.shelf.kept] == [compared(one) for one in listener.shelf.kept]
    assert len(gateway.shelf.kept) == (name != "a test patient")


def compared(envelope: Envelope) -> Envelope:
    """All of it but the door, and but when a cancellation was sent: the two were not sent at once."""
    sent = {"time": NOW} if envelope.type == "nightlight.cancelled.v1" else {}
    return envelope.model_copy(update={"entrance": "", "authority": None, **sent})
