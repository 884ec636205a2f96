"""Agencies and their keys: made once, kept as digests, rotated with an overlap, revoked at once, and written down."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from connectors.doorkeeper import Doorkeeper
from connectors.problems import Reason, Refused
from schemas.metrics import Metrics
from store import agencies
from store.agencies import LASTS, OVERLAP, AgencyRefused
from store.audit import audit
from store.database import connect
from tests.servers import libpq

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = connect(database_url)
    yield engine
    await engine.dispose()


async def add(engine: AsyncEngine, name: str = "met-custody", at: datetime = NOON, **rights: list[str]) -> str:
    given = {"types": ["arrest"], "authorities": ["E09000019"], **rights}
    async with engine.begin() as connection:
        return await agencies.add(connection, name, **given, at=at, who="operator")


async def rotate(engine: AsyncEngine, at: datetime, *, now: bool = False) -> str:
    async with engine.begin() as connection:
        return await agencies.rotate(connection, "met-custody", at=at, who="operator", now=now)


async def revoke(engine: AsyncEngine, at: datetime) -> int:
    async with engine.begin() as connection:
        return await agencies.revoke(connection, "met-custody", at=at, who="operator")


async def good(engine: AsyncEngine, at: datetime) -> set[bytes]:
    """The digests in force."""
    async with engine.connect() as connection:
        return {key.digest for key in await agencies.keys_in_force(connection, at=at)}


async def test_a_key_has_128_bits_beyond_its_prefix_and_is_never_the_same(engine: AsyncEngine) -> None:
    keys = {await add(engine, f"agency-{number}") for number in range(5)}

    assert len(keys) == 5
    assert all(re.fullmatch("nl_[0-9a-f]{40}", key) for key in keys)


async def test_a_dump_of_the_database_holds_no_usable_key(engine: AsyncEngine, database_url: str) -> None:
    key = await add(engine)
    await rotate(engine, NOON)

    with psycopg.connect(libpq(database_url)) as connection:
        rows = [
            connection.execute(statement).fetchall()
            for statement in ("SELECT * FROM agencies", "SELECT * FROM agency_keys", "SELECT * FROM audit")
        ]

    assert key not in str(rows)
    assert key[len("nl_") + 8 :] not in str(rows)


async def test_an_agency_gets_what_follows_and_may_always_correct_itself(engine: AsyncEngine) -> None:
    await add(engine, types=["arrest", "nightlight.missing.v1"])

    async with engine.connect() as connection:
        (key,) = await agencies.keys_in_force(connection, at=NOON)

    assert {name.split(".")[1] for name in key.agency.types} == {
        *("arrest", "custody-release", "missing", "found", "identity-changed", "cancelled", "heartbeat")
    }


@pytest.mark.parametrize(
    ("source", "own"),
    [
        ("met-custody", True),
        ("/met-custody", True),
        ("urn:nightlight:met-custody", True),
        ("urn:nightlight:met-custody:suite-1", True),
        ("met-custody/suite-1", True),
        ("met-custody-2", False),
        ("met", False),
        ("urn:nightlight:met-custodyx", False),
        ("https://elsewhere/met-custody", False),
        ("", False),
    ],
)
async def test_sources_are_by_default_the_name_and_what_is_below_it(
    engine: AsyncEngine, source: str, own: bool
) -> None:
    await add(engine)

    async with engine.connect() as connection:
        (key,) = await agencies.keys_in_force(connection, at=NOON)

    assert key.agency.owns(source) is own


@pytest.mark.parametrize(
    ("name", "rights", "says"),
    [
        ("Met Custody", {}, "letters, digits, dots, hyphens and underscores"),
        ("", {}, "letters, digits, dots, hyphens and underscores"),
        ("x" * 61, {}, "at most 60"),
        ("met-", {}, "letters, digits, dots, hyphens and underscores"),
        ("met", {"types": ["arrests"]}, "There is no type 'arrests': use some of arrest, custody-release"),
        ("met", {"types": []}, "at least one type"),
        ("met", {"authorities": ["Islington"]}, "'Islington' is not the GSS code"),
        ("met", {"authorities": []}, "at least one authority"),
        ("met", {"sources": ["a b"]}, "'a b' cannot be a source"),
        ("met", {"sources": ["/"]}, "cannot be a source"),
    ],
)
async def test_a_wrong_registration_is_refused_in_one_sentence(
    engine: AsyncEngine, name: str, rights: dict[str, list[str]], says: str
) -> None:
    with pytest.raises(AgencyRefused, match=re.escape(says)):
        await add(engine, name, **rights)


async def test_an_agency_is_not_added_twice_while_it_has_a_key(engine: AsyncEngine) -> None:
    first = await add(engine)
    with pytest.raises(AgencyRefused, match="'nightlight agencies rotate met-custody'"):
        await add(engine)
    await revoke(engine, NOON + HOUR)

    again = await add(engine, at=NOON + HOUR, types=["missing"])

    assert await good(engine, NOON + HOUR) == {agencies.digest(again)}
    assert first != again


async def test_after_a_rotation_both_keys_are_good_for_a_day(engine: AsyncEngine) -> None:
    first = await add(engine)
    second = await rotate(engine, NOON + HOUR)

    assert await good(engine, NOON + HOUR) == {agencies.digest(first), agencies.digest(second)}
    assert await good(engine, NOON + HOUR + OVERLAP) == {agencies.digest(second)}
    assert await good(engine, NOON + HOUR + LASTS) == set()


async def test_there_are_never_more_than_two_keys(engine: AsyncEngine) -> None:
    await add(engine)
    second = await rotate(engine, NOON + HOUR)
    third = await rotate(engine, NOON + 2 * HOUR)

    assert await good(engine, NOON + 2 * HOUR) == {agencies.digest(second), agencies.digest(third)}


async def test_a_key_that_leaked_ends_now(engine: AsyncEngine) -> None:
    await add(engine)
    second = await rotate(engine, NOON + HOUR, now=True)

    assert await good(engine, NOON + HOUR) == {agencies.digest(second)}


async def test_a_rotation_never_makes_a_key_last_longer(engine: AsyncEngine) -> None:
    first = await add(engine)
    await rotate(engine, NOON + LASTS - HOUR)

    assert agencies.digest(first) not in await good(engine, NOON + LASTS)


async def test_revoking_ends_every_key_and_keeps_the_agency(engine: AsyncEngine) -> None:
    await add(engine)
    await rotate(engine, NOON)

    ended = await revoke(engine, NOON + HOUR)

    assert ended == 2
    assert await good(engine, NOON + HOUR) == set()
    async with engine.connect() as connection:
        (listed,) = await agencies.listing(connection, at=NOON + HOUR)
    assert (listed.name, listed.types, listed.key_ends) == ("met-custody", ("nightlight.arrest.v1",), ())


@pytest.mark.parametrize("change", [rotate, revoke])
async def test_what_is_not_there_cannot_be_changed(engine: AsyncEngine, change: object) -> None:
    with pytest.raises(AgencyRefused, match="There is no agency 'met-custody'"):
        await change(engine, NOON)  # type: ignore[operator]


async def test_two_rotations_at_once_leave_two_keys(engine: AsyncEngine) -> None:
    await add(engine)

    await asyncio.gather(*(rotate(engine, NOON + HOUR) for _ in range(4)))

    assert len(await good(engine, NOON + HOUR)) == 2


async def test_every_change_is_in_the_audit_chain_without_a_key(engine: AsyncEngine) -> None:
    key = await add(engine)
    await rotate(engine, NOON, now=True)
    await revoke(engine, NOON)

    async with engine.connect() as connection:
        rows = (await connection.execute(select(audit).order_by(audit.c.entry))).all()

    assert [(row.what, row.who, row.about) for row in rows] == [
        ("agency-added", "operator", "met-custody"),
        ("agency-key-made", "operator", "met-custody"),
        ("agency-revoked", "operator", "met-custody"),
    ]
    assert rows[0].detail["prefix"] == key[:11]


async def test_the_last_time_seen_never_goes_back(engine: AsyncEngine) -> None:
    await add(engine)

    for at in (NOON + HOUR, NOON):
        async with engine.begin() as connection:
            await agencies.seen(connection, {"met-custody": at})

    async with engine.connect() as connection:
        (listed,) = await agencies.listing(connection, at=NOON)
    assert listed.last_seen_at == NOON + HOUR


async def test_the_door_stays_open_while_the_database_is_away(engine: AsyncEngine, database_url: str) -> None:
    key = await add(engine)
    registry = CollectorRegistry()
    door = Doorkeeper(engine, Metrics.build(registry), lambda: NOON)
    with pytest.raises(Refused) as early:
        door.recognise(f"Bearer {key}")
    keeping = asyncio.create_task(door.keep())
    await until(lambda: door.ready)
    name = database_url.rpartition("/")[2]

    with psycopg.connect(libpq(database_url).replace(f"/{name}", "/postgres"), autocommit=True) as owner:
        owner.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        owner.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        await asyncio.sleep(1.5)
        agency = door.recognise(f"Bearer {key}")
        still_keeping = not keeping.done()
        owner.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    door.saw(agency, NOON + HOUR)
    await door.write()
    keeping.cancel()

    assert early.value.reason is Reason.STARTING
    assert agency.name == "met-custody"
    assert still_keeping
    assert registry.get_sample_value("nightlight_feed_last_seen_timestamp_seconds", {"feed": "met-custody"}) == (
        (NOON + HOUR).timestamp()
    )


async def test_a_rotation_and_a_revocation_are_in_force_within_a_second_or_so(engine: AsyncEngine) -> None:
    first = await add(engine)
    times = [NOON]
    door = Doorkeeper(engine, Metrics.build(CollectorRegistry()), lambda: times[-1])
    keeping = asyncio.create_task(door.keep())
    await until(lambda: door.ready)

    second = await rotate(engine, NOON, now=True)
    await until(lambda: knows(door, second) and not knows(door, first))
    await revoke(engine, NOON)
    await until(lambda: not knows(door, second))
    third = await add(engine)
    await until(lambda: knows(door, third))
    times.append(NOON + LASTS)  # a key ends by the clock too, whether or not the table was read again

    assert not knows(door, third)
    keeping.cancel()


def knows(door: Doorkeeper, key: str) -> bool:
    try:
        return door.recognise(f"Bearer {key}").name == "met-custody"
    except Refused:
        return False


async def until(condition: object, seconds: float = 2.5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110 - it watches a plain value
            await asyncio.sleep(0.02)
