"""Who is on call, minute by minute, through both clock changes of the year, and where a page would find nobody."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.london import LONDON
from schemas.pages import DEFAULT_PLAN, Channel, Role, Step
from schemas.settings import Mode
from store import gaps, people, policies, responders, rotas
from store.csvs import BadFile, Refused
from tests.store_cast import AUTHORITY, BACKUP, DUTY, MANAGER, NOON, PHONES, TEAM, child, engine, rows, watch

PEOPLE = "person,name,mobile,email,teams\n"
ROTA = "team,person,role,starts,ends\n"
POLICY = "team,step,role,channels,wait_seconds\n"

AUTUMN = datetime(2026, 10, 24, 19, 0, tzinfo=UTC)  # 20:00 in London, the clocks go back in this night
SPRING = datetime(2027, 3, 27, 20, 0, tzinfo=UTC)  # 20:00 in London, the clocks go forward


def an_example_of(kind: int) -> str:
    """The number that the library shows in its own examples."""
    number = phonenumbers.example_number_for_type("GB", kind)
    assert number is not None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


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


@pytest.mark.parametrize(
    ("mode", "number", "taken"),
    [
        (Mode.REHEARSAL, "+447700900000", True),
        (Mode.REHEARSAL, "+44 7700 900999", True),
        (Mode.REHEARSAL, "+447700901000", False),
        (Mode.REHEARSAL, an_example_of(PhoneNumberType.MOBILE), False),
        (Mode.REHEARSAL, "07700900000", False),
        (Mode.REHEARSAL, "", False),
        (Mode.LIVE, an_example_of(PhoneNumberType.MOBILE), True),
        (Mode.LIVE, an_example_of(PhoneNumberType.FIXED_LINE), False),
        (Mode.LIVE, "+447700900000", False),
        (Mode.LIVE, "+44740012345", False),
        (Mode.LIVE, "+999123456789", False),
        (Mode.LIVE, "the red one", False),
    ],
)
def test_a_rehearsal_takes_phones_that_nobody_has_and_live_never_does(mode: Mode, number: str, taken: bool) -> None:
    data = f"{PEOPLE}dora,Dora,{number},,Islington\n".encode()
    if taken:
        assert len(responders.read(data, mode=mode)) == 1
        return

    with pytest.raises(BadFile) as refused:
        responders.read(data, mode=mode)
    assert wrong(refused) == [(2, "mobile")]
    assert not number or number not in str(refused.value)


def test_people_are_in_the_file_once_and_each_with_a_phone_of_their_own() -> None:
    one, two = PHONES[DUTY], PHONES[BACKUP]
    data = f"{PEOPLE}dora,Dora,{one},,\ndora,Dora,{two},,\nben,Ben,{one},nobody at home,\n".encode()

    with pytest.raises(BadFile) as refused:
        responders.read(data, mode=Mode.REHEARSAL)
    assert wrong(refused) == [(3, "person"), (4, "email")]


async def test_two_people_may_swap_phones_and_a_new_phone_starts_afresh(database_url: str) -> None:
    async with engine(database_url) as made:
        async with made.begin() as connection:
            await know(connection)
            await connection.execute(update(people.responders).values(stopped_at=NOON))
        swapped = f"{PEOPLE}dora,Dora,{PHONES[BACKUP]},,{TEAM}\nben,Ben,{PHONES[DUTY]},,{TEAM}\n".encode()

        async with made.begin() as connection:
            entries = responders.read(swapped, mode=Mode.REHEARSAL)
            await responders.apply(connection, entries, at=NOON, who="test")

        async with made.connect() as connection:
            dora = await people.find_by_mobile(connection, PHONES[BACKUP])
            stopped = {row.person for row in await rows(connection, people.responders) if row.stopped_at}
    assert dora is not None
    assert (dora.person, stopped) == (DUTY, {MANAGER})


async def test_the_phone_of_somebody_else_is_refused(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await know(connection)
        data = f"{PEOPLE}zoe,Zoe,{PHONES[DUTY]},,{TEAM}\n".encode()
        entries = responders.read(data, mode=Mode.REHEARSAL)

        with pytest.raises(BadFile) as refused:
            await responders.apply(connection, entries, at=NOON, who="test")
    assert wrong(refused) == [(2, "mobile")]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f"{TEAM},1,primary,sms,60\n{TEAM},3,backup,sms,60\n", [(3, "step")]),
        (f"{TEAM},2,primary,sms,60\n", [(2, "step")]),
        (f"{TEAM},1,primary,sms,60\n{TEAM},1,backup,sms,60\n", [(3, "step")]),
        (f"{TEAM},0,primary,sms,60\n", [(2, "step")]),
        (f"{TEAM},1,primary,pigeon,60\n", [(2, "channels")]),
        (f"{TEAM},1,primary,,60\n", [(2, "channels")]),
        (f"{TEAM},1,primary,sms,0\n", [(2, "wait_seconds")]),
        (f"{TEAM},1,primary,sms,nan\n", [(2, "wait_seconds")]),
        (f"{TEAM},1,primary,sms,86401\n", [(2, "wait_seconds")]),
    ],
)
def test_a_bad_policy_is_named_by_line_and_column(text: str, where: list[tuple[int, str]]) -> None:
    with pytest.raises(BadFile) as refused:
        policies.read((POLICY + text).encode())

    assert wrong(refused) == where


async def test_a_policy_is_a_team_s_plan_and_a_team_without_one_has_the_default(database_url: str) -> None:
    text = f"{TEAM},2,manager,voice;sms,30\n{TEAM},1,primary,sms,0.5\n"
    async with engine(database_url) as made, made.begin() as connection:
        await policies.apply(connection, policies.read((POLICY + text).encode()), at=NOON, who="test")

        mine = await people.plan_for(connection, TEAM)
        other = await people.plan_for(connection, "Camden")
    assert mine == (
        Step(step=1, role=Role.PRIMARY, channels=(Channel.SMS,), wait_seconds=0.5),
        Step(step=2, role=Role.MANAGER, channels=(Channel.VOICE, Channel.SMS), wait_seconds=30),
    )
    assert other == DEFAULT_PLAN


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

    found = list(gaps.gaps(covered, within))

    for hour in range(5, 30):
        at = NOON + timedelta(hours=hour)
        in_shift = any(starts <= at < ends for starts, ends in covered)
        assert in_shift != any(starts <= at < ends for starts, ends in found)
    assert all(starts < ends for starts, ends in found)
