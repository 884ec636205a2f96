"""The stream that says when the duty desk has changed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest

from desk.live import Live
from store import answers
from tests.desk_cast import PAGE, Desk, open_desk


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    async with open_desk(database_url) as opened:
        following = asyncio.create_task(opened.live.follow(opened.settings.need("database_url")))
        yield opened
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def ticks(live: Live, desk: Desk) -> AsyncIterator[str]:
    """The versions that a desk hears, one after another."""
    async for said in live.stream(desk.watch.now + timedelta(hours=12), desk.watch):
        if said.startswith("event: tick"):
            yield json.loads(said.partition("data: ")[2])["version"]


async def test_an_acceptance_is_told_at_once(desk: Desk) -> None:
    heard = ticks(desk.live, desk)
    before = await anext(heard)

    async with desk.engine.begin() as connection:
        await answers.accept(connection, PAGE, "ada", via="reply", at=desk.watch.now)
    async with asyncio.timeout(0.9):  # sooner than the next tick would have come by itself
        after = await anext(heard)

    assert after != before


async def test_a_lost_connection_is_made_anew_and_nothing_is_missed(desk: Desk) -> None:
    heard = ticks(desk.live, desk)
    before = await anext(heard)

    async with desk.engine.begin() as connection:
        await connection.exec_driver_sql("SET ROLE NONE")
        await connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    async with asyncio.timeout(10):
        after = await anext(version async for version in heard if version != before)

    assert after != before


async def test_it_is_silent_while_postgresql_is_away(desk: Desk) -> None:
    live = Live()
    stream = live.stream(desk.watch.now + timedelta(hours=12), desk.watch)

    first = await anext(stream)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await anext(stream)

    assert first.startswith("retry:")


async def test_it_ends_with_the_session_and_with_the_process(desk: Desk) -> None:
    live = Live()

    with_the_session = [said async for said in live.stream(desk.watch.now, desk.watch)]
    live.close()
    with_the_process = [said async for said in live.stream(desk.watch.now + timedelta(hours=1), desk.watch)]

    assert with_the_session[-1].startswith("event: end")
    assert len(with_the_process) == 1


async def test_it_never_says_what_has_changed(desk: Desk) -> None:
    said = []
    async for line in desk.live.stream(desk.watch.now + timedelta(hours=12), desk.watch):
        said.append(line)
        if len(said) == 3:
            break

    assert not [words for words in ("K7Q4", "Islington", str(PAGE), "Lampwick") if words in "".join(said)]
