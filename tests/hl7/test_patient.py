"""Who a message is about, in the dialects that hospitals write."""

from typing import Any

import pytest

from connectors.hl7.message import parse
from connectors.hl7.patient import read_patient
from connectors.visits.shapes import Patient
from schemas.person import Person
from tests.hl7.cast import NOBODY, message


def patient(pid: str, *more: str) -> Patient:
    return read_patient(parse(message(pid=pid, more=more)))


def pid(**fields: str) -> str:
    """A PID of a made-up child, with some fields otherwise, as `f7="20100314"`."""
    values = {3: "T100^^^R1H^MR", 5: "LAMPWICK^ROBIN", 7: "20100314"} | {
        int(name[1:]): text for name, text in fields.items()
    }
    return "|".join(["PID", *(values.get(place, "") for place in range(1, 33))])


def test_a_person_is_read_as_the_contract_has_it() -> None:
    read = read_patient(parse(message()))

    assert read.person is not None
    assert Person.model_validate(read.person) == Person.model_validate(
        {
            "family_name": "LAMPWICK",
            "given_name": "ROBIN",
            "other_names": ["JUDE"],
            "date_of_birth": "2010-03-14",
            "sex": "male",
            "nhs_number": "9990000018",
            "postcode": "N1 9GU",
            "address_line": "12 MADE UP ROAD",
        }
    )


@pytest.mark.parametrize(
    "identifiers",
    [
        {"f3": "9990000018^^^NHS^NH"},
        {"f3": "9990000018^^^NHS"},  # ITK: no type
        {"f3": "9990000018^^^^NH"},
        {"f3": "9990000018^^^NHSNBR^NHSNMBR"},
        {"f3": "T100^^^R1H^MR~9990000018^^^NHS^NH"},
        {"f3": "9990000018^^^&2.16.840.1.113883.2.1.4.1&ISO"},
        {"f3": "1234567890^^^NHS^NH~9990000018^^^NHS^NH"},  # the first is none
        {"f2": "9990000018^NSTS01^^NHS^NHS"},  # renalware
        {"f19": "9990000018"},  # Homerton
        {"f19": "999 000 0018"},
    ],
)
def test_an_nhs_number_is_found_wherever_it_is_said_to_be_one(identifiers: dict[str, str]) -> None:
    person = patient(pid(**identifiers)).person

    assert person is not None
    assert person["nhs_number"].replace(" ", "") == "9990000018"


@pytest.mark.parametrize(
    "identifiers",
    [
        {"f3": "9990000018^^^CHI^NH"},  # Scotland's
        {"f3": "9990000018^^^R1H^MR"},
        {"f3": "9990000018^^^NHS TRUST^MR"},
        {"f3": "9990000018"},
        {"f3": "^^^NHS^NH"},
        {"f2": "^NSTS03^^NHS^NHS"},
        {"f19": "913401060"},
    ],
)
def test_another_number_is_not_taken_for_an_nhs_number(identifiers: dict[str, str]) -> None:
    person = patient(pid(**identifiers)).person

    assert person is not None
    assert "nhs_number" not in person


def test_a_number_with_a_slip_is_kept_as_it_was_typed() -> None:
    person = patient(pid(f3="9990000081^^^NHS^NH")).person

    assert person is not None
    assert person["nhs_number"] == "9990000081"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("EVERYMAN&&&&Aniston^ADAM^A", ("EVERYMAN", "ADAM", ("A",), ())),
        ("SMITH^ZEB^^^^^ALTERNATE~TALLOW^ZEBEDEE^^^^^CURRENT", ("TALLOW", "ZEBEDEE", ("ZEB",), ("SMITH",))),
        ("TALLOW^ZEBEDEE^^^^^L~WICK^ZEBEDEE^^^^^PREVIOUS", ("TALLOW", "ZEBEDEE", (), ("WICK",))),
        ("TALLOW^ZEBEDEE^^^^^L~TALLOW^ZEB^^^^^N", ("TALLOW", "ZEBEDEE", ("ZEB",), ())),
        ("TALLOW^ZEBEDEE^MAY LEE", ("TALLOW", "ZEBEDEE", ("MAY", "LEE"), ())),
    ],
)
def test_the_usual_name_is_the_name_and_the_others_are_kept_beside_it(names: str, expected: tuple[Any, ...]) -> None:
    person = patient(pid(f5=names)).person or {}

    found = (person["family_name"], person["given_name"])
    assert (*found, person.get("other_names", ()), person.get("previous_family_names", ())) == expected


