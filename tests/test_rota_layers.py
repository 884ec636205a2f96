"""An override goes before a cover, and a cover before the rota: in every minute, through every import, and back again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.london import LONDON
from schemas.pages import Role
from store import audit, cover, duties, layers, people, rotas
from store.cover import CannotChange
from store.layers import Change, Duty, Layer, lay_over
from tests.store_cast import BACKUP, DUTY, MANAGER, NOON, TEAM, engine, rows
from tests.test_rota import know, plan

HOUR = timedelta(hours=1)
ROLES = st.sampled_from([Role.PRIMARY, Role.BACKUP])
PEOPLE = st.sampled_from([DUTY, BACKUP, MANAGER])
TIMES = st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda pair: pair[0] < pair[1])


def during(pair: tuple[int, int]) -> tuple[datetime, datetime]:
    return NOON + pair[0] * HOUR, NOON + pair[1] * HOUR


DUTIES = st.builds(lambda person, role, pair: Duty(person, role, *during(pair)), PEOPLE, ROLES, TIMES)
OVERRIDES = st.builds(
    lambda person, role, pair: Change(Layer.OVERRIDE, person, *during(pair), role), PEOPLE, ROLES, TIMES
)
EXCHANGES = st.builds(
    lambda layer, pair, role, who: Change(layer, who[0], *during(pair), role, who[1]),
    st.sampled_from([Layer.COVER, Layer.SWAP]),
    TIMES,
    st.none() | ROLES,
    st.tuples(PEOPLE, PEOPLE).filter(lambda two: two[0] != two[1]),
)


def at_one_instant(rota: list[Duty], made: list[Change], at: datetime) -> set[tuple[str, Role]]:
    """The same rule told the other way round: who is on call at this instant, one change after the other."""
    now = {(duty.person, duty.role) for duty in rota if duty.starts <= at < duty.ends}
    here = [change for change in made if change.starts <= at < change.ends]
    for change in (one for one in here if one.layer is not Layer.OVERRIDE):
        taken = {change.instead_of: change.person}
        if change.layer is Layer.SWAP:
            taken[change.person] = change.instead_of or ""
        now = {(taken.get(who, who) if change.role in (None, role) else who, role) for who, role in now}
    for change in (one for one in here if one.layer is Layer.OVERRIDE):
        now = {(who, role) for who, role in now if role is not change.role} | {
            (change.person, change.role or Role.PRIMARY)
        }
    return now


@given(st.lists(DUTIES, max_size=6), st.lists(OVERRIDES | EXCHANGES, max_size=5))
def test_in_every_hour_the_layers_come_to_who_the_rule_says(rota: list[Duty], made: list[Change]) -> None:
    worked_out = lay_over(rota, made)

    for hour in range(25):
        at = NOON + hour * HOUR
        found = [(duty.person, duty.role) for duty in worked_out if duty.starts <= at < duty.ends]
        assert len(found) == len(set(found))
        assert set(found) == at_one_instant(rota, made, at)
    assert all(duty.starts < duty.ends for duty in worked_out)


@given(st.lists(DUTIES, max_size=8))
def test_nobody_comes_on_call_who_is_on_call_already(rota: list[Duty]) -> None:
    merged = layers.merge(rota)

    for one in merged:
        assert not any(
            one is not two and (one.person, one.role) == (two.person, two.role) and two.starts <= one.starts <= two.ends
            for two in merged
        )


async def on_call(connection: AsyncConnection, at: datetime, role: Role = Role.PRIMARY) -> list[str]:
    return [who.person for who in await people.on_call(connection, TEAM, role, at)]


DAY = (
    f"{TEAM},{DUTY},primary,2026-11-21 08:00,2026-11-21 20:00\n"
    f"{TEAM},{BACKUP},backup,2026-11-21 08:00,2026-11-21 20:00\n"
    f"{TEAM},{MANAGER},primary,2026-11-21 20:00,2026-11-22 08:00\n"
)


def change(
    layer: Layer, person: str, hours: tuple[int, int], *, of: str | None = None, role: Role | None = None
) -> Change:
    return Change(layer, person, NOON + hours[0] * HOUR, NOON + hours[1] * HOUR, role, of)


async def test_cover_swap_and_override_stand_through_a_new_rota_and_can_be_undone(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await know(connection)
        await plan(connection, DAY)
        first = await cover.make(connection, TEAM, change(Layer.COVER, MANAGER, (1, 3), of=DUTY), at=NOON, who="test")
        await cover.make(connection, TEAM, change(Layer.SWAP, DUTY, (4, 5), of=BACKUP), at=NOON, who="test")
        over = change(Layer.OVERRIDE, BACKUP, (2, 5), role=Role.PRIMARY)
        await cover.make(connection, TEAM, over, at=NOON, who="test")

        hours = [0, 1, 2, 4, 5]
        stood = [await on_call(connection, NOON + hour * HOUR) for hour in hours]
        await plan(connection, DAY)
        still = [await on_call(connection, NOON + hour * HOUR) for hour in hours]
        backups = await on_call(connection, NOON + 4 * HOUR, Role.BACKUP)
        for standing in await cover.listing(connection, at=NOON):
            await cover.undo(connection, standing.number, at=NOON, who="test")
        back = [await on_call(connection, NOON + hour * HOUR) for hour in hours]
        what = [row.what for row in await rows(connection, audit.audit, "entry", "what")]
    assert stood == still == [[DUTY], [MANAGER], [BACKUP], [BACKUP], [DUTY]]
    assert backups == [DUTY]
    assert back == [[DUTY]] * 5
    assert first.now == (Duty(MANAGER, Role.PRIMARY, NOON + HOUR, NOON + 3 * HOUR),)
    assert what.count("rota-changed") == what.count("rota-change-undone") == 3


async def test_whoever_covers_somebody_who_covers_takes_that_as_well(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await know(connection)
        await plan(connection, DAY)
        await cover.make(connection, TEAM, change(Layer.COVER, BACKUP, (1, 3), of=DUTY), at=NOON, who="test")
        await cover.make(connection, TEAM, change(Layer.COVER, MANAGER, (2, 3), of=BACKUP), at=NOON, who="test")

        found = [await on_call(connection, NOON + hour * HOUR) for hour in range(4)]
    assert found == [[DUTY], [BACKUP], [MANAGER], [DUTY]]


async def test_whoever_takes_over_now_is_told_now_and_whoever_takes_over_tomorrow_is_not(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await know(connection)
        await plan(connection, DAY)
        await cover.make(
            connection, TEAM, change(Layer.COVER, MANAGER, (0, 1), of=DUTY), at=NOON + HOUR / 2, who="test"
        )
        await cover.make(connection, TEAM, change(Layer.COVER, BACKUP, (4, 5), of=DUTY), at=NOON + HOUR / 2, who="test")

        told = [row.person for row in await rows(connection, duties.duties, "person")]
    assert told == [MANAGER]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (change(Layer.COVER, MANAGER, (1, 3), of="zoe"), "no responder zoe"),
        (change(Layer.COVER, MANAGER, (-3, -1), of=DUTY), "over before"),
        (change(Layer.COVER, MANAGER, (3, 1), of=DUTY), "over before"),
        (change(Layer.COVER, DUTY, (1, 3), of=DUTY), "same person"),
        (change(Layer.COVER, DUTY, (1, 3), of=MANAGER), "mina is not on call for Islington in that time"),
        (change(Layer.COVER, MANAGER, (1, 3), of=DUTY, role=Role.BACKUP), "not on call for Islington as backup"),
        (change(Layer.SWAP, MANAGER, (1, 3), of=DUTY), "mina is not on call"),
    ],
)
async def test_a_change_that_cannot_be_meant_is_refused_with_what_to_do(
    database_url: str, wanted: Change, says: str
) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await know(connection)
        await plan(connection, DAY)

        with pytest.raises(CannotChange, match=says):
            await cover.make(connection, TEAM, wanted, at=NOON, who="test")


async def test_somebody_of_another_team_covers_nobody(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await know(connection, teams="Camden")

        with pytest.raises(CannotChange, match="is not of the team Islington"):
            await cover.make(
                connection, TEAM, change(Layer.OVERRIDE, DUTY, (1, 3), role=Role.PRIMARY), at=NOON, who="test"
            )


@pytest.mark.parametrize("night", [datetime(2026, 10, 25, tzinfo=LONDON), datetime(2027, 3, 28, tzinfo=LONDON)])
async def test_a_cover_through_a_clock_change_ends_when_the_clock_on_the_wall_says_so(
    database_url: str, night: datetime
) -> None:
    evening = night - timedelta(days=1)
    async with engine(database_url) as made, made.begin() as connection:
        await know(connection)
        await plan(connection, f"{TEAM},{DUTY},primary,{evening:%Y-%m-%d} 08:00,{night:%Y-%m-%d} 20:00\n")
        starts, ends = rotas.wall_time(f"{evening:%Y-%m-%d} 22:00"), rotas.wall_time(f"{night:%Y-%m-%d} 06:00")
        await cover.make(connection, TEAM, Change(Layer.COVER, BACKUP, starts, ends, None, DUTY), at=starts, who="test")

        wrong = []
        for minutes in range(0, 14 * 60, 15):
            at = evening.replace(hour=18).astimezone(UTC) + timedelta(minutes=minutes)
            wall = at.astimezone(LONDON)
            expected = BACKUP if wall.hour >= 22 or wall.hour < 6 else DUTY
            if await on_call(connection, at) != [expected]:
                wrong.append(wall)
    assert wrong == []
