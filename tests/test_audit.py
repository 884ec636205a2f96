"""The audit chain: what was written stays, and what was tampered with is named (DPA 2018 section 62)."""

import json
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from store import audit
from store.audit import BEGINNING, Entry, What, record, verify
from tests.servers import libpq
from tests.store_cast import NOON, engine, rows


async def write(connection: AsyncConnection, count: int) -> None:
    for number in range(1, count + 1):
        at = NOON + timedelta(hours=number)
        detail = {"via": "reply", "step": number, "weight": 21.5}
        await record(connection, What.PAGE_ACCEPTED, who="dora", about=f"page/{number}", at=at, detail=detail)


@pytest.fixture
async def chain(database_url: str) -> str:
    """A database with a chain of six entries."""
    async with engine(database_url) as made, made.begin() as connection:
        await write(connection, 6)
    return database_url


async def broken(url: str) -> str | None:
    async with engine(url) as made, made.connect() as connection:
        return await verify(connection)


def tamper(url: str, statement: str) -> None:
    """As somebody who owns the database, and has switched off the trigger that refuses."""
    with psycopg.connect(libpq(url), autocommit=True) as connection:
        connection.execute("ALTER TABLE audit DISABLE TRIGGER ALL")
        connection.execute("ALTER TABLE audit DROP CONSTRAINT uq_audit_hash, DROP CONSTRAINT pk_audit")
        connection.execute(statement)


async def test_an_untouched_chain_holds_and_an_empty_one_too(chain: str) -> None:
    assert await broken(chain) is None


async def test_an_empty_chain_holds(database_url: str) -> None:
    assert await broken(database_url) is None


@pytest.mark.parametrize(
    ("statement", "entry"),
    [
        ("UPDATE audit SET who = 'ben' WHERE entry = 3", 3),
        ("UPDATE audit SET at = at + interval '1 microsecond' WHERE entry = 3", 3),
        ("UPDATE audit SET about = 'page/9' WHERE entry = 1", 1),
        ("UPDATE audit SET what = 'page-passed' WHERE entry = 6", 6),
        ("""UPDATE audit SET detail = detail || '{"via": "desk"}' WHERE entry = 3""", 3),
        ("UPDATE audit SET detail = detail - 'via' WHERE entry = 3", 3),
        ("UPDATE audit SET hash = sha256('x') WHERE entry = 3", 3),
        ("UPDATE audit SET previous = sha256('x') WHERE entry = 3", 3),
        ("DELETE FROM audit WHERE entry = 1", 1),
        ("DELETE FROM audit WHERE entry = 3", 3),
        ("DELETE FROM audit WHERE entry BETWEEN 3 AND 5", 3),
        ("UPDATE audit SET entry = 7 - entry WHERE entry IN (3, 4)", 3),
        ("DELETE FROM audit WHERE entry = 3; UPDATE audit SET entry = entry - 1 WHERE entry > 3", 3),
        (
            """UPDATE audit SET entry = entry + 1 WHERE entry > 2;
            INSERT INTO audit SELECT 3, at, what, 'ben', about, detail, previous, hash FROM audit WHERE entry = 4""",
            3,
        ),
        ("INSERT INTO audit SELECT * FROM audit WHERE entry = 3", 3),
    ],
)
async def test_the_first_broken_link_is_named(chain: str, statement: str, entry: int) -> None:
    tamper(chain, statement)

    said = await broken(chain)

    assert said is not None
    assert str(entry) in said.split()


async def test_a_forged_entry_with_a_hash_of_its_own_breaks_the_next_link(chain: str) -> None:
    async with engine(chain) as made, made.connect() as connection:
        before, real = (await rows(connection, audit.audit))[1:3]
    forged = Entry(real.entry, real.at, real.what, "ben", real.about, real.detail).hash(bytes(before.hash))
    statement = f"UPDATE audit SET who = 'ben', hash = '\\x{forged.hex()}' WHERE entry = 3"  # noqa: S608 - hex alone
    tamper(chain, statement)

    assert await broken(chain) == "entry 4 does not follow entry 3: one of them was changed"


async def test_a_chain_longer_than_a_batch_is_checked_across_batches(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "BATCH", 4)
    async with engine(database_url) as made:
        async with made.begin() as connection:
            await write(connection, 9)
        whole = await broken(database_url)
        tamper(database_url, "DELETE FROM audit WHERE entry = 5")
    assert (whole, await broken(database_url)) == (None, "entry 5 is missing: the next one found is 6")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET who = 'ben'", "DELETE FROM audit", "TRUNCATE audit", "ALTER TABLE audit DISABLE TRIGGER ALL"],
)
async def test_the_application_cannot_change_the_chain(chain: str, statement: str) -> None:
    async with engine(chain) as made, made.connect() as connection:
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
            await connection.execute(text(statement))


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'ben'", "DELETE FROM audit", "TRUNCATE audit"])
def test_not_even_the_owner_changes_the_chain_by_accident(chain: str, statement: str) -> None:
    with psycopg.connect(libpq(chain)) as connection, pytest.raises(psycopg.Error, match="append-only"):
        connection.execute(statement.encode())


async def test_an_export_holds_the_entries_between_two_instants_and_can_be_checked(chain: str) -> None:
    async with engine(chain) as made, made.connect() as connection:
        start, end = NOON + timedelta(hours=2), NOON + timedelta(hours=5)
        exported = [json.loads(json.dumps(line)) async for line in audit.export(connection, start, end)]
    assert [line["entry"] for line in exported] == [2, 3, 4]
    assert exported[1]["previous"] == exported[0]["hash"]
    assert exported[0]["at"] == "2026-11-21T14:00:00+00:00"


DETAILS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    # PostgreSQL keeps no NUL in text, and half of a surrogate pair is no character.
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


async def test_whatever_a_detail_says_the_chain_holds_after_postgres_has_kept_it(database_url: str) -> None:
    details: list[object] = []

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(DETAILS)
    def collect(detail: object) -> None:
        details.append(detail)

    collect()
    async with engine(database_url) as made, made.begin() as connection:
        for detail in [*details, -0.0, 1e16, 1e22, 1e300, 5e-324, 1.0]:
            await record(connection, What.SIGNED_IN, who="dora", about="dora", at=NOON, detail={"said": detail})

        assert await verify(connection) is None


async def test_a_chain_begins_with_thirty_two_zero_bytes(chain: str) -> None:
    async with engine(chain) as made, made.connect() as connection:
        first = (await rows(connection, audit.audit))[0]
    assert (first.entry, bytes(first.previous)) == (1, BEGINNING)