@pytest.mark.parametrize("code", ["1", "M", "Male", "male"])
def test_sex_is_said_in_many_ways(code: str) -> None:
    assert (patient(pid(f8=code)).person or {})["sex"] == "male"


def test_somebody_unknown_is_nobody_to_look_for() -> None:
    assert patient(NOBODY).person is None
    assert patient(pid(f5="LAMPWICK^ROBIN", f7="")).person is None
    assert patient("PID|").person is None


@pytest.mark.parametrize(
    ("fields", "reliable"),
    [({}, None), ({"f31": "Y"}, False), ({"f31": "N"}, None), ({"f32": "AL"}, False), ({"f32": "NSTS01"}, None)],
)
def test_an_unreliable_identity_is_said_to_be_so(fields: dict[str, str], reliable: bool | None) -> None:
    assert (patient(pid(**fields)).person or {}).get("identity_reliable") is reliable


def test_an_estimated_birth_date_is_one_and_an_unknown_one_is_none() -> None:
    assert (patient(pid(f32="ED")).person or {})["date_of_birth_is"] == "estimated"
    assert patient(pid(f32="UD")).person is None


@pytest.mark.parametrize(
    ("fields", "dead"),
    [
        ({}, False),
        ({"f30": "Y"}, True),
        ({"f29": "20261120"}, True),
        ({"f29": "20261120", "f30": "N"}, False),
        ({"f29": '""', "f30": '""'}, False),
        ({"f30": "N"}, False),
    ],
)
def test_who_has_died_is_said_to_have_died(fields: dict[str, str], dead: bool) -> None:
    assert patient(pid(**fields)).deceased is dead


@pytest.mark.parametrize(
    "more",
    [
        "PV1|1|E||||||||||||||Y",
        "PV1|1|E||||||||||||||VIP^Very Important",
        "PD1||||||||||||Y",
        "ZU8|1",
        "ARV|1|A|LOC|PHY",
    ],
)
def test_of_a_sensitive_record_no_address_is_carried(more: str) -> None:
    data = message().decode().rsplit("PV1", 1)[0] + (more if more.startswith("PV1") else f"PV1|1|E\r{more}")

    read = read_patient(parse(data.encode()))

    assert read.sensitive
    assert read.person is not None
    assert not read.person.keys() & {"postcode", "address_line"}


@pytest.mark.parametrize("flag", ["", "N", "0", '""'])
def test_a_record_that_is_not_sensitive_is_not(flag: str) -> None:
    assert not patient(pid(), f"PD1||||||||||||{flag}").sensitive


def test_a_test_patient_is_known_by_the_name() -> None:
    assert patient(pid(f5="ZZZTEST^TWIN")).made_up


def test_the_postcode_is_that_of_the_home() -> None:
    read = patient(pid(f11="1 WARD^^^^E1 1BB^^TMP~2 HOME^^^^N1 9GU^^H~3 OLD^^^^SW1 1AA^^BA"))

    assert (read.person or {})["postcode"] == "N1 9GU"


def test_a_name_of_absurd_length_is_cut_and_the_child_is_still_looked_for() -> None:
    person = patient(pid(f5="L" * 5000 + "^ROBIN")).person

    assert person is not None
    Person.model_validate(person)
