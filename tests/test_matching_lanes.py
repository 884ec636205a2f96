"""Who is paged and who is held: the rule of the domain page (2.10), row by row. One listed girl of a common name, a fixed day."""

from datetime import date
from typing import Any

import pytest

from schemas.child import WatchedChild
from schemas.moments import Decision, Lane
from schemas.person import Person
from streams.matching import Matcher
from streams.matching.lanes import Held

TODAY = date(2026, 11, 21)
ONE = "9990000018"
TWO = "9990000026"
OLIVIA: dict[str, Any] = {
    "given_name": "Olivia",
    "family_name": "Smith",
    "date_of_birth": "2011-02-23",
    "sex": "female",
    "postcode": "N1 9GU",
    "nhs_number": ONE,
}
ZELDA: dict[str, Any] = OLIVIA | {"given_name": "Zeldamar", "family_name": "Quistenholm"}


def child(child_id: str = "C1", known: dict[str, Any] = OLIVIA, **changes: Any) -> WatchedChild:
    return WatchedChild(child_id=child_id, authority="E09000019", team="Islington", **(known | changes))


def decide(*children: WatchedChild, known: dict[str, Any] = OLIVIA, without: str = "", **changes: Any) -> Decision:
    listed = Matcher(clock=lambda: TODAY, background=False)
    listed.load(children)
    person = {key: value for key, value in (known | changes).items() if key not in without.split()}
    return listed.decide(Person(**person))


def reasons(decision: Decision) -> set[str]:
    return {line.removeprefix("held: ") for line in decision.why if line.startswith("held: ")}


@pytest.mark.parametrize(
    ("without", "changes"),
    [
        ("postcode sex", {}),
        ("nhs_number", {}),
        ("nhs_number sex", {}),
        ("nhs_number", {"date_of_birth": "2011-02-24"}),
    ],
    ids=[
        "identifier and birth date",
        "name, birth date and postcode",
        "the same without sex",
        "a digit off, same place",
    ],
)
def test_what_identifies_a_child_is_paged(without: str, changes: dict[str, Any]) -> None:
    assert decide(child(), without=without, **changes).lane is Lane.PAGE


@pytest.mark.parametrize(
    ("without", "changes", "reason"),
    [
        ("postcode", {"date_of_birth": "2004-09-09"}, Held.BIRTH_DATE),
        ("nhs_number postcode sex", {}, Held.BARE),
        ("nhs_number postcode", {"date_of_birth": "2011-02-24"}, Held.ROUGH),
        ("nhs_number", {"postcode": "LS6 2AB"}, Held.NAMESAKE),
    ],
    ids=["identifier, another birth date", "name and birth date alone", "a digit off, no place", "another postcode"],
)
def test_what_may_be_somebody_else_is_held_for_a_human(without: str, changes: dict[str, Any], reason: Held) -> None:
    decision = decide(child(), without=without, **changes)

    assert (decision.lane, decision.child) == (Lane.REVIEW, "C1")
    assert reason in reasons(decision)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "the name is so rare that the postcode must be stale"),
        ({"address_line": "12 Gladstone Villas"}, "an address line agrees"),
    ],
)
def test_another_postcode_does_not_hold_what_else_is_sure(changes: dict[str, Any], why: str) -> None:
    listed = child(known=ZELDA, nhs_number=None, address_line=changes.get("address_line"))

    decision = decide(listed, known=ZELDA, without="nhs_number", postcode="LS6 2AB", **changes)

    assert decision.lane is Lane.PAGE, why


@pytest.mark.parametrize(("postcode", "lane"), [("N19 5AA", Lane.PAGE), ("LS6 2AB", Lane.REVIEW)])
def test_a_namesake_with_the_same_birth_date_is_less_likely_in_the_same_part_of_the_country(
    postcode: str, lane: Lane
) -> None:
    florence = OLIVIA | {"given_name": "Florence", "family_name": "Barker"}

    assert decide(child(known=florence), known=florence, without="nhs_number", postcode=postcode).lane is lane


def test_a_child_who_has_moved_within_an_area_is_known_by_a_former_postcode_of_it() -> None:
    moved = child(known=OLIVIA | {"given_name": "Florence", "family_name": "Barker"}, former_postcodes=("LS1 1AA",))

    decision = decide(moved, without="nhs_number", postcode="LS6 2AB", given_name="Florence", family_name="Barker")

    assert decision.lane is Lane.PAGE


