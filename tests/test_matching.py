"""The right child: who is paged, who goes to a human, who is nobody's business. One listed girl, her sisters, a fixed day."""

import gc
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.child import WatchedChild
from schemas.moments import Decision, Lane
from schemas.person import Person
from streams.matching import Matcher
from streams.matching.keys import filed
from streams.matching.lanes import Held
from streams.matching.normalise import entry

TODAY = date(2026, 11, 21)
ONE = "9990000018"
TWO = "9990000026"
AMINA: dict[str, Any] = {
    "given_name": "Amina",
    "family_name": "Qwestbury",
    "date_of_birth": "2011-02-03",
    "sex": "female",
    "postcode": "N1 9GU",
    "nhs_number": ONE,
}


CROWD: dict[str, Any] = {"given_name": "Grace", "family_name": "Made", "nhs_number": None, "postcode": None}


def child(child_id: str = "C1", **changes: Any) -> WatchedChild:
    return WatchedChild(child_id=child_id, authority="E09000019", team="Islington", **(AMINA | changes))


def matcher(*children: WatchedChild) -> Matcher:
    listed = Matcher(clock=lambda: TODAY, background=False)
    listed.load(children or [child()])
    return listed


@cache
def both() -> tuple[Matcher, Matcher]:
    return matcher(), matcher()


def decide(listed: Matcher | None = None, *, drop: tuple[str, ...] = (), **changes: Any) -> Decision:
    known = {key: value for key, value in (AMINA | changes).items() if key not in drop}
    return (listed or matcher()).decide(Person(**known))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"given_name": "Ameena"},
        {"family_name": "Qwestberry"},
        {"date_of_birth": "2011-03-02"},
        {"postcode": "E8 1AA"},
        {"given_name": "Qwestbury", "family_name": "Amina"},
        {"nhs_number": "9990000019"},
    ],
)
def test_the_child_herself_is_paged_with_one_thing_wrong(changes: dict[str, Any]) -> None:
    decision = decide(**changes)

    assert (decision.lane, decision.child) == (Lane.PAGE, "C1")


def test_without_an_identifier_name_birth_date_and_postcode_are_enough() -> None:
    assert decide(drop=("nhs_number",)).lane is Lane.PAGE


@pytest.mark.parametrize(
    ("changes", "drop", "reason"),
    [
        ({"given_name": "Yusra"}, ("nhs_number",), Held.GIVEN_NAME),
        ({}, ("nhs_number", "given_name"), Held.GIVEN_NAME),
        ({"nhs_number": TWO}, (), Held.CONFLICT),
        ({"date_of_birth": "1985-02-03"}, (), Held.ADULT),
        ({}, ("given_name", "family_name", "date_of_birth", "sex", "postcode"), Held.TOO_LITTLE),
        ({}, ("nhs_number", "sex", "postcode"), Held.BARE),
        ({"identity_reliable": False}, (), Held.TOO_LITTLE),
        ({"family_name": "Unknown", "given_name": "Unknown"}, (), Held.TOO_LITTLE),
    ],
)
def test_what_looks_certain_is_held_for_a_human(changes: dict[str, Any], drop: tuple[str, ...], reason: Held) -> None:
    decision = decide(drop=drop, **changes)

    assert (decision.lane, decision.child) == (Lane.REVIEW, "C1")
    assert f"held: {reason}" in decision.why


def test_a_restricted_record_is_held_for_a_human() -> None:
    decision = matcher().decide(Person(**AMINA), sensitive=True)

    assert decision.lane is Lane.REVIEW
    assert f"held: {Held.RESTRICTED}" in decision.why


@pytest.mark.parametrize(
    ("changes", "drop"),
    [
        ({"given_name": "Yusra", "date_of_birth": "2014-09-19"}, ("nhs_number",)),
        ({"given_name": "Grace", "family_name": "Okafor", "date_of_birth": "2009-09-19"}, ("nhs_number",)),
        ({"family_name": "Unknown", "given_name": "Unknown"}, ("nhs_number",)),
        ({"identity_reliable": False}, ("nhs_number",)),
    ],
)
def test_a_sister_a_neighbour_and_somebody_unknown_are_nobodys_business(
    changes: dict[str, Any], drop: tuple[str, ...]
) -> None:
    assert decide(drop=drop, **changes).lane is Lane.NONE


def test_two_listed_children_who_fit_equally_go_to_a_human_with_both() -> None:
    listed = matcher(child("C1", nhs_number=None), child("C2", nhs_number=None))

    decision = decide(listed, drop=("nhs_number",))

    assert decision.lane is Lane.REVIEW
    assert [one.child for one in decision.candidates] == ["C1", "C2"]
    assert f"held: {Held.RUNNER_UP}" in decision.why


def test_a_listed_twin_is_told_from_her_sister_by_the_given_name() -> None:
    listed = matcher(child("C1"), child("C2", given_name="Yusra", nhs_number=TWO))

    decision = decide(listed, drop=("nhs_number",), given_name="Yusra")

    assert (decision.lane, decision.child) == (Lane.PAGE, "C2")


def test_an_alias_and_a_former_name_find_the_child() -> None:
    listed = matcher(child(other_names=("Minnie",), previous_family_names=("Oldbury",)))

    decision = decide(listed, given_name="Minnie", family_name="Oldbury", drop=("nhs_number",))

    assert (decision.lane, decision.child) == (Lane.PAGE, "C1")


def test_an_identifier_with_a_typo_alone_asks_a_human() -> None:
    decision = matcher().decide(Person(nhs_number="9990000081"))

    assert [one.child for one in decision.candidates] == ["C1"]


