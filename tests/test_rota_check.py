"""Where a page would find nobody, and what else a manager should know of the next fortnight."""

from datetime import UTC, date, datetime, timedelta

import pytest
from dateutil.easter import easter
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from store import gaps, holes, holidays, people, policies
from tests.store_cast import AUTHORITY, BACKUP, DUTY, MANAGER, NOON, TEAM, child, engine, watch
from tests.test_rota import AUTUMN, POLICY, know, plan


async def test_every_gap_and_everybody_who_cannot_be_reached_is_named(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await know(connection)
        await watch(connection, child())
        await plan(
            connection,
            f"{TEAM},{DUTY},primary,2026-10-24 08:00,2026-10-25 01:30\n"
            f"{TEAM},{DUTY},primary,2026-10-25 03:00,2026-10-27 08:00\n"
            f"{TEAM},{BACKUP},backup,2026-10-24 08:00,2026-10-26 08:00\n"
            f"{TEAM},{MANAGER},backup,2026-10-25 08:00,2026-10-27 08:00\n",
        )
        stopped = people.responders.c.person == BACKUP
        await connection.execute(update(people.responders).where(stopped).values(stopped_at=NOON))

        said = await gaps.check(connection, AUTUMN, days=2)
    assert said == [
        f"{TEAM}: no primary on call from 2026-10-25 01:30 BST to 2026-10-25 03:00 GMT",
        f"{TEAM}: no manager on call from 2026-10-24 20:00 BST to 2026-10-26 19:00 GMT",
        f"{TEAM}: {BACKUP} cannot be reached by sms in step 2: their phone has opted out (STOP)",
    ]


async def test_somebody_without_an_address_cannot_be_reached_by_email_alone(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await know(connection)
        policy = policies.read(f"{POLICY}{TEAM},1,primary,email,60\n".encode())
        await policies.apply(connection, policy, at=NOON, who="test")
        await plan(connection, f"{TEAM},{DUTY},primary,2026-11-01 00:00,2026-12-31 00:00\n")

        said = await gaps.check(connection, NOON)
    assert said == [f"{TEAM}: {DUTY} cannot be reached by email in step 1: they have no email address"]


async def test_a_team_with_watched_children_and_nobody_at_all_is_all_gap(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await watch(connection, child(team="Camden", authority=AUTHORITY))

        said = await gaps.check(connection, NOON, days=1)
    assert [sentence.split(" on call")[0] for sentence in said] == [
        "Camden: no primary",
        "Camden: no backup",
        "Camden: no manager",
    ]


TIMES = st.integers(0, 40).map(lambda hours: NOON + timedelta(hours=hours))


@given(st.lists(st.tuples(TIMES, TIMES).filter(lambda pair: pair[0] < pair[1]), max_size=8))
def test_each_hour_is_in_a_gap_or_in_a_shift(covered: list[tuple[datetime, datetime]]) -> None:
    within = (NOON + timedelta(hours=5), NOON + timedelta(hours=30))

    found = list(holes.gaps(covered, within))

    for hour in range(5, 30):
        at = NOON + timedelta(hours=hour)
        in_shift = any(starts <= at < ends for starts, ends in covered)
        assert in_shift != any(starts <= at < ends for starts, ends in found)
    assert all(starts < ends for starts, ends in found)


@given(
    st.lists(st.tuples(TIMES, TIMES).filter(lambda pair: pair[0] < pair[1]), max_size=6),
    st.lists(st.tuples(TIMES, TIMES).filter(lambda pair: pair[0] < pair[1]), max_size=6),
)
def test_a_hole_is_made_where_somebody_was_or_between_two_shifts_and_else_it_is_left(
    before: list[tuple[datetime, datetime]], after: list[tuple[datetime, datetime]]
) -> None:
    within = (NOON, NOON + timedelta(hours=40))

    made, left = holes.judge(before, after, within)

    assert sorted([*made, *left]) == list(holes.gaps(after, within))
    for starts, ends in left:
        assert not any(one < ends and two > starts for one, two in before)
        assert starts == within[0] or ends == within[1]


async def test_what_works_and_may_be_a_mistake_is_a_note_and_no_problem(database_url: str) -> None:
    christmas = datetime(2026, 12, 20, 12, tzinfo=UTC)
    async with engine(database_url) as made, made.begin() as connection:
        await know(connection)
        policy = policies.read(f"{POLICY}{TEAM},1,primary,sms,60\n{TEAM},2,backup,sms,60\n".encode())
        await policies.apply(connection, policy, at=NOON, who="test")
        await plan(
            connection,
            f"{TEAM},{DUTY},primary,2026-12-01 08:00,2027-02-01 08:00\n"
            f"{TEAM},{BACKUP},primary,2026-12-21 08:00,2026-12-21 20:00\n"
            f"{TEAM},{DUTY},backup,2026-12-01 08:00,2027-02-01 08:00\n",
        )

        found = await gaps.survey(connection, christmas, days=10)
    start, end, morning, evening = (f"2026-12-{time} GMT" for time in ("20 12:00", "30 12:00", "21 08:00", "21 20:00"))
    assert found.problems == ()
    assert found.notes == (
        f"{TEAM}: {DUTY} is backup and primary from {start} to {end}: a step that goes on asks them again",
        f"{TEAM}: {DUTY} and {BACKUP} are both primary from {morning} to {evening}: both are told at once",
        f"{TEAM}: the last step of the policy, which repeats, asks the backup and not the manager",
        f"{TEAM}: Friday 25 December is a bank holiday (Christmas Day): ask {DUTY} whether they know",
        f"{TEAM}: Monday 28 December is a bank holiday (Boxing Day (substitute day)): ask {DUTY} whether they know",
    )


async def test_a_rota_beyond_the_years_of_the_holidays_says_so(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await watch(connection, child())

        found = await gaps.survey(connection, datetime(holidays.last_year(), 12, 29, tzinfo=UTC))
    assert any("are not known here" in note for note in found.notes)


def in_the_law(year: int) -> set[date]:
    """The Banking and Financial Dealings Act 1971 and the proclamations that move a day from a weekend, told as a rule."""

    def monday(month: int, first: int) -> date:
        return next(day for day in (date(year, month, first + more) for more in range(7)) if day.weekday() == 0)

    def weekday(day: date, taken: set[date]) -> date:
        while day.weekday() > 4 or day in taken:
            day += timedelta(days=1)
        return day

    christmas = weekday(date(year, 12, 25), {date(year, 12, 26)} if date(year, 12, 26).weekday() < 5 else set())
    boxing = weekday(date(year, 12, 26), {christmas})
    good_friday, easter_monday = easter(year) - timedelta(days=2), easter(year) + timedelta(days=1)
    bank = {monday(5, 1), monday(5, 25), monday(8, 25)}
    return {weekday(date(year, 1, 1), set()), good_friday, easter_monday, *bank, christmas, boxing}


@pytest.mark.parametrize("year", range(2026, holidays.last_year() + 1))
def test_the_bank_holidays_are_those_of_the_law(year: int) -> None:
    assert {day for day in holidays.known() if day.year == year} == in_the_law(year)
