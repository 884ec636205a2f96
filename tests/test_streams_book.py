"""The steps' way to PostgreSQL: what was found is a row once, however often it is told, and an outage has one name."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.moments import MomentFound, Outcome
from store import children as store_children
from store.database import connect
from store.roster import Action, Change
from streams.book import AWAY, PostgresBook, PostgresShelf
from streams.match import match
from tests.streams_cast import CHILD, KEYS, NOON, List, Pairs, envelope, noon


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = connect(database_url)
    async with engine.begin() as connection:
        added = [Change(line=2, action=Action.ADD, child_id=CHILD.child_id, child=CHILD)]
        await store_children.apply_import(connection, KEYS, added, at=NOON, who="the test")
    yield engine
    await engine.dispose()


async def found(number: str) -> MomentFound:
    [message] = await match(envelope(id=number), children=List(), pairs=Pairs(), sealer=KEYS, clock=noon)
    assert isinstance(message, MomentFound)
    return message


async def test_a_moment_told_by_both_lanes_is_one_page_and_has_one_outcome(engine: AsyncEngine) -> None:
    book, first, second = PostgresBook(engine, KEYS), await found("1"), await found("2")

    ended = [await book.open_or_join(each, at=NOON) for each in (first, first, second, second)]

    assert ended == [Outcome.PAGED, Outcome.PAGED, Outcome.JOINED, Outcome.JOINED]


async def test_a_database_that_is_not_there_is_away_and_does_not_answer() -> None:
    engine = connect("postgresql://nobody@127.0.0.1:9/nothing")

    with pytest.raises(AWAY):
        await PostgresBook(engine, KEYS).open_or_join(await found("1"), at=NOON)

    assert not await PostgresShelf(engine).answers()