def test_reasons_name_the_comparison_and_its_bits_and_never_a_value() -> None:
    decision = decide(date_of_birth="2011-03-02")

    assert any(line.startswith("date_of_birth: day and month swapped (+") for line in decision.why)
    assert decision.model == "table-2"
    for value in ("amina", "qwestbury", "2011", "n1", ONE):
        assert value not in " ".join(decision.why).lower()


def test_a_child_who_was_put_is_found_and_one_who_moved_is_found_at_the_new_place_only() -> None:
    listed = matcher()

    listed.put(child("C2", given_name="Grace", family_name="Made", date_of_birth="2010-05-05", nhs_number=TWO))
    listed.put(child("C1", family_name="Newbury"))

    assert len(listed) == 2
    assert decide(listed, family_name="Newbury", drop=("nhs_number",)).child == "C1"
    assert (
        listed.decide(Person(given_name="Grace", family_name="Made", date_of_birth="2010-05-05", nhs_number=TWO)).child
        == "C2"
    )


def test_after_a_removal_nothing_of_the_child_is_left_in_memory() -> None:
    listed = matcher(
        child("C1", given_name="Zyqwertia"), child("C2", given_name="Grace", family_name="Made", nhs_number=TWO)
    )
    keys = filed(entry(child("C1", given_name="Zyqwertia"), TODAY), listed._sounds)
    kept = filed(entry(child("C2", given_name="Grace", family_name="Made", nhs_number=TWO), TODAY), listed._sounds)

    listed.remove("C1")

    assert decide(listed, given_name="Zyqwertia").lane is Lane.NONE
    assert set(listed._index._arrays.keys.tolist()).isdisjoint(set(keys) - set(kept))
    assert not {text for text in _texts(listed) if "zyqwertia" in text.lower() or text in (ONE, "C1")}


def test_a_removal_of_nobody_changes_nothing() -> None:
    listed = matcher()

    listed.remove("C9")

    assert len(listed) == 1


def test_loading_again_replaces_the_list_and_the_last_of_one_id_counts() -> None:
    listed = matcher()

    listed.load([child("C5"), child("C5", family_name="Newbury")])

    assert len(listed) == 1
    assert decide(listed, family_name="Newbury").child == "C5"


def test_of_a_long_list_with_one_id_twice_nothing_of_the_first_entry_is_left() -> None:
    crowd = [child(f"C{number}", given_name="Grace", nhs_number=None) for number in range(200)]
    listed = matcher(*crowd, child("C150", given_name="Zyqwertia", nhs_number=TWO))

    assert len(listed) == 200
    assert not listed._roll.table.at(np.array([150])).records["place"].any()
    assert decide(listed, given_name="Zyqwertia", nhs_number=TWO).child == "C150"


def test_a_list_that_breaks_off_leaves_the_old_one_in_force() -> None:
    listed = matcher()

    with pytest.raises(RuntimeError):
        listed.load(_broken())

    assert decide(listed).lane is Lane.PAGE


def test_a_block_beyond_the_cap_is_reported() -> None:
    met: list[str] = []
    listed = Matcher(on_overflow=met.append, clock=lambda: TODAY, background=False)
    listed._index._cap = 3
    listed.load([child(f"C{number}", nhs_number=None, postcode=None) for number in range(5)])

    decide(listed, drop=("nhs_number", "postcode"))

    assert {"birth", "names", "name-and-birth"} <= set(met)


def test_an_identifier_is_looked_at_among_many_who_are_nearer_by_name() -> None:
    crowd = [child(f"C{number}", date_of_birth="2005-07-09", **CROWD) for number in range(300)]
    listed = matcher(
        child("C999", given_name="Zoe", family_name="Other", date_of_birth="2009-09-19", postcode=None), *crowd
    )

    decision = decide(listed, given_name="Grace", family_name="Made")

    assert "C999" in [one.child for one in decision.candidates]


TEXT = st.text(max_size=40)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    family=TEXT,
    given_name=TEXT,
    others=st.lists(TEXT, max_size=5),
    born=st.dates(),
    postcode=st.text(max_size=12),
    line=TEXT,
    number=st.text(max_size=20),
)
def test_no_person_however_written_stops_the_matcher_and_the_answer_is_always_the_same(
    family: str, given_name: str, others: list[str], born: date, postcode: str, line: str, number: str
) -> None:
    known = {"family_name": family + "x", "given_name": given_name, "other_names": tuple(others), "date_of_birth": born}
    person = Person(**known, postcode=postcode, address_line=line, nhs_number=number, upn=number, pnc_id=number)
    listed, again = both()
    for one in (listed, again):
        one.put(WatchedChild(child_id="C7", authority="", team="", **known, postcode=postcode, nhs_number=number))

    assert listed.decide(person) == listed.decide(person) == again.decide(person)
    for one in (listed, again):
        one.remove("C7")
    assert len(listed) == 1


def _broken() -> Any:
    yield child("C8")
    raise RuntimeError


def _texts(root: object) -> set[str]:
    """Every piece of text that can be reached from the object, modules and classes left out."""
    seen, found, waiting = set(), set(), [root]
    while waiting:
        one = waiting.pop()
        if (
            id(one) in seen
            or isinstance(one, type)
            or type(one).__name__ in ("module", "function", "builtin_function_or_method")
        ):
            continue
        seen.add(id(one))
        if isinstance(one, str):
            found.add(one)
        waiting += gc.get_referents(one)
    return found
