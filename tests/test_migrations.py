"""What a migration makes is what the code says: tables, states, grants; and it may be repeated, also at the same time."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, insert, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import NEXT_STATES, AttemptState, PageState
from store import migrations
from store.migrations.tables import script
from store.moments import moments
from store.opening import open_or_join
from store.pages import attempts, pages
from store.people import responders
from store.schema import TABLES
from tests.servers import libpq, swap_database
from tests.store_cast import DUTY, NOON, SEALER, engine, found, house


@pytest.fixture
def empty_url(postgres_url: str, unique: str) -> Iterator[str]:
    """A database without a table."""
    with psycopg.connect(libpq(postgres_url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {unique}".encode())
        yield swap_database(postgres_url, unique)
        connection.execute(f"DROP DATABASE {unique} WITH (FORCE)".encode())


def differences(url: str) -> list[Any]:
    made = create_engine(url)
    with made.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), TABLES)
    made.dispose()
    return [each for each in found if each[0] != "remove_table" or each[1].name != "alembic_version"]


def test_the_migrated_tables_are_the_tables_of_the_code(database_url: str) -> None:
    assert differences(database_url) == []


def test_a_difference_would_be_seen(database_url: str) -> None:
    with psycopg.connect(libpq(database_url), autocommit=True) as connection:
        connection.execute("ALTER TABLE moments DROP COLUMN left_at")

    assert [each[0] for each in differences(database_url)] == ["add_column"]


def test_every_check_of_the_code_is_in_the_database(database_url: str) -> None:
    query = "SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
    with psycopg.connect(libpq(database_url)) as connection:
        there = {name for (name,) in connection.execute(query)}

    checks = {line.split()[1] for line in script().splitlines() if line.strip().startswith("CONSTRAINT ck_")}
    assert checks <= there
    assert checks


def test_a_migration_may_be_repeated(empty_url: str) -> None:
    migrations.upgrade(empty_url)

    migrations.upgrade(empty_url)

    assert differences(empty_url) == []


def test_two_migrations_at_once_make_one_house(empty_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(_upgrade_in_a_process, empty_url) for _ in range(2)]:
            assert done.result() == 0

    assert differences(empty_url) == []


def _upgrade_in_a_process(url: str) -> int:
    program = "import sys; from store.migrations import upgrade; upgrade(sys.argv[1])"
    return subprocess.run([sys.executable, "-c", program, url], check=False, timeout=60).returncode


async def test_the_application_owns_nothing_and_is_no_superuser(database_url: str) -> None:
    async with engine(database_url) as made, made.connect() as connection:
        owned = await connection.scalar(
            text("SELECT count(*) FROM pg_class JOIN pg_roles ON relowner = pg_roles.oid WHERE rolname = current_user")
        )
        role = (
            await connection.execute(text("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"))
        ).one()
        definers = await connection.scalar(
            text("SELECT count(*) FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace")
        )
    assert (owned, tuple(role), definers) == (0, (False, False), 0)


@pytest.mark.parametrize(
    "statement", ["UPDATE alembic_version SET version_num = 'x'", "DROP TABLE links", "CREATE TABLE x ()"]
)
async def test_the_application_cannot_change_the_house(database_url: str, statement: str) -> None:
    async with engine(database_url) as made, made.connect() as connection:
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
            await connection.execute(text(statement))


@pytest.mark.parametrize(("setting", "value"), [("statement_timeout", "5s"), ("lock_timeout", "2s")])
async def test_no_statement_may_hold_everybody_up(database_url: str, setting: str, value: str) -> None:
    async with engine(database_url) as made, made.connect() as connection:
        assert await connection.scalar(text(f"SHOW {setting}")) == value


PAGE_IN: dict[PageState, dict[str, Any]] = {
    PageState.OPEN: {"next_step_at": NOON, "reopened_at": NOON},
    PageState.ACCEPTED: {"accepted_at": NOON, "accepted_by": DUTY, "contact_due_at": NOON},
    PageState.CONTACT: {"accepted_at": NOON, "accepted_by": DUTY, "contact_at": NOON},
    PageState.CLOSED: {"ended_at": NOON},
    PageState.WITHDRAWN: {"ended_at": NOON},
    PageState.EXPIRED: {"ended_at": NOON},
}
"""What a page in each state must have; the rest is empty."""

PAGE_EMPTY: dict[str, Any] = dict.fromkeys(
    ("next_step_at", "accepted_at", "accepted_by", "contact_at", "contact_due_at", "reopened_at", "ended_at")
)


async def test_a_page_goes_where_the_table_of_states_says_and_nowhere_else(database_url: str) -> None:
    async with house(database_url) as made, made.begin() as connection:
        page = await _a_page(connection)
        moved = {}
        for old, new in product(PageState, PageState):
            moved[old, new] = await _moves(connection, pages, pages.c.page == page, PAGE_EMPTY, PAGE_IN, old, new)
    assert moved == {(old, new): new == old or new in NEXT_STATES[old] for old, new in moved}


async def test_an_acceptance_is_not_taken_away_without_the_time_at_which_it_was(database_url: str) -> None:
    slip = {**PAGE_IN, PageState.OPEN: {"next_step_at": NOON}}
    async with house(database_url) as made, made.begin() as connection:
        which = pages.c.page == await _a_page(connection)

        moved = [
            await _moves(connection, pages, which, PAGE_EMPTY, slip, old, PageState.OPEN)
            for old in (PageState.ACCEPTED, PageState.CONTACT)
        ]
    assert moved == [False, False]


ATTEMPT_IN: dict[AttemptState, dict[str, Any]] = {
    AttemptState.PENDING: {},
    AttemptState.SENDING: {"deadline_at": NOON},
    AttemptState.SENT: {"sent_at": NOON, "provider_id": "SM1"},
    AttemptState.DELIVERED: {"sent_at": NOON, "provider_id": "SM1", "delivered_at": NOON},
    AttemptState.FAILED: {"settled_at": NOON},
    AttemptState.UNDELIVERED: {"settled_at": NOON},
    AttemptState.UNKNOWN: {"settled_at": NOON},
    AttemptState.DROPPED: {"settled_at": NOON},
}
ATTEMPT_EMPTY: dict[str, Any] = dict.fromkeys(("deadline_at", "sent_at", "provider_id", "delivered_at", "settled_at"))
FINAL = {AttemptState.DELIVERED, AttemptState.FAILED, AttemptState.UNDELIVERED, AttemptState.DROPPED}


async def test_an_attempt_never_moves_backwards(database_url: str) -> None:
    async with house(database_url) as made, made.begin() as connection:
        await _a_page(connection)
        everything = attempts.c.attempt.is_not(None)
        moved = {
            (old, new)
            for old, new in product(AttemptState, AttemptState)
            if old != new and await _moves(connection, attempts, everything, ATTEMPT_EMPTY, ATTEMPT_IN, old, new)
        }
    assert not {(old, new) for old, new in moved if old in FINAL or new is AttemptState.PENDING}
    assert not {(old, new) for old, new in moved if (new, old) in moved}
    reached = {new for _, new in moved} | {AttemptState.PENDING}
    assert reached == set(AttemptState)


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (pages, {"state": "asleep"}),
        (pages, {"next_step_at": None}),
        (pages, {"state": "accepted", "next_step_at": None}),
        (pages, {"state": "withdrawn", "next_step_at": None}),
        (pages, {"accepted_at": NOON}),
        (pages, {"reference": "O0I1"}),
        (pages, {"step": 0}),
        (attempts, {"state": "sending"}),
        (attempts, {"state": "failed"}),
        (attempts, {"channel": "pigeon"}),
        (attempts, {"page": None}),
        (moments, {"state": "closed"}),
        (moments, {"ended_at": NOON}),
        (moments, {"window_ends_at": NOON}),
        (responders, {"mobile": "07700900001"}),
    ],
)
async def test_a_row_that_breaks_a_rule_is_refused(database_url: str, table: Any, values: dict[str, Any]) -> None:
    async with house(database_url) as made, made.begin() as connection:
        await _a_page(connection)

        with pytest.raises(IntegrityError):
            await connection.execute(update(table).values(**values))
        await connection.rollback()


async def test_a_child_has_one_open_moment(database_url: str) -> None:
    async with house(database_url) as made, made.begin() as connection:
        await _a_page(connection)
        (row,) = (await connection.execute(moments.select())).mappings()

        with pytest.raises(IntegrityError, match="ux_moments_one_open_for_a_child"):
            await connection.execute(insert(moments).values(**{**row, "moment": "0" * 32}))
        await connection.rollback()


async def _a_page(connection: AsyncConnection) -> Any:
    await open_or_join(connection, SEALER, found("arrest"), at=NOON)
    return await connection.scalar(pages.select())


async def _moves(
    connection: AsyncConnection,
    table: Any,
    which: Any,
    empty: dict[str, Any],
    needs: dict[Any, Any],
    old: Any,
    new: Any,
) -> bool:
    """Whether the database lets this row go from one state to another. Nothing of it stays."""
    savepoint = await connection.begin_nested()
    try:
        # The trigger sees changes of the state alone, and a superuser's replica mode switches it off for the first one.
        await connection.execute(text("SET ROLE NONE"))
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(update(table).where(which).values({**empty, **needs[old], "state": old}))
        await connection.execute(text("SET LOCAL session_replication_role = origin"))
        await connection.execute(update(table).where(which).values({**empty, **needs[new], "state": new}))
    except DBAPIError as refused:
        if "does not go from" not in str(refused):
            raise
        return False
    else:
        return True
    finally:
        await savepoint.rollback()
