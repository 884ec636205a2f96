"""`POST /fhir/$process-message`: what a hospital's encounter becomes, and how it is answered, by a gateway in this process."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.attendances import arrival_id, cancellation_id, departure_id
from connectors.fhir.answers import ISSUES
from connectors.fhir.encounters import LEFT, NOT_YET, TAKEN_BACK, THERE
from connectors.problems import Reason
from schemas.settings import Mode
from tests.fhir.cast import (
    AT,
    ENCOUNTER,
    FHIR,
    HOSPITAL,
    NHS,
    ORGANISATION,
    PATIENT,
    SENT,
    hospital,
    issues,
    message,
    post,
    where,
)
from tests.gateway import ENDED_KEY, MET_KEY, SCHOOL_KEY, Gateway, key_of

SAMPLES = Path(__file__).parents[3] / "shared/samples/fhir"
MARKER = "Quillfeather"
LATER = "2026-11-21T05:30:00+00:00"


async def test_an_arrival_is_the_contracts_event_kept_before_it_is_answered() -> None:
    gateway = hospital()

    answer = await post(gateway, message())

    [issue] = issues(answer, 202)
    [envelope] = gateway.shelf.kept
    id_ = arrival_id(gateway.sealer, "RKE01", "AE-77")
    assert issue["expression"] == ["Bundle.entry[1].resource"]
    assert f"id {id_}" in issue["diagnostics"]
    assert envelope.model_dump(mode="json", exclude_defaults=True) == {
        "id": id_,
        "source": "whittington",
        "time": "2026-11-21T02:06:00Z",
        "authority": "E09000019",
        "feed": "whittington",
        "entrance": "fhir",
        "received_at": "2026-11-21T02:06:30Z",
        "event": {
            "attendance": "AE-77",
            "site": "RKE01",
            "site_name": "Made-up General",
            "arrived_at": "2026-11-21T02:06:00Z",
            "person": {
                "family_name": "Lampwick",
                "given_name": "Robin",
                "other_names": ["Jay"],
                "date_of_birth": "2010-03-14",
                "sex": "male",
                "postcode": "N1 9GU",
                "address_line": "1 Made-up Street, Holloway",
                "nhs_number": "9990000018",
            },
        },
    }
    counted = gateway.metric(
        "nightlight_events_accepted_total", feed="whittington", type="nightlight.admission.v1", door="fhir"
    )
    assert counted == 1


async def test_the_http_door_given_the_same_says_the_same_event() -> None:
    gateway = hospital()
    await post(gateway, message())
    [from_fhir] = gateway.shelf.kept

    data = from_fhir.event.model_dump(mode="json", exclude_defaults=True)
    told = {"specversion": "1.0", "id": from_fhir.id, "source": "whittington", "type": from_fhir.type, "time": AT}
    await gateway.send({**told, "authority": "E09000019", "data": data})

    assert gateway.shelf.kept[1] == from_fhir.model_copy(update={"entrance": "http"})


@pytest.mark.parametrize("status", sorted(THERE | LEFT | TAKEN_BACK | NOT_YET))
async def test_every_status_of_an_encounter_has_its_meaning(status: str) -> None:
    gateway = hospital()

    answer = await post(gateway, message(encounter={"status": status, "period": {"start": AT, "end": LATER}}))

    said = [(one.type, one.id) for one in gateway.shelf.kept]
    arrival = arrival_id(gateway.sealer, "RKE01", "AE-77")
    expected = {
        **dict.fromkeys(THERE, ("nightlight.admission.v1", arrival)),
        **dict.fromkeys(LEFT, ("nightlight.discharge.v1", departure_id(gateway.sealer, "RKE01", "AE-77"))),
        **dict.fromkeys(TAKEN_BACK, ("nightlight.cancelled.v1", cancellation_id(gateway.sealer, arrival))),
    }
    assert answer.status_code == 202
    assert said == [expected[status] for _ in said]
    assert len(said) == (status not in NOT_YET)


async def test_a_departure_says_when_and_a_cancellation_what() -> None:
    gateway = hospital()

    await post(gateway, message(encounter={"status": "finished", "period": {"start": AT, "end": LATER}}))
    await post(gateway, message(encounter={"status": "entered-in-error"}))

    left, taken_back = (one.event.model_dump(mode="json") for one in gateway.shelf.kept)
    assert left == {"attendance": "AE-77", "site": "RKE01", "left_at": "2026-11-21T05:30:00Z"}
    assert taken_back == {"of": {"source": "whittington", "id": arrival_id(gateway.sealer, "RKE01", "AE-77")}}


CLASSES: dict[str, tuple[dict[str, Any], bool]] = {
    "emergency": ({"class": {"code": "EMER"}}, True),
    "emergency, as v2 says it": ({"class": {"code": "E"}}, True),
    "a ward, by way of A&E": (
        {"class": {"code": "IMP"}, "hospitalization": {"admitSource": {"coding": [{"code": "emd"}]}}},
        True,
    ),
    "a ward": ({"class": {"code": "IMP"}}, False),
    "outpatients": ({"class": {"code": "AMB"}}, False),
    "a class of their own": ({"class": {"display": "emergency"}}, False),
}


@pytest.mark.parametrize("name", CLASSES)
async def test_only_an_encounter_at_emergency_is_an_arrival_and_any_other_is_taken_too(name: str) -> None:
    gateway = hospital()
    encounter, arrives = CLASSES[name]

    answer = await post(gateway, message(encounter=encounter))

    assert len(gateway.shelf.kept) == arrives
    [issue] = issues(answer, 202)
    assert issue["diagnostics"].startswith("Taken" if arrives else "Nothing to take: not at A&E")
    assert gateway.metric("nightlight_feed_last_seen_timestamp_seconds", feed="whittington") is not None
    noted = {"feed": "whittington", "door": "fhir", "reason": "not-an-arrival"}
    assert gateway.metric("nightlight_messages_noted_total", **noted) == (None if arrives else 1)


async def test_told_again_by_another_message_it_is_the_same_event() -> None:
    gateway = hospital()

    for number, status in enumerate(("arrived", "triaged", "in-progress")):
        await post(gateway, message(encounter={"status": status}, header={"id": f"m{number}"}, id=f"b{number}"))

    assert len({one.id for one in gateway.shelf.kept}) == 1


async def test_an_update_tells_the_arrival_and_who_it_is_now() -> None:
    gateway = hospital()
    code = {"system": "http://terminology.hl7.org/CodeSystem/v2-0003", "code": "A08"}

    answer = await post(gateway, message(header={"eventCoding": code}))

    arrival, changed = gateway.shelf.kept
    assert len(issues(answer, 202)) == 2
    assert changed.event.model_dump()["of"] == {"source": "whittington", "id": arrival.id}
    assert changed.event.model_dump()["person"] == arrival.event.model_dump()["person"]


PERSONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an official name before a usual one": (
        {
            "name": [
                {"use": "usual", "family": "Wick", "given": ["Bob"]},
                {"use": "official", "family": "Lampwick", "given": ["Robin"]},
            ]
        },
        {"family_name": "Lampwick", "given_name": "Robin", "other_names": ["Bob"], "previous_family_names": ["Wick"]},
    ),
    "a usual name before none said": (
        {"name": [{"family": "Wick"}, {"use": "usual", "family": "Lampwick", "given": ["Robin"]}]},
        {"family_name": "Lampwick", "given_name": "Robin", "previous_family_names": ["Wick"]},
    ),
    "a former name and a nickname": (
        {
            "name": [
                {"use": "old", "family": "Tallow", "given": ["Rob"]},
                {"use": "official", "family": "Lampwick", "given": ["Robin"]},
                {"use": "nickname", "given": ["Bobby"]},
            ]
        },
        {
            "family_name": "Lampwick",
            "given_name": "Robin",
            "other_names": ["Bobby"],
            "previous_family_names": ["Tallow"],
        },
    ),
    "a name that is not known": ({"name": [{"family": "Unknown"}]}, {"identity_reliable": False}),
    "no name": ({"name": None}, {}),
    "a year": ({"birthDate": "2010"}, {"family_name": "Lampwick", "date_of_birth": None}),
    "a year and nothing else to go by": (
        {"birthDate": "2010", "identifier": []},
        {"date_of_birth": "2010-01-01", "date_of_birth_is": "estimated", "nhs_number": None},
    ),
    "a month and nothing else to go by": (
        {"birthDate": "2010-03", "identifier": []},
        {"date_of_birth": "2010-03-01", "date_of_birth_is": "estimated", "nhs_number": None},
    ),
    "a number without a system, by its type": (
        {"identifier": [{"value": "9990000018", "type": {"coding": [{"code": "NH"}]}}]},
        {"nhs_number": "9990000018"},
    ),
    "another system's number": ({"identifier": [{"system": "urn:other", "value": "9990000018"}]}, {"nhs_number": None}),
    "a number with a slip, and a good one": (
        {"identifier": [{"system": NHS, "value": "9990000019"}, {"system": NHS, "value": "9990000018"}]},
        {"nhs_number": "9990000018"},
    ),
    "a number with a slip": ({"identifier": [{"system": NHS, "value": "9990000019"}]}, {"nhs_number": "9990000019"}),
    **{
        f"a number with the status {code}": (
            {
                "identifier": [
                    {
                        "system": NHS,
                        "value": "9990000018",
                        "extension": [
                            {
                                "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
                                "valueCodeableConcept": {"coding": [{"code": code}]},
                            }
                        ],
                    }
                ]
            },
            {"nhs_number": "9990000018", "identity_reliable": True},
        )
        for code in ("02", "04", "number-present-but-not-traced", "trace-needs-to-be-resolved")
    },
    "a former address": (
        {"address": [{"use": "old", "postalCode": "E8 1AA"}, {"use": "home", "postalCode": "N5 2BB"}]},
        {"postcode": "N5 2BB", "address_line": None},
    ),
    "a restricted record": ({"meta": {"security": [{"code": "R"}]}}, {"postcode": None, "address_line": None}),
    "a very restricted record": ({"meta": {"security": [{"code": "V"}]}}, {"postcode": None, "address_line": None}),
}


@pytest.mark.parametrize("name", PERSONS)
async def test_a_patient_is_read_as_uk_core_has_it(name: str) -> None:
    gateway = hospital()
    patient, expected = PERSONS[name]

    answer = await post(gateway, message(patient=patient))

    assert answer.status_code == 202, answer.text
    person = gateway.shelf.kept[0].event.model_dump(mode="json")["person"]
    usual = {"identity_reliable": True, "date_of_birth_is": "recorded"}
    for field, value in {**usual, **expected}.items():
        assert person[field] == value, field


async def test_a_restricted_record_is_sensitive_and_a_death_is_said() -> None:
    gateway = hospital()

    said_of: tuple[dict[str, Any], ...] = (
        {"meta": {"security": [{"code": "R"}]}},
        {"deceasedDateTime": SENT},
        {"deceasedBoolean": False},
    )
    for number, patient in enumerate(said_of):
        await post(gateway, message(patient=patient, encounter={"identifier": [{"value": f"AE-{number}"}]}))

    said = [(one.event.model_dump()["sensitive"], one.event.model_dump()["deceased"]) for one in gateway.shelf.kept]
    assert said == [(True, False), (False, True), (False, False)]


def labelled(code: str) -> dict[str, Any]:
    return {"meta": {"security": [{"code": code}]}}


def flag(**changes: Any) -> tuple[dict[str, Any], ...]:
    return ({"resourceType": "Flag", "status": "active", "subject": {"reference": "Patient/p1"}, **changes},)


def courtesy(code: str) -> dict[str, Any]:
    return {"hospitalization": {"specialCourtesy": [{"coding": [{"code": code}]}]}}


SENSITIVE: dict[str, tuple[dict[str, Any], bool]] = {
    "a very restricted patient": ({"patient": labelled("V")}, True),
    "a redacted patient": ({"patient": labelled("REDACTED")}, True),
    "a restricted visit": ({"encounter": labelled("R")}, True),
    "a visit whose place is to be hidden": ({"encounter": labelled("LOCIS")}, True),
    "domestic violence": ({"encounter": labelled("SDV")}, True),
    "a restricted message": ({"header": labelled("R")}, True),
    "a restricted Bundle": (labelled("R"), True),
    "PV1-16, as converters leave it": ({"encounter": courtesy("VIP")}, True),
    "a flag that is restricted": ({"more": flag(**labelled("R"))}, True),
    "a flag that says so": ({"more": flag(code={"coding": [{"code": "R"}]})}, True),
    "a flag that says of nobody whose it is": ({"more": flag(subject={}, **labelled("R"))}, True),
    "a flag that cannot be read": ({"more": flag(code=["R"])}, True),
    "a flag that has ended": ({"more": flag(status="inactive", **labelled("R"))}, False),
    "another's flag": (
        {
            "more": (
                *flag(subject={"reference": "Patient/p2"}, **labelled("R")),
                {**PATIENT, "id": "p2", "gender": "other"},
            )
        },
        False,
    ),
    "a flag of an allergy": ({"more": flag(code={"text": "peanuts"})}, False),
    "an ordinary visit": ({"encounter": {**labelled("N"), **courtesy("NRM")}}, False),
}


@pytest.mark.parametrize("name", SENSITIVE)
async def test_whatever_says_that_they_are_sensitive_their_address_is_not_carried(name: str) -> None:
    gateway = hospital()
    how, sensitive = SENSITIVE[name]

    answer = await post(gateway, message(**how))

    assert answer.status_code == 202, answer.text
    event = gateway.shelf.kept[0].event.model_dump()
    assert event["sensitive"] == sensitive
    assert (event["person"]["postcode"], event["person"]["address_line"]) == (
        (None, None) if sensitive else ("N1 9GU", "1 Made-up Street, Holloway")
    )


async def test_somebody_whom_nobody_can_name_yet_is_told_of_once_they_can() -> None:
    gateway = hospital()
    unknown = {"name": [{"text": "Unknown male"}], "identifier": None, "birthDate": None}

    answer = await post(gateway, message(patient=unknown))
    before = list(gateway.shelf.kept)
    await post(gateway, message(timestamp=LATER))

    assert "nobody to look for" in issues(answer, 202)[0]["diagnostics"]
    assert (
        gateway.metric("nightlight_messages_noted_total", feed="whittington", door="fhir", reason="nobody-named") == 1
    )
    assert before == []
    [arrival] = gateway.shelf.kept
    assert arrival.id == arrival_id(gateway.sealer, "RKE01", "AE-77")


async def test_what_kafka_did_not_get_is_not_remembered_either() -> None:
    gateway = hospital()
    await post(gateway, message())
    gateway.shelf.away = True
    await post(gateway, message(encounter={"status": "cancelled"}, timestamp="2026-11-21T03:00:00+00:00"))
    gateway.shelf.away = False

    await post(gateway, message(timestamp=LATER))

    assert len({one.id for one in gateway.shelf.kept}) == 1


async def test_an_encounter_that_was_cancelled_and_is_true_after_all_is_an_arrival_of_its_own() -> None:
    gateway = hospital()

    await post(gateway, message())
    await post(gateway, message(encounter={"status": "cancelled"}, timestamp="2026-11-21T03:00:00+00:00"))
    await post(gateway, message(timestamp=LATER))

    first, _, again = gateway.shelf.kept
    assert (first.type, again.type) == ("nightlight.admission.v1", "nightlight.admission.v1")
    assert first.id != again.id


async def test_a_plan_that_is_cancelled_and_a_record_of_a_plan_take_nobody_back() -> None:
    gateway = hospital()
    await post(gateway, message())

    plan = await post(gateway, message(encounter={"status": "cancelled"}, header={"eventCoding": {"code": "A27"}}))
    await post(gateway, message(encounter={"status": "planned"}, header={"eventCoding": {"code": "A31"}}))

    assert "Nothing to take" in issues(plan, 202)[0]["diagnostics"]
    assert {one.type for one in gateway.shelf.kept} == {"nightlight.admission.v1"}


async def test_the_time_of_an_encounter_orders_messages_whose_bundle_says_none() -> None:
    gateway = hospital()
    times = {"a": "2026-11-21T02:10:00Z", "b": "2026-11-21T03:00:00Z"}
    other = {"name": [{"family": "Tallow", "given": ["Zeb"]}]}

    await post(gateway, message(encounter={"meta": {"lastUpdated": times["b"]}}, timestamp=None))
    await post(gateway, message(encounter={"meta": {"lastUpdated": times["a"]}}, patient=other, timestamp=None))

    assert {one.type for one in gateway.shelf.kept} == {"nightlight.admission.v1"}


async def test_an_agency_that_may_tell_of_no_arrival_is_not_remembered() -> None:
    gateway = Gateway()

    answer = await post(gateway, message(patient={"identifier": None, "name": None}), key=SCHOOL_KEY)

    assert answer.status_code == 202
    assert len(gateway.visits) == 0


WAYS: dict[str, dict[str, Any]] = {
    "a relative reference": {"reference": "Patient/p1"},
    "with a version": {"reference": "Patient/p1/_history/3"},
    "a whole address": {"reference": "https://whittington.example/fhir/Patient/p1"},
    "a UUID": {"reference": "urn:uuid:4f0b1c1e-0000-4000-8000-000000000001"},
    "an identifier": {"identifier": {"system": NHS, "value": "9990000018"}},
}


@pytest.mark.parametrize("name", WAYS)
async def test_the_patient_is_found_however_the_encounter_refers_to_them(name: str) -> None:
    gateway = hospital()
    stranger = {**PATIENT, "id": "p2", "identifier": [{"system": NHS, "value": "9990000026"}]}
    told = message(encounter={"subject": WAYS[name]}, more=(stranger,))
    told["entry"][2]["fullUrl"] = "urn:uuid:4f0b1c1e-0000-4000-8000-000000000001"

    answer = await post(gateway, told)

    assert answer.status_code == 202, answer.text
    assert gateway.shelf.kept[0].event.model_dump()["person"]["nhs_number"] == "9990000018"


async def test_a_patient_who_is_a_number_alone_is_enough() -> None:
    gateway = hospital()
    told = message(encounter={"subject": {"identifier": {"system": NHS, "value": "9990000042"}}})

    await post(gateway, told)

    person = gateway.shelf.kept[0].event.model_dump(exclude_defaults=True)["person"]
    assert person == {"nhs_number": "9990000042"}


async def test_the_place_is_the_location_before_the_hospital_and_the_feed_if_nothing_says() -> None:
    gateway = hospital()
    ward = {
        "resourceType": "Location",
        "id": "l1",
        "name": "Made-up A&E",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-site-code", "value": "RKE77"}],
    }

    await post(gateway, message(encounter={"location": [{"location": {"reference": "Location/l1"}}]}, more=(ward,)))
    await post(gateway, message(encounter={"serviceProvider": None}))
    await post(gateway, message(encounter={"serviceProvider": {"identifier": {"value": "RKE99"}, "display": "Annexe"}}))

    said = [(one.event.model_dump()["site"], one.event.model_dump()["site_name"]) for one in gateway.shelf.kept]
    assert said == [("RKE77", "Made-up A&E"), ("whittington", None), ("RKE99", "Annexe")]


async def test_test_messages_page_nobody_and_test_patients_are_nobody() -> None:
    gateway = hospital()

    await post(gateway, message(meta={"security": [{"code": "HTEST"}]}))
    await post(gateway, message(header={"meta": {"tag": [{"code": "T"}]}}))
    made_up = await post(gateway, message(patient={"name": [{"family": "ZZZTest", "given": ["A"]}]}))

    assert [one.mode for one in gateway.shelf.kept] == ["test", "test"]
    assert "ZZZ" in issues(made_up, 202)[0]["diagnostics"]


async def test_several_encounters_are_taken_together_or_not_at_all() -> None:
    gateway = hospital()
    second = {**ENCOUNTER, "id": "e2", "identifier": [{"value": "AE-78"}]}
    spoilt = {**second, "status": MARKER}
    header = {"focus": None}

    good = await post(gateway, message(header=header, more=(second,)))
    bad = await post(gateway, message(header=header, more=(spoilt,)))

    assert len(issues(good, 202)) == 2
    assert where(issues(bad, 422)) == ["Bundle.entry[4].resource.status"]
    assert len(gateway.shelf.kept) == 2


async def test_of_several_encounters_the_focus_says_which() -> None:
    gateway = hospital()
    other = {**ENCOUNTER, "id": "e2", "identifier": [{"value": "AE-78"}]}

    await post(gateway, message(more=(other,)))

    assert [one.event.model_dump()["attendance"] for one in gateway.shelf.kept] == ["AE-77"]


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "another Bundle": (message(type="collection"), "Bundle.type"),
    "no type": (message(type=None), "Bundle.type"),
    "no entries": (message(entry=[]), "Bundle.entry"),
    "no header": (message() | {"entry": message()["entry"][1:]}, "Bundle.entry"),
    "no encounter": (message() | {"entry": [message()["entry"][0]]}, "Bundle.entry"),
    "an answer": (message(header={"response": {"code": "ok"}}), "Bundle.entry[0].resource.response"),
    "no status": (message(encounter={"status": None}), "Bundle.entry[1].resource.status"),
    "a status that is none": (message(encounter={"status": MARKER}), "Bundle.entry[1].resource.status"),
    "no class": (message(encounter={"class": None}), "Bundle.entry[1].resource.class"),
    "R5's class": (message(encounter={"class": [{"coding": [{"code": MARKER}]}]}), "Bundle.entry[1].resource.class"),
    "a patient who is not there": (
        message(encounter={"subject": {"reference": f"Patient/{MARKER}"}}),
        "Bundle.entry[1].resource.subject",
    ),
    "a birthday the English way": (
        message(patient={"birthDate": f"14/03/2010{MARKER}"}),
        "Bundle.entry[2].resource.birthDate",
    ),
    "a birthday that never was": (message(patient={"birthDate": "2010-02-30"}), "Bundle.entry[2].resource.birthDate"),
    "a sex that is none": (message(patient={"gender": MARKER}), "Bundle.entry[2].resource.gender"),
    "names that are no list": (message(patient={"name": {"family": MARKER}}), "Bundle.entry[2].resource.name"),
    "a time without an offset": (
        message(encounter={"period": {"start": "2026-11-21T02:06:00"}}),
        "Bundle.entry[1].resource.period.start",
    ),
    "a time that is none": (message(encounter={"period": {"start": MARKER}}), "Bundle.entry[1].resource.period.start"),
    "no number and no id": (
        message(encounter={"identifier": None, "id": None}, header={"focus": None}),
        "Bundle.entry[1].resource.identifier",
    ),
    "an attendance of 101 letters": (
        message(encounter={"identifier": [{"value": "x" * 101}]}),
        "Bundle.entry[1].resource.identifier",
    ),
    "something else": ({"resourceType": "Patient", "id": MARKER}, "Bundle"),
    "a list": ([MARKER], "Bundle"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("name", INVALID)
async def test_what_is_wrong_is_named_by_its_element_and_never_repeated(name: str) -> None:
    gateway = hospital()
    told, expression = INVALID[name]

    answer = await post(gateway, told)

    found = issues(answer, 422)
    assert expression in where(found)
    assert {issue["severity"] for issue in found} == {"error"}
    assert {issue["code"] for issue in found} <= {"invalid", "required"}
    assert MARKER not in answer.text
    assert gateway.shelf.kept == []
    assert gateway.metric("nightlight_events_refused_total", feed="whittington", reason="invalid") == 1


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no key": ({"key": None}, 401, "login"),
    "a key that has ended": ({"key": ENDED_KEY}, 401, "login"),
    "XML": ({"kind": "application/fhir+xml"}, 415, "not-supported"),
    "another version": ({"kind": f"{FHIR}; fhirVersion=5.0"}, 415, "not-supported"),
    "no content type": ({"kind": None}, 415, "not-supported"),
    "compressed": ({"content_encoding": "gzip"}, 415, "not-supported"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_every_refusal_is_an_operation_outcome_with_fhirs_own_code(name: str) -> None:
    gateway = hospital()
    how, status, code = REFUSED[name]

    answer = await post(gateway, message(), **how)

    assert [issue["code"] for issue in issues(answer, status)] == [code]
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert gateway.shelf.kept == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "structure"),
        (b'{"resourceType": "Bundle",', 400, "structure"),
        (b'{"id": 1, "id": 2}', 400, "structure"),
        (b"[" * 5000, 400, "structure"),
        (b'{"a": "' + b"x" * 300_000 + b'"}', 413, "too-long"),
    ],
    ids=["nothing", "half of it", "the same key twice", "too deep", "too large"],
)
async def test_a_body_that_cannot_be_read_is_refused_in_fhir_too(body: bytes, status: int, code: str) -> None:
    gateway = hospital()

    answer = await post(gateway, body)

    assert [issue["code"] for issue in issues(answer, status)] == [code]


async def test_an_agency_that_may_not_send_admissions_is_forbidden() -> None:
    gateway = Gateway()

    answer = await post(gateway, message(), key=SCHOOL_KEY)

    assert [issue["code"] for issue in issues(answer, 403)] == ["forbidden"]
    assert gateway.metric("nightlight_events_refused_total", feed="hill-school", reason="not-yours") == 1


async def test_too_fast_and_too_early_say_when_to_come_again() -> None:
    gateway = hospital()
    gateway.shelf.away = True
    away = await post(gateway, message())
    gateway.shelf.away = False
    gateway.doorkeeper.admit(HOSPITAL, 4999)
    too_fast = await post(gateway, message())

    assert [issue["code"] for issue in issues(away, 503)] == ["transient"]
    assert [issue["code"] for issue in issues(too_fast, 429)] == ["throttled"]
    assert "retry-after" in away.headers
    assert "retry-after" in too_fast.headers
    assert gateway.shelf.kept == []


async def test_a_rehearsal_takes_no_real_child() -> None:
    real = message(patient={"identifier": [{"system": NHS, "value": "4010232137"}]})
    rehearsal, live = hospital(), Gateway(mode=Mode.LIVE)
    live.doorkeeper.know([key_of(MET_KEY, HOSPITAL)])

    refused, taken = await post(rehearsal, real), await post(live, real)

    assert where(issues(refused, 422)) == ["Bundle.entry[2].resource.identifier"]
    assert taken.status_code == 202


async def test_other_addresses_and_methods_below_fhir_are_answered_in_fhir() -> None:
    gateway = hospital()

    missing = await gateway.request("GET", "/fhir/Patient/1")
    method = await gateway.request("GET", "/fhir/$process-message")

    assert [issue["code"] for issue in issues(missing, 404)] == ["not-found"]
    assert [issue["code"] for issue in issues(method, 405)] == ["not-supported"]


async def test_whoever_asks_first_is_told_what_is_taken() -> None:
    answer = await hospital().request("GET", "/fhir/metadata")

    statement = answer.json()
    assert answer.headers["content-type"] == FHIR
    assert (statement["resourceType"], statement["fhirVersion"]) == ("CapabilityStatement", "4.0.1")
    assert statement["rest"][0]["operation"][0]["name"] == "process-message"


def test_every_reason_for_a_refusal_has_fhirs_code() -> None:
    assert ISSUES.keys() == set(Reason)


async def test_plain_json_and_a_version_that_is_r4_are_taken() -> None:
    gateway = hospital()

    kinds = ("application/json", f'{FHIR};charset="utf-8"', f"{FHIR}; fhirVersion=4.0")
    answers = [await post(gateway, message(), kind) for kind in kinds]

    assert [answer.status_code for answer in answers] == [202] * 3


RESOURCES = [PATIENT, ENCOUNTER, ORGANISATION]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=5)
    | st.sampled_from(["arrived", "p1", AT])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["system", "value", "code", "coding", "use"]), inner)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    """One for all examples: making one takes longer than a message."""
    return hospital()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    place=st.integers(0, 3), name=st.sampled_from(sorted({*PATIENT, *ENCOUNTER, "focus", "contained"})), value=VALUES
)
async def test_whatever_stands_in_an_element_is_taken_or_refused_and_never_breaks(
    gateway: Gateway, place: int, name: str, value: Any
) -> None:
    gateway.ticks += 1.0
    told = message()
    told["entry"][place]["resource"][name] = value

    answer = await post(gateway, told)

    assert answer.status_code in (202, 422), answer.text
    issues(answer, answer.status_code)


@pytest.mark.parametrize("name", [path.name for path in sorted(SAMPLES.glob("NHSDigital_pds-api/*.json"))] or ["none"])
async def test_patients_as_the_nhs_writes_them_are_read(name: str) -> None:
    """Where the samples of others are not beside the repository there is nothing to read here, and the line says `none`."""
    for patient in patients(SAMPLES / "NHSDigital_pds-api" / name):
        gateway = Gateway(mode=Mode.LIVE)
        gateway.doorkeeper.know([key_of(MET_KEY, HOSPITAL)])
        encounter = {"subject": {"reference": f"Patient/{patient['id']}"}}

        answer = await post(gateway, message(patient=None, encounter=encounter, more=(patient,)))

        assert answer.status_code == 202, answer.text
        event = gateway.shelf.kept[0].event.model_dump()
        restricted = {coding["code"] for coding in patient.get("meta", {}).get("security", [])} - {"U"}
        assert event["sensitive"] == bool(restricted)
        assert event["deceased"] == ("deceasedDateTime" in patient)
        assert event["person"]["nhs_number"] == patient["identifier"][0]["value"]


def patients(path: Path) -> list[dict[str, Any]]:
    """The patients of a sample; some of its files are only the name of another."""
    if not path.exists() or not path.read_text().startswith("{"):
        return []
    document = json.loads(path.read_text())
    found = (
        [document]
        if document.get("resourceType") == "Patient"
        else [each["resource"] for each in document.get("entry", [])]
    )
    return [each for each in found if each.get("resourceType") == "Patient" and "identifier" in each]
