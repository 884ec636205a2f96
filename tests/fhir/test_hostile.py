"""References that contradict one another, places that are part of themselves, messages that are huge: the right child, or a refusal."""

import copy
from typing import Any

import pytest

from tests.fhir.cast import ENCOUNTER, NHS, ORGANISATION, PATIENT, hospital, issues, message, post, where

HERE, THERE = "https://here.example/fhir/", "https://there.example/fhir/"
SECOND = {**PATIENT, "identifier": [{"system": NHS, "value": "9990000026"}]}


def entries(*resources: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A message of these, as (fullUrl, resource), below its header."""
    told = message(header={"focus": None})
    told["entry"] = told["entry"][:1]
    told["entry"] += [{"fullUrl": url, "resource": copy.deepcopy(resource)} for url, resource in resources]
    return told


def encounter(subject: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    return {**ENCOUNTER, "serviceProvider": {"identifier": {"value": "RKE01"}}, "subject": subject, **changes}


def contained(number: str) -> dict[str, Any]:
    """A patient within their encounter; every such message calls them `#p`."""
    return {"resourceType": "Patient", "id": "p", "identifier": [{"system": NHS, "value": number}]}


FOUND: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an address that another server's patient of the same id comes before": (
        entries(
            (f"{THERE}Patient/p1", SECOND),
            (f"{HERE}Patient/p1", PATIENT),
            ("", encounter({"reference": f"{HERE}Patient/p1"})),
        ),
        ["9990000018"],
    ),
    "a relative reference means the server that the encounter is on": (
        entries(
            (f"{THERE}Patient/p1", SECOND),
            (f"{HERE}Patient/p1", PATIENT),
            (f"{HERE}Encounter/e1", encounter({"reference": "Patient/p1"})),
        ),
        ["9990000018"],
    ),
    "a patient who is there twice, in the same words": (
        entries(
            ("urn:uuid:1", PATIENT),
            ("urn:uuid:2", PATIENT),
            ("", encounter({"reference": "Patient/p1"})),
        ),
        ["9990000018"],
    ),
    "two encounters, each with its own patient within": (
        entries(
            ("", encounter({"reference": "#p"}, contained=[contained("9990000018")])),
            (
                "",
                encounter(
                    {"reference": "#p"}, contained=[contained("9990000026")], id="e2", identifier=[{"value": "AE-78"}]
                ),
            ),
        ),
        ["9990000018", "9990000026"],
    ),
}


@pytest.mark.parametrize("name", FOUND)
async def test_the_right_child_is_found(name: str) -> None:
    gateway = hospital()
    told, numbers = FOUND[name]

    answer = await post(gateway, told)

    assert answer.status_code == 202, answer.text
    assert [one.event.model_dump()["person"]["nhs_number"] for one in gateway.shelf.kept] == numbers


AMBIGUOUS = {
    "two patients of one id": entries(
        ("urn:uuid:1", PATIENT), ("urn:uuid:2", SECOND), ("", encounter({"reference": "Patient/p1"}))
    ),
    "two patients at one address": entries(
        (f"{HERE}Patient/p1", PATIENT),
        (f"{HERE}Patient/p1", SECOND),
        ("", encounter({"reference": f"{HERE}Patient/p1"})),
    ),
    "two patients with one identifier": entries(
        ("", PATIENT),
        ("", {**SECOND, "id": "p2", "identifier": PATIENT["identifier"]}),
        ("", encounter({"identifier": {"system": NHS, "value": "9990000018"}})),
    ),
    "another server's patient": entries(
        (f"{THERE}Patient/p1", PATIENT), (f"{HERE}Encounter/e1", encounter({"reference": "Patient/p1"}))
    ),
    "a patient within another resource": entries(
        ("", encounter({"reference": "#p"}, contained=[])),
        ("", {**ORGANISATION, "contained": [contained("9990000018")]}),
    ),
    "two patients, and nothing that says whose it is": entries(
        ("", PATIENT), ("", {**SECOND, "id": "p2"}), ("", encounter(None))
    ),
    "a group": entries(("", {"resourceType": "Group", "id": "g"}), ("", encounter({"reference": "Group/g"}))),
    "itself": entries(("", encounter({"reference": "Encounter/e1"}))),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_where_it_cannot_be_told_whose_encounter_it_is_it_is_refused(name: str) -> None:
    gateway = hospital()

    answer = await post(gateway, AMBIGUOUS[name])

    assert where(issues(answer, 422))[0].endswith(".subject")
    assert gateway.shelf.kept == []


async def test_a_place_that_is_part_of_itself_is_followed_to_its_hospital_and_no_further() -> None:
    gateway = hospital()
    bed = {"resourceType": "Location", "id": "bed", "name": "Bed 3", "partOf": {"reference": "Location/bay"}}
    bay = {
        "resourceType": "Location",
        "id": "bay",
        "partOf": {"reference": "Location/bed"},
        "managingOrganization": {"reference": "Organization/o1"},
    }
    group = {**ORGANISATION, "partOf": {"reference": "Organization/o1"}}

    told = message(encounter={"location": [{"location": {"reference": "Location/bed"}}]}, more=(bed, bay))
    told["entry"][3] = {"resource": group}
    answer = await post(gateway, told)

    assert answer.status_code == 202, answer.text
    event = gateway.shelf.kept[0].event.model_dump()
    assert (event["site"], event["site_name"]) == ("RKE01", "Made-up General")


async def test_records_that_replaced_one_another_are_nobodys_visit() -> None:
    gateway = hospital()
    first = {**PATIENT, "link": [{"type": "replaces", "other": {"reference": "Patient/p2"}}]}
    second = {**SECOND, "id": "p2", "link": [{"type": "replaces", "other": {"reference": "Patient/p1"}}]}

    answer = await post(gateway, entries(("", first), ("", second)))

    assert {issue["severity"] for issue in issues(answer, 202)} == {"information"}
    assert gateway.shelf.kept == []


async def test_a_message_of_thousands_of_references_is_read() -> None:
    gateway = hospital()
    places = [{"resourceType": "Location", "id": f"l{number}"} for number in range(90)]
    asked = [{"location": {"reference": "Location/l89"}}] * 100
    told = entries(
        *(("", each) for each in places),
        *(("", {**encounter({"reference": "Patient/p1"}), "id": f"e{n}", "location": asked}) for n in range(40)),
        ("", PATIENT),
    )

    answer = await post(gateway, told)

    assert answer.status_code == 202, answer.text
    assert len({one.id for one in gateway.shelf.kept}) == 1


@pytest.mark.parametrize("count", [0, 51])
async def test_a_message_is_about_one_to_fifty(count: int) -> None:
    gateway = hospital()

    answer = await post(
        gateway, entries(*(("", {**SECOND, "id": f"p{number}"}) for number in range(count)), ("", ORGANISATION))
    )

    assert where(issues(answer, 422)) == ["Bundle.entry"]
