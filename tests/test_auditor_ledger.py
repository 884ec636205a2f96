"""Every accepted event beside its outcomes: what has none after a minute, and where the lanes do not agree."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.auditor_ledger import DIFFERENCE_SHOWN, LANES, PATIENCE, Ledger
from tests.watch import NIGHT

LATER = NIGHT + PATIENCE
EVENT = ("accepted",)
A, B, OTHER = ("a", "paged"), ("b", "paged"), ("b", "not-watched")


def ledger(*told: Sequence[str]) -> Ledger:
    made = Ledger()
    for each in told:
        enter(made, each)
    return made


def enter(made: Ledger, told: Sequence[str]) -> None:
    if told == EVENT:
        made.accepted("event", NIGHT)
        return
    made.ended("event", told[0], told[1], NIGHT)


@pytest.mark.parametrize(
    ("told", "lost", "alone"),
    [
        ((EVENT,), ["event"], []),
        ((EVENT, A), [], ["event"]),
        ((EVENT, B), [], ["event"]),
        ((EVENT, A, B), [], []),
        ((EVENT, B, A), [], []),
        ((A, B, EVENT), [], []),
        ((A, EVENT, B), [], []),
        ((EVENT, A, A), [], ["event"]),
        ((EVENT, A, OTHER), [], ["event"]),
        ((A, OTHER, EVENT), [], ["event"]),
        ((A,), [], []),
        ((A, OTHER), [], ["event"]),
        ((), [], []),
    ],
)
def test_after_a_minute_what_is_missing_or_different_is_known(
    told: Sequence[Sequence[str]], lost: list[str], alone: list[str]
) -> None:
    made = ledger(*told)

    assert (made.without_outcome(LATER), made.in_one_lane(LATER)) == (lost, alone)


def test_before_the_minute_is_over_nothing_is_missing() -> None:
    made = ledger(EVENT)

    assert made.without_outcome(LATER - timedelta(seconds=1)) == []


def test_lanes_that_differ_are_known_at_once_and_shown_for_a_quarter_of_an_hour() -> None:
    made = ledger(EVENT, A, OTHER)

    at_once = made.in_one_lane(NIGHT)
    made.forget(NIGHT + DIFFERENCE_SHOWN - timedelta(seconds=1))
    still = made.in_one_lane(NIGHT + DIFFERENCE_SHOWN)
    made.forget(NIGHT + DIFFERENCE_SHOWN)

    assert (at_once, still, made.in_one_lane(LATER), len(made)) == (["event"], ["event"], [], 0)


def test_an_outcome_whose_event_came_before_we_listened_is_forgotten_and_an_event_is_not() -> None:
    made = ledger(A)
    made.accepted("another", NIGHT)

    made.forget(LATER)

    assert (len(made), made.without_outcome(LATER)) == (1, ["another"])


TOLD = st.sets(st.tuples(st.integers(0, 4), st.sampled_from(["accepted", *LANES])))


@given(told=TOLD.flatmap(lambda told: st.permutations(sorted(told))))
def test_whatever_the_order_only_what_is_missing_is_found(told: Sequence[tuple[int, str]]) -> None:
    made = Ledger()

    for number, what in told:
        if what == "accepted":
            made.accepted(str(number), NIGHT)
        else:
            made.ended(str(number), what, "paged", NIGHT)

    said = {str(number): {what for each, what in told if each == number} for number, _ in told}
    accepted = {number: what - {"accepted"} for number, what in said.items() if "accepted" in what}
    assert set(made.without_outcome(LATER)) == {number for number, lanes in accepted.items() if not lanes}
    assert set(made.in_one_lane(LATER)) == {number for number, lanes in accepted.items() if len(lanes) == 1}
