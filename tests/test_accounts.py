"""Accounts: a password, a code that works once, and locks that grow."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pyotp
import pytest
from argon2 import extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY
from hypothesis import given
from hypothesis import strategies as st

from store import accounts, sessions
from store.accounts import Refusal, Verdict
from tests.desk_cast import PASSWORD, Desk, open_desk
from tests.watch import NIGHT


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    async with open_desk(database_url) as opened:
        await opened.give_account("ada")
        yield opened


async def account_of(desk: Desk, name: str) -> accounts.Account | None:
    async with desk.engine.connect() as connection:
        return await accounts.find(connection, desk.sealer, name)


@pytest.mark.parametrize("name", ["ada", " ada ", "07700 900100", "+44 7700 900-100", "0044 7700 900100"])
async def test_an_account_is_found_by_its_name_or_its_mobile_as_people_type_it(desk: Desk, name: str) -> None:
    found = await account_of(desk, name)

    assert found is not None
    assert found.person == "ada"


@pytest.mark.parametrize("name", ["", "bo", "Ada", "07700 900101", "a" * 1000])
async def test_others_are_not_found(desk: Desk, name: str) -> None:
    found = await account_of(desk, name)

    assert found is None


@pytest.mark.parametrize("minutes", [-0.5, 0, 0.5])
async def test_the_code_of_this_half_minute_and_its_neighbours_is_good(desk: Desk, minutes: float) -> None:
    code = pyotp.TOTP(desk.secrets["ada"]).at(NIGHT + timedelta(minutes=minutes))

    verdict = accounts.check(await account_of(desk, "ada"), PASSWORD, f" {code[:3]} {code[3:]}", at=NIGHT)

    assert verdict == Verdict(step=int((NIGHT + timedelta(minutes=minutes)).timestamp()) // 30)


@pytest.mark.parametrize("minutes", [-1, 1])
async def test_an_older_or_a_later_code_is_not(desk: Desk, minutes: float) -> None:
    code = pyotp.TOTP(desk.secrets["ada"]).at(NIGHT + timedelta(minutes=minutes))

    verdict = accounts.check(await account_of(desk, "ada"), PASSWORD, code, at=NIGHT)

    assert verdict.refusal is Refusal.CODE


async def test_a_code_works_once(desk: Desk) -> None:
    step = int(NIGHT.timestamp()) // 30

    async with desk.engine.begin() as connection:
        first = await accounts.let_in(connection, "ada", step, at=NIGHT)
        second = await accounts.let_in(connection, "ada", step, at=NIGHT)
        earlier = await accounts.let_in(connection, "ada", step - 1, at=NIGHT)
        later = await accounts.let_in(connection, "ada", step + 1, at=NIGHT)

    assert [bool(cookie) for cookie in (first, second, earlier, later)] == [True, False, False, True]


async def test_an_account_locks_after_five_failures_even_for_the_right_password(desk: Desk) -> None:
    account = await account_of(desk, "ada")
    async with desk.engine.begin() as connection:
        for _ in range(5):
            await accounts.refuse(connection, account, Refusal.PASSWORD, at=NIGHT)

    locked = await account_of(desk, "ada")
    code = desk.credentials("ada")["code"]

    assert accounts.check(locked, PASSWORD, code, at=NIGHT).refusal is Refusal.LOCKED
    assert accounts.check(locked, PASSWORD, code, at=NIGHT + timedelta(seconds=30)).refusal is None


async def test_trying_while_it_is_locked_does_not_prolong_the_lock(desk: Desk) -> None:
    account = await account_of(desk, "ada")
    async with desk.engine.begin() as connection:
        for why in [Refusal.PASSWORD] * 5 + [Refusal.LOCKED] * 20:
            await accounts.refuse(connection, account, why, at=NIGHT)

    locked = await account_of(desk, "ada")

    assert locked is not None
    assert locked.locked_until == NIGHT + timedelta(seconds=30)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0), (4, 0), (5, 30), (6, 60), (7, 120), (9, 480), (10, 900), (1000, 900)]
)
def test_a_lock_grows_to_a_quarter_of_an_hour_and_no_further(failures: int, seconds: int) -> None:
    locked = accounts.lock_for(failures)

    assert locked == timedelta(seconds=seconds)


async def test_an_account_made_anew_ends_what_was_before(desk: Desk) -> None:
    async with desk.engine.begin() as connection:
        cookie = await sessions.begin(connection, "ada", at=NIGHT)

    await desk.give_account("ada")

    async with desk.engine.connect() as connection:
        assert await sessions.find(connection, cookie, at=NIGHT) is None


async def test_nobody_gets_an_account_who_cannot_be_paged(desk: Desk) -> None:
    async with desk.engine.begin() as connection:
        with pytest.raises(accounts.NoSuchPerson, match="responders import"):
            await accounts.make(connection, desk.sealer, "zed", PASSWORD, at=NIGHT)


async def test_a_password_is_kept_as_strongly_as_rfc_9106_asks_and_nobodys_is_tried_as_long(desk: Desk) -> None:
    async with desk.engine.begin() as connection:
        await accounts.make(connection, desk.sealer, "bo", PASSWORD, at=NIGHT)

    made = await account_of(desk, "bo")

    assert made is not None
    assert extract_parameters(made.password) == RFC_9106_LOW_MEMORY
    assert extract_parameters(accounts.stand_in()) == RFC_9106_LOW_MEMORY
    assert accounts.check(made, PASSWORD, "", at=NIGHT).refusal is Refusal.CODE
    assert accounts.check(made, "another", "", at=NIGHT).refusal is Refusal.PASSWORD


async def test_a_session_lasts_a_shift_and_not_a_second_longer(desk: Desk) -> None:
    async with desk.engine.begin() as connection:
        cookie = await sessions.begin(connection, "ada", at=NIGHT)
        last = await sessions.find(connection, cookie, at=NIGHT + timedelta(hours=12, seconds=-1))
        over = await sessions.find(connection, cookie, at=NIGHT + timedelta(hours=12))

    assert last is not None
    assert over is None


async def test_neither_password_nor_code_nor_cookie_is_kept_in_the_clear(desk: Desk) -> None:
    async with desk.engine.begin() as connection:
        cookie = await sessions.begin(connection, "ada", at=NIGHT)

    kept = str(await desk.everything())

    assert PASSWORD not in kept
    assert desk.secrets["ada"] not in kept
    assert cookie not in kept


@given(st.text())
def test_whatever_is_typed_as_a_code_is_only_ever_refused(code: str) -> None:
    step = accounts._step_of(pyotp.random_base32(), code if len(code.strip()) != 6 else "x", NIGHT)

    assert step is None
