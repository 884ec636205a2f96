"""A night in A&E as a whole Nightlight hears it over FHIR: from the message to the text on the phone, with HL7 v2 in between."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fhir.cast import FHIR, NHS, message
from tests.hl7 import cast as hl7
from tests.hospital import ROBIN, hospital, line, texts
from tests.house import House, eventually
from tests.web import WEB

pytestmark = pytest.mark.timeout(240)

ROYAL = {"identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "R1H12"}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with hospital(tmp_path_factory.mktemp("hospital")) as running:
        yield running


def post(home: House, **changes: Any) -> None:
    encounter = {"identifier": [{"value": "V1"}], "serviceProvider": ROYAL, **changes.pop("encounter", {})}
    told = message(encounter=encounter, **changes)
    key = {"authorization": f"Bearer {home.keys['barts']}", "content-type": FHIR}
    answer = WEB.post(f"{home.urls['gateway']}/fhir/$process-message", json=told, headers=key)
    assert answer.status_code == 202, answer.text


def test_a_visit_that_began_over_hl7_is_taken_back_over_fhir_with_all_that_was_told_of_it(home: House) -> None:
    royal = line(home)
    royal.send(hl7.message("A04", control_id="R1", pid=ROBIN, visit="V1"))
    royal.send(hl7.message("A02", control_id="R2", pid=ROBIN, visit="V1", ward="6Z", at="20261121031000"))
    page = eventually(lambda: texts(home), within=60)

    def taken_back() -> list[str]:
        # What one process knows of a visit is known to the others a moment later.
        post(home, encounter={"status": "cancelled"}, timestamp="2026-11-21T03:20:00+00:00")
        return [text for text in texts(home) if "withdrawn" in text]

    withdrawn = eventually(taken_back, within=60, every=1.0)

    assert "an A&E department" in page[0]
    assert len(withdrawn) == 1


def test_somebody_unknown_is_paged_for_once_their_record_says_who_it_is(home: House) -> None:
    before = len(texts(home))
    number = {"system": "urn:barts", "value": "T2"}
    unknown = {"identifier": [number], "name": [{"family": "UNKNOWN"}], "birthDate": None}
    post(home, encounter={"identifier": [{"value": "V2"}]}, patient=unknown)
    record = message(
        patient={"identifier": [number, {"system": NHS, "value": "9990000026"}], **MARNIE},
        timestamp="2026-11-21T03:00:00+00:00",
        header={"focus": None},
    )
    record["entry"] = [each for each in record["entry"] if each["resource"]["resourceType"] != "Encounter"]
    key = {"authorization": f"Bearer {home.keys['barts']}", "content-type": FHIR}
    answer = WEB.post(f"{home.urls['gateway']}/fhir/$process-message", json=record, headers=key)

    page = eventually(lambda: texts(home)[before:], within=60)

    assert answer.status_code == 202
    assert "an A&E department" in page[0]


MARNIE = {
    "name": [{"use": "official", "family": "Wickfield", "given": ["Marnie"]}],
    "birthDate": "2011-06-02",
    "gender": "female",
    "address": [{"postalCode": "N1 1AA"}],
}
