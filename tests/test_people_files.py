"""The files of people and policies: who they are, whose phone is whose, and in what order a team is told."""

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType
from sqlalchemy import update

from schemas.pages import DEFAULT_PLAN, Channel, Role, Step
from schemas.settings import Mode
from store import people, policies, responders
from store.csvs import BadFile
from tests.store_cast import BACKUP, DUTY, MANAGER, NOON, PHONES, TEAM, engine, rows
from tests.test_rota import PEOPLE, POLICY, know, wrong


def an_example_of(kind: int) -> str:
    """The number that the library shows in its own examples."""
    number = phonenumbers.example_number_for_type("GB", kind)
    assert number is not None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


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