@pytest.mark.parametrize(("one", "other"), [("Emily", "Amelia"), ("Alice", "Elsie"), ("Nathan", "Jonathan")])
def test_a_name_that_is_as_often_a_twins_is_no_short_form_of_it(one: str, other: str) -> None:
    decision = decide(child(known=OLIVIA | {"given_name": one}), without="nhs_number", given_name=other)

    assert decision.lane is not Lane.PAGE


def test_two_listed_children_of_one_name_and_birth_date_go_to_a_human_even_where_the_postcode_is_of_one() -> None:
    both = child("C1", nhs_number=None), child("C2", nhs_number=None, postcode="LS6 2AB")

    decision = decide(*both, without="nhs_number")

    assert (decision.lane, decision.child) == (Lane.REVIEW, "C1")
    assert Held.NAMESAKE_LISTED in reasons(decision)


def test_an_identifier_tells_two_listed_children_of_one_name_and_birth_date_apart() -> None:
    both = child("C1"), child("C2", nhs_number=TWO, postcode="LS6 2AB")

    decision = decide(*both, nhs_number=TWO, postcode="LS6 2AB")

    assert (decision.lane, decision.child) == (Lane.PAGE, "C2")


@pytest.mark.parametrize("given", ["Grace", "Oliver", "Olive"])
def test_a_twin_is_never_paged_for_a_twin(given: str) -> None:
    decision = decide(child(), without="nhs_number sex", given_name=given)

    assert decision.lane is not Lane.PAGE


def test_a_birth_date_a_generation_away_speaks_more_against_than_a_slip() -> None:
    father = decide(child(), without="nhs_number sex", date_of_birth="1980-06-06")
    slip = decide(child(), without="nhs_number sex", date_of_birth="2015-06-06")

    assert father.candidates[0].weight < slip.candidates[0].weight - 2
    assert father.lane is not Lane.PAGE


def test_a_turkish_name_weighs_less_beside_a_family_name_that_no_table_knows() -> None:
    known = OLIVIA | {"given_name": "Elif", "family_name": "Karabiberoglu"}

    decision = decide(child(known=known), known=known)

    rare = next(line for line in decision.why if line.startswith("given_name: exact, 1 in "))
    assert int(rare.split(" 1 in ")[1].split()[0].replace(",", "")) < 500


@pytest.mark.parametrize("placeholder", ["1900-01-01", "1800-01-01", "2031-01-01"])
def test_a_birth_date_that_nobody_has_is_a_missing_one_and_not_another_persons(placeholder: str) -> None:
    decision = decide(child(), date_of_birth=placeholder)

    assert (decision.lane, decision.child) == (Lane.PAGE, "C1")
    assert not any(line.startswith("date_of_birth") for line in decision.why)


ONE_NAME = {"date_of_birth": "2011-02-23", "sex": "female", "postcode": "N1 9GU"}


@pytest.mark.parametrize(
    ("listed", "asked", "lane"),
    [
        ({"family_name": "Priyadharshini"}, {"family_name": "Priyadharshini"}, Lane.PAGE),
        ({"family_name": "Priyadharshini"}, {"family_name": "Rajendran", "given_name": "Priyadharshini"}, Lane.PAGE),
        ({"family_name": "Quistenholm", "given_name": "Zeldamar"}, {"family_name": "Quistenholm"}, Lane.REVIEW),
        ({"family_name": "Quistenholm", "given_name": "Baby"}, {"family_name": "Quistenholm"}, Lane.REVIEW),
        ({"family_name": "Quistenholm"}, {"family_name": "Quistenholm", "given_name": "Twin one"}, Lane.REVIEW),
        ({"family_name": "Quistenholm"}, {"family_name": "Quistenholm", "given_name": "Unknown"}, Lane.REVIEW),
    ],
    ids=["one name", "the father's beside it", "a given name left blank", "no name yet", "a twin", "not known"],
)
def test_the_only_name_somebody_has_is_their_own_and_not_the_familys(
    listed: dict[str, str], asked: dict[str, str], lane: Lane
) -> None:
    assert decide(child(known=ONE_NAME | listed), known=ONE_NAME | asked).lane is lane
