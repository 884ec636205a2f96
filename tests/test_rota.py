"""Who is on call, minute by minute, through both clock changes of the year, and where a page would find nobody."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.london import LONDON
from schemas.pages import Role
from schemas.settings import Mode
from store import people, responders, rotas
from store.csvs import BadFile, Refused
from tests.store_cast import BACKUP, DUTY, MANAGER, NOON, PHONES, TEAM, engine

PEOPLE = "person,name,mobile,email,teams\n"
ROTA = "team,person,role,starts,ends\n"
POLICY = "team,step,role,channels,wait_seconds\n"

AUTUMN = datetime(2026, 10, 24, 19, 0, tzinfo=UTC)  # 20:00 in London, the clocks go back in this night
SPRING = datetime(2027, 3, 27, 20, 0, tzinfo=UTC)  # 20:00 in London, the clocks go forward


async def know(connection: AsyncConnection, *, teams: str = TEAM) -> None:
    lines = "".join(f"{person},{person.title()},{PHONES[person]},,{teams}\n" for person in PHONES)
    entries = responders.read((PEOPLE + lines).encode(), mode=Mode.REHEARSAL)
    await responders.apply(connection, entries, at=NOON, who="test")


async def plan(connection: AsyncConnection, text: str) -> None:
    await rotas.apply(connection, rotas.read((ROTA + text).encode()), at=NOON, who="test")


def wrong(error: pytest.ExceptionInfo[BadFile]) -> list[tuple[int, str | None]]:
    return [(problem.line, problem.column) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-21 17:00", "2026-11-21T17:00+00:00"),
        ("2026-11-21T17:00", "2026-11-21T17:00+00:00"),
        ("2026-07-01 17:00", "2026-07-01T16:00+00:00"),
        ("2026-07-01 17:00:30", "2026-07-01T16:00:30+00:00"),
        ("2026-07-01T17:00Z", "2026-07-01T17:00+00:00"),
        ("2026-10-25 00:59", "2026-10-24T23:59+00:00"),
        ("2026-10-25 01:30", "2026-10-25T00:30+00:00"),  # twice that night: the first is meant
        ("2026-10-25 01:30+01:00", "2026-10-25T00:30+00:00"),
        ("2026-10-25 01:30+00:00", "2026-10-25T01:30+00:00"),
        ("2026-10-25 02:00", "2026-10-25T02:00+00:00"),
        ("2027-03-28 00:59", "2027-03-28T00:59+00:00"),
        ("2027-03-28 02:00", "2027-03-28T01:00+00:00"),
    ],
)
def test_a_time_is_london_s_wall_time(written: str, meant: str) -> None:
    assert rotas.wall_time(written) == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    "written",
    ["", "17:00", "2026-11-21", "21/11/2026 17:00", "2026-02-30 17:00", "2026-11-21 24:01", "2026-11-21 5pm", "soon"],
)
def test_a_time_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(Refused):
        rotas.wall_time(written)


@pytest.mark.parametrize("written", ["2027-03-28 01:00", "2027-03-28 01:30", "2027-03-28 01:59:59"])
def test_a_time_that_the_clocks_skip_is_refused_and_not_moved(written: str) -> None:
    with pytest.raises(Refused, match="does not exist"):
        rotas.wall_time(written)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone
def test_what_the_clock_on_the_wall_shows_with_its_offset_is_that_instant(instant: datetime) -> None:
    instant = instant.replace(microsecond=0)

    assert rotas.wall_time(instant.astimezone(LONDON).isoformat()) == instant


@pytest.mark.parametrize(("night", "hours"), [("2026-10-24", 13), ("2027-03-27", 11), ("2026-11-21", 12)])
def test_a_night_is_as_long_as_it_is(night: str, hours: int) -> None:
    morning = (datetime.fromisoformat(night) + timedelta(days=1)).date()

    (shift,) = rotas.read(f"{ROTA}{TEAM},{DUTY},primary,{night} 20:00,{morning} 08:00\n".encode())

    assert shift.ends - shift.starts == timedelta(hours=hours)


def walls(first: datetime) -> Iterator[tuple[str, str, str]]:
    """Three nights and the days between, in shifts that change hands at 20:00, at 01:00 in the night, and at 08:00."""
    for day in range(-1, 3):
        date = (first + timedelta(days=day)).date()
        after = (first + timedelta(days=day + 1)).date()
        yield DUTY, f"{date} 20:00", f"{after} 00:30"
        yield BACKUP, f"{after} 00:30", f"{after} 02:30"
        yield MANAGER, f"{after} 02:30", f"{after} 20:00"


def expected(at: datetime) -> str:
    """The same rota told the other way round: from the clock on the wall."""
    wall = at.astimezone(LONDON)
    minutes = wall.hour * 60 + wall.minute
    if minutes < 30 or minutes >= 20 * 60:
        return DUTY
    return BACKUP if minutes < 2 * 60 + 30 else MANAGER


@pytest.mark.parametrize("start", [AUTUMN, SPRING], ids=["back", "forward"])
async def test_in_every_minute_around_a_clock_change_the_right_person_is_on_call(
    database_url: str, start: datetime
) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await know(connection)
        await plan(connection, "".join(f"{TEAM},{who},primary,{a},{b}\n" for who, a, b in walls(start)))

        found = {}
        for minute in range(26 * 60):
            at = start + timedelta(minutes=minute)
            found[at] = [who.person for who in await people.on_call(connection, TEAM, Role.PRIMARY, at)]
    assert found == {at: [expected(at)] for at in found}


async def test_a_shift_includes_its_start_and_not_its_end(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await know(connection)
        await plan(connection, f"{TEAM},{DUTY},primary,2026-11-21 17:00,2026-11-21 18:00\n")

        at = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
        found = [
            bool(await people.on_call(connection, TEAM, Role.PRIMARY, at + timedelta(microseconds=offset)))
            for offset in (-1, 0, 3_600_000_000 - 1, 3_600_000_000)
        ]
    assert found == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f"{TEAM},{DUTY},primary,2026-11-21 17:00,2026-11-21 17:00\n", [(2, "ends")]),
        (f"{TEAM},{DUTY},boss,2026-11-21 17:00,2026-11-21 18:00\n", [(2, "role")]),
        (f"{TEAM},{DUTY},primary,2027-03-28 01:30,2027-03-28 08:00\n", [(2, "starts")]),
        (",,primary,2026-11-21 17:00,2026-11-21 18:00\n", [(2, "team"), (2, "person")]),
    ],
)
def test_a_bad_shift_is_named_by_line_and_column(text: str, where: list[tuple[int, str]]) -> None:
    with pytest.raises(BadFile) as refused:
        rotas.read((ROTA + text).encode())

    assert wrong(refused) == where


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f"{TEAM},zoe,primary,2026-11-21 17:00,2026-11-21 18:00\n", [(2, "person")]),
        (f"Camden,{DUTY},primary,2026-11-21 17:00,2026-11-21 18:00\n", [(2, "team")]),
    ],
)
async def test_a_shift_is_for_somebody_known_and_of_that_team(
    database_url: str, text: str, where: list[tuple[int, str]]
) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await know(connection)

        with pytest.raises(BadFile) as refused:
            await plan(connection, text)
    assert wrong(refused) == where


async def test_a_new_rota_replaces_its_own_teams_in_its_own_time_and_nothing_else(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await know(connection, teams=f"{TEAM};Camden")
        await plan(
            connection,
            f"{TEAM},{DUTY},primary,2026-11-21 08:00,2026-11-21 20:00\n"
            f"{TEAM},{DUTY},primary,2026-11-21 20:00,2026-11-22 08:00\n"
            f"Camden,{DUTY},primary,2026-11-21 08:00,2026-11-22 08:00\n",
        )

        await plan(connection, f"{TEAM},{BACKUP},primary,2026-11-21 17:00,2026-11-21 22:00\n")

        day = datetime(2026, 11, 21, tzinfo=UTC)
        shown = await rotas.show(connection, day, day + timedelta(days=2))
    assert [(s.team, s.person, f"{s.starts:%H}-{s.ends:%H}") for s in shown] == [
        ("Camden", DUTY, "08-08"),
        (TEAM, DUTY, "08-17"),
        (TEAM, BACKUP, "17-22"),
        (TEAM, DUTY, "22-08"),
    ]
