"""How often an event goes to PostgreSQL and back: each time is paid twice, once for each lane, and the last ones while all others wait."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
from sqlalchemy import event, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.moments import Outcome
from schemas.pages import Role
from store import audit, people
from store.following import follow_up
from store.ids import moment_id, page_id, references
from store.moments import moments
from store.opening import open_or_join
from store.pages import pages
from store.reviews import ask_review
from tests.store_cast import (
    BACKUP,
    DUTY,
    EVERYBODY,
    NOON,
    ROBIN,
    SEALER,
    TEAM,
    WREN,
    asked,
    found,
    house,
    key,
    put_on_call,
    released,
    rows,
)
from tests.store_cast import engine as second_engine


@contextmanager
def counted(engine: AsyncEngine) -> Iterator[list[str]]:
    """What is asked of PostgreSQL meanwhile, BEGIN and COMMIT left out."""
    asked_: list[str] = []

    def remember(_: Any, __: Any, statement: str, *more: Any) -> None:
        asked_.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", remember)
    yield asked_
    event.remove(engine.sync_engine, "before_cursor_execute", remember)


async def tell(engine: AsyncEngine, name: str, child: str = ROBIN, **more: Any) -> Outcome:
    async with engine.begin() as connection:
        return await open_or_join(connection, SEALER, found(name, child, **more), at=NOON)


async def test_a_new_page_takes_eight_round_trips_at_most(database_url: str) -> None:
    async with house(database_url) as engine:
        with counted(engine) as statements:
            outcome = await tell(engine, "arrest")
    assert outcome is Outcome.PAGED
    assert len(statements) <= 8


async def test_a_new_page_that_reaches_several_people_takes_no_more(database_url: str) -> None:
    async with house(database_url, on_call={DUTY: Role.PRIMARY, BACKUP: Role.PRIMARY}) as engine:
        with counted(engine) as statements:
            await tell(engine, "arrest")
    assert len(statements) <= 8


async def test_a_new_page_that_reaches_nobody_takes_no_more(database_url: str) -> None:
    async with house(database_url, on_call={}) as engine:
        with counted(engine) as statements:
            await tell(engine, "arrest")
    assert len(statements) <= 8


async def test_a_fact_that_joins_takes_seven_at_most(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")
        async with engine.begin() as connection:
            await follow_up(connection, SEALER, released("release", about="arrest"), at=NOON)

        with counted(engine) as statements:
            outcome = await tell(engine, "missing", type="nightlight.missing.v1")
    assert outcome is Outcome.JOINED
    assert len(statements) <= 8  # one of them asks how grave what was told before is


@pytest.mark.parametrize("name", ["arrest", "review", "unwatched"])
async def test_what_the_other_lane_has_done_takes_two_and_leaves_the_audit_chain_alone(
    database_url: str, name: str
) -> None:
    async def play(engine: AsyncEngine) -> Outcome:
        if name != "review":
            return await tell(engine, name, "c-nobody" if name == "unwatched" else ROBIN)
        async with engine.begin() as connection:
            return await ask_review(connection, SEALER, asked(name, WREN), at=NOON)

    async with house(database_url) as a, second_engine(database_url) as b:
        first = await play(a)
        async with a.begin() as holding:
            await audit.record(holding, audit.What.SIGNED_IN, who="dora", about="dora", at=NOON)
            with counted(b) as statements:
                second = await play(b)
    assert second is first
    assert len(statements) == 2


async def test_a_reference_that_is_being_given_to_a_live_page_is_not_given_again(database_url: str) -> None:
    page = page_id(moment_id(ROBIN, key("arrest")), TEAM)
    first, second = islice(references(page), 2)
    async with house(database_url) as a, second_engine(database_url) as b:
        await tell(a, "another", WREN)
        async with a.begin() as connection:
            await connection.execute(update(pages).values(reference=first))
            telling = asyncio.create_task(tell(b, "arrest", ROBIN))
            await asyncio.sleep(0.2)  # so that it waits for what becomes of the reference
            assert not telling.done()

        assert await telling is Outcome.PAGED
        async with a.connect() as connection:
            given = {row.page: row.reference for row in await rows(connection, pages)}
    assert given[page] == second


@pytest.mark.parametrize("plan", [(), (Role.MANAGER, Role.PRIMARY)])
@pytest.mark.parametrize("on_duty", [{}, EVERYBODY, {DUTY: Role.MANAGER, BACKUP: Role.MANAGER}])
async def test_plan_and_people_asked_for_at_once_are_the_same_as_one_after_the_other(
    database_url: str, plan: tuple[Role, ...], on_duty: dict[str, Role]
) -> None:
    async with house(database_url, on_call=on_duty) as engine, engine.begin() as connection:
        await put_on_call(connection, on_duty)  # once more: shifts may overlap
        for number, role in enumerate(plan, start=1):
            step = {"team": TEAM, "step": number, "role": role, "channels": ["sms", "email"], "wait_seconds": 0.5}
            await connection.execute(insert(people.steps).values(**step))

        at_once = await people.beginning(connection, TEAM, NOON)

        steps = await people.plan_for(connection, TEAM)
        reached = await people.on_call(connection, TEAM, steps[0].role, NOON)
    assert at_once == (steps, reached)


async def test_several_lines_are_the_same_chain_as_one_after_the_other(database_url: str) -> None:
    lines = [audit.Line(audit.What.SIGNED_IN, "dora", f"page/{number}", NOON, {"n": number}) for number in range(3)]
    async with house(database_url) as engine, engine.begin() as connection:
        await audit.record_all(connection, lines)
        await audit.record_all(connection, [])
        await audit.record(connection, audit.What.SIGNED_OUT, who="dora", about="dora", at=NOON)

        said = [(row.entry, row.what, row.about) for row in await rows(connection, audit.audit)][-4:]
        broken = await audit.verify(connection)
    assert [what for _, what, _ in said] == ["signed-in"] * 3 + ["signed-out"]
    assert [about for _, _, about in said] == ["page/0", "page/1", "page/2", "dora"]
    assert broken is None


async def test_a_place_that_the_child_has_left_is_still_left_when_it_is_told_of_again(database_url: str) -> None:
    left = NOON + timedelta(minutes=4)
    async with house(database_url) as engine:
        await tell(engine, "arrest", about="record")
        async with engine.begin() as connection:
            release = released("release", about="record", occurred_at=left)
            await follow_up(connection, SEALER, release, at=NOON)

        await tell(engine, "charge", about="record")

        async with engine.connect() as connection:
            (moment,) = await rows(connection, moments, "left_at")
    assert moment.left_at == left
