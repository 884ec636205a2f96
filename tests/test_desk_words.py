"""Words on the screens: times as people say them, and nothing a responder does not need."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import words
from schemas.pages import AttemptState, Channel, PageState, Purpose, Role

NOW = datetime(2026, 7, 1, 1, 6, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (NOW, "2:06am"),
        (datetime(2026, 7, 1, 11, 0, tzinfo=UTC), "12:00pm"),
        (datetime(2026, 6, 30, 23, 5, tzinfo=UTC), "12:05am"),
        (datetime(2026, 6, 30, 22, 5, tzinfo=UTC), "11:05pm on 30 June"),
        (datetime(2026, 1, 1, 2, 6, tzinfo=UTC), "2:06am on 1 January"),
    ],
)
def test_a_time_is_what_the_wall_says_in_england(at: datetime, said: str) -> None:
    assert words.clock(at, NOW) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0 s"), (12, "12 s"), (60, "1 min 0 s"), (250, "4 min 10 s"), (3600, "1 h 0 min"), (100_000, "27 h 46 min")],
)
def test_a_span_is_said_in_its_two_largest_units(seconds: int, said: str) -> None:
    assert words.lasted(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(-1, "less than a minute"), (59, "less than a minute"), (299, "4 min"), (3900, "1 h 5 min")]
)
def test_time_left_is_never_more_than_there_is(seconds: int, said: str) -> None:
    assert words.left(NOW + timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize(
    ("said", "states"),
    [
        (words.STATES, PageState),
        (words.ATTEMPTS, AttemptState),
        (words.CHANNELS, Channel),
        (words.PURPOSES, Purpose),
        (words.ROLES, Role),
    ],
)
def test_every_state_has_its_words(said: dict[str, str], states: type) -> None:
    assert said.keys() == set(states)


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("nightlight.exclusion.v1", {"school_name": "Wick School", "reasons": ["DA"], "starts_on": "2026-11-20"}),
        ("nightlight.stop-search.v1", {"force": "Met", "outcome": "knife found"}),
        ("nightlight.admission.v1", {"site_name": "Royal", "arrival_mode": "stab wound, police car"}),
        ("nightlight.unheard-of.v1", {"anything": "at all"}),
    ],
)
def test_reasons_and_notes_are_withheld(kind: str, details: dict[str, object]) -> None:
    shown = str(words.where(kind, details, NOW))

    assert not [note for note in ("DA", "knife", "stab", "at all") if note in shown]


@given(st.dictionaries(st.sampled_from(["site", "site_name", "suite", "missing_from"]), st.just("Candle House")))
def test_no_place_of_a_sensitive_record_is_shown(details: dict[str, object]) -> None:
    for kind in ("nightlight.admission.v1", "nightlight.arrest.v1", "nightlight.missing.v1"):
        assert "Candle" not in str(words.where(kind, {**details, "sensitive": True}, NOW))
