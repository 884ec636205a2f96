"""How each feed is: counted by the hour, and called silent only at an hour when it usually speaks."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.agencies import agreed_until
from connectors.problems import Reason
from connectors.tally import Tally
from schemas.metrics import Metrics
from schemas.settings import Mode
from store import agencies, agreements, feeds
from store.feeds import Heard, missed, reason
from store.rights import AgencyRefused, Agreement
from tests.events import cloud_event
from tests.gateway import MET, Gateway, key_of
from tests.store_cast import engine
from tests.streams_cast import WATCHED, arrest, envelope

SATURDAY = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
LONG_AGO = SATURDAY - timedelta(weeks=20)
HOUR = timedelta(hours=1)


def weekly(*hours: datetime, events: int) -> dict[datetime, int]:
    """So many events in these hours of each of the four weeks before."""
    return {hour - timedelta(weeks=week): events for hour in hours for week in range(1, 5)}


EVENING = [SATURDAY + HOUR * hour for hour in range(-4, 5)]
OFFICE = [SATURDAY + HOUR * hour for hour in (34, 35, 36, 37, 38)]  # Monday from eight to one
STEADY = {SATURDAY - HOUR * hour: 60 for hour in range(1, 24 * 7 + 1)}


@pytest.mark.parametrize(
    ("about", "hours", "last", "at", "silent"),
    [
        (
            "heartbeats every minute, and nothing for 25 minutes",
            STEADY,
            SATURDAY,
            SATURDAY + timedelta(minutes=25),
            False,
        ),
        (
            "heartbeats every minute, and nothing for 35 minutes",
            STEADY,
            SATURDAY,
            SATURDAY + timedelta(minutes=35),
            True,
        ),
        ("a busy evening, and nothing for an hour", weekly(*EVENING, events=5), SATURDAY, SATURDAY + HOUR, False),
        ("a busy evening, and nothing for two hours", weekly(*EVENING, events=5), SATURDAY, SATURDAY + HOUR * 2, True),
        (
            "a suite with one a night, and nothing for four hours",
            weekly(SATURDAY, events=1),
            SATURDAY,
            SATURDAY + HOUR * 4,
            False,
        ),
        ("a school, on Sunday", weekly(*OFFICE, events=4), SATURDAY, SATURDAY + HOUR * 20, False),
        ("a school, on Monday at noon", weekly(*OFFICE, events=4), SATURDAY, SATURDAY + HOUR * 38, True),
        (
            "a nightly batch that is ten minutes late",
            weekly(SATURDAY, events=500),
            SATURDAY - HOUR * 23,
            SATURDAY + timedelta(minutes=10),
            False,
        ),
        ("never heard, a day after it was registered", {}, None, LONG_AGO + timedelta(days=1), True),
        ("never heard, an hour after it was registered", {}, None, LONG_AGO + HOUR, False),
        ("a feed of which nothing usual is known", {}, SATURDAY, SATURDAY + HOUR * 72, False),
    ],
)
def test_a_feed_is_silent_when_it_says_nothing_in_hours_in_which_it_usually_speaks(
    about: str, hours: dict[datetime, int], last: datetime | None, at: datetime, silent: bool
) -> None:
    because = reason(hours, added=LONG_AGO, last=last, at=at)

    assert bool(because) is silent, about


def test_what_is_usual_goes_by_londons_clock_when_the_clocks_change() -> None:
    # On 25 October 2026 the clocks went back: nine o'clock in London was 08:00 UTC, and is 09:00 UTC since.
    nine = datetime(2026, 10, 26, 9, 0, tzinfo=UTC)
    hours = {datetime(2026, 10, day, 8, 0, tzinfo=UTC): 3 for day in (5, 12, 19)} | {
        datetime(2026, 9, 28, 8, 0, tzinfo=UTC): 3
    }

    assert missed(hours, added=LONG_AGO, last=nine - HOUR, at=nine) == 0.0
    assert missed(hours, added=LONG_AGO, last=nine, at=nine + HOUR) == 3.0


@given(st.integers(0, 24 * 14), st.integers(0, 24 * 14))
def test_the_longer_a_silence_the_more_has_been_missed(shorter: int, longer: int) -> None:
    first, second = sorted((shorter, longer))
    hours = weekly(*EVENING, *OFFICE, events=2)

    def after(ticks: int) -> float:
        return missed(hours, added=LONG_AGO, last=SATURDAY, at=SATURDAY + timedelta(minutes=30) * ticks)

    assert 0.0 <= after(first) <= after(second)


async def test_two_doors_that_hear_a_feed_in_the_same_hour_both_count(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await _register(connection)
        await feeds.note(connection, [Heard("met", SATURDAY, accepted=2, late_seconds=10.0)])
        await feeds.note(connection, [Heard("met", SATURDAY, accepted=3, refused=1, unusable=4, late_seconds=5.0)])

        health = await feeds.health(connection, SATURDAY + HOUR)

    assert health["met"] == feeds.Health("met", accepted=5, refused=1, unusable=4, late_seconds=3.0)


async def test_a_feed_whose_keys_have_ended_is_not_called_silent(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await _register(connection)
        before = [one.agency for one in await feeds.silent(connection, SATURDAY)]
        await agencies.revoke(connection, "met", at=SATURDAY - HOUR, who="test")

        after = await feeds.silent(connection, SATURDAY)

    assert before == ["met"]
    assert after == []


async def test_hours_are_forgotten_after_nine_weeks(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await _register(connection)
        await feeds.note(connection, [Heard("met", SATURDAY, accepted=1)])

        await feeds.forget(connection, SATURDAY + timedelta(weeks=10))

        assert await feeds.health(connection, SATURDAY + HOUR) == {}


def test_the_tally_counts_by_feed_and_hour_and_gives_back_what_could_not_be_written() -> None:
    tally = Tally(Metrics.build(CollectorRegistry()))
    typo = WATCHED.model_copy(update={"nhs_number": "9990000019"})
    tally.accepted("met", [envelope(), envelope(arrest(typo))])
    tally.refused("met", envelope().received_at)
    tally.refused("unknown", envelope().received_at)

    heard = tally.take()
    assert tally.take() == []
    tally.put_back(heard)
    tally.accepted("met", [envelope()])

    (one,) = tally.take()
    assert (one.agency, one.accepted, one.refused, one.unusable) == ("met", 3, 1, 1)
    assert one.hour.minute == 0


async def test_a_live_house_refuses_an_agency_without_an_agreement_in_force_and_a_rehearsal_does_not(
    database_url: str,
) -> None:
    agreement = Agreement("ISA/2026-7", SATURDAY.date(), SATURDAY.date() + timedelta(days=9))
    async with engine(database_url) as made, made.begin() as connection:
        await _register(connection)

        async def agreed(mode: Mode, at: datetime = SATURDAY) -> bool:
            (key,) = await agencies.keys_in_force(connection, at=at, mode=mode)
            return key.agency.agreed

        assert await agreed(Mode.REHEARSAL)
        assert not await agreed(Mode.LIVE)
        await agreements.agree(connection, "met", agreement, at=SATURDAY, who="test")
        assert await agreed(Mode.LIVE)
        assert await agreed(Mode.LIVE, SATURDAY + timedelta(days=9))
        assert not await agreed(Mode.LIVE, SATURDAY + timedelta(days=10))


@pytest.mark.parametrize(
    ("agreement", "says"),
    [
        (Agreement("", date(2026, 1, 1), date(2027, 1, 1)), "id is letters"),
        (Agreement("a b", date(2026, 1, 1), date(2027, 1, 1)), "id is letters"),
        (Agreement("ISA-1", date(2026, 1, 1), date(2026, 11, 20)), "must end today or later"),
        (Agreement("ISA-1", date(2027, 1, 2), date(2027, 1, 1)), "must end today or later"),
    ],
)
async def test_an_agreement_that_cannot_be_in_force_is_refused(
    database_url: str, agreement: Agreement, says: str
) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await _register(connection)

        with pytest.raises(AgencyRefused, match=says):
            await agreements.agree(connection, "met", agreement, at=SATURDAY, who="test")


async def test_an_agreement_that_begins_later_does_not_end_the_one_in_force(database_url: str) -> None:
    day = SATURDAY.date()
    first, later = (
        Agreement("ISA-1", day, day + timedelta(days=9)),
        Agreement("ISA-2", day + timedelta(days=10), date(2027, 11, 1)),
    )
    async with engine(database_url) as made, made.begin() as connection:
        await _register(connection)
        await agreements.agree(connection, "met", later, at=SATURDAY, who="test")  # nothing is in force yet
        await agreements.agree(connection, "met", first, at=SATURDAY, who="test")

        with pytest.raises(AgencyRefused, match="until 30 Nov 2026"):
            await agreements.agree(connection, "met", later, at=SATURDAY, who="test")

        await agreements.agree(connection, "met", later, at=SATURDAY + timedelta(days=10), who="test")


@pytest.mark.parametrize(
    ("agreement", "shown"),
    [
        (None, "no agreement"),
        (Agreement("ISA-1", date(2026, 1, 1), date(2026, 11, 21)), "21 Nov 2026"),
        (Agreement("ISA-1", date(2026, 11, 22), date(2027, 1, 1)), "from 22 Nov 2026"),
        (Agreement("ISA-1", date(2026, 1, 1), date(2026, 11, 20)), "ended 20 Nov 2026"),
    ],
)
def test_the_list_says_of_an_agreement_whether_it_is_in_force(agreement: Agreement | None, shown: str) -> None:
    assert agreed_until(agreement, SATURDAY.date()) == shown


async def test_without_an_agreement_the_door_says_so_and_keeps_nothing() -> None:
    gateway = Gateway()
    unagreed = type(MET)(MET.name, MET.sources, MET.types, MET.authorities, agreed=False)
    key = "nl_" + "d4" * 20
    gateway.doorkeeper.know([key_of(key, unagreed)])

    answer = await gateway.send(cloud_event("nightlight.heartbeat.v1"), key=key)

    assert answer.status_code == 403
    assert answer.json()["type"].endswith(Reason.NOT_AGREED)
    assert gateway.shelf.kept == []


async def _register(connection: AsyncConnection) -> None:
    await agencies.add(
        connection, "met", types=["arrest"], authorities=["*"], at=SATURDAY - timedelta(days=2), who="test"
    )
