"""The pager, the desk and two lanes at the same rows at the same time: nobody waits for ever, and the rules still hold."""

import asyncio
from datetime import timedelta
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.moments import Outcome
from store import answers, audit, sending
from store.expiry import expire
from store.following import follow_up
from store.ids import moment_id, page_id
from store.moments import moments
from store.opening import open_or_join
from store.pages import attempts, begin_step, pages
from tests.store_cast import ADMISSION, BACKUP, DUTY, NOON, ROBIN, SEALER, TEAM, cancelled, found, house, key, rows
from tests.store_cast import engine as second_engine


def page_of(event: str) -> UUID:
    return page_id(moment_id(ROBIN, key(event)), TEAM)


async def test_everybody_at_once_on_one_page_ends_in_one_state_without_a_deadlock(database_url: str) -> None:
    async with house(database_url) as a, second_engine(database_url) as b:
        for turn in range(15):
            event, page = f"arrest-{turn}", page_of(f"arrest-{turn}")
            async with a.begin() as connection:
                await open_or_join(connection, SEALER, found(event), at=NOON)

            async def claim() -> None:
                async with a.begin() as connection:
                    later = NOON + timedelta(seconds=10)
                    await sending.claim(connection, at=NOON, deadline=later, limit=10)

            async def accept(page: UUID = page) -> None:
                async with b.begin() as connection:
                    await answers.accept(connection, page, DUTY, via="reply", at=NOON)

            async def close(page: UUID = page) -> None:
                async with a.begin() as connection:
                    await answers.close(connection, page, DUTY, via="desk", at=NOON)

            async def step(page: UUID = page) -> None:
                async with a.begin() as connection:
                    await begin_step(connection, page, step=2, round=1, at=NOON)

            async def cancel(turn: int = turn, event: str = event) -> None:
                async with b.begin() as connection:
                    await follow_up(connection, SEALER, cancelled(f"cancel-{turn}", of=event), at=NOON)

            async def join(turn: int = turn) -> Outcome:
                async with b.begin() as connection:
                    told = found(f"admission-{turn}", type=ADMISSION)
                    return await open_or_join(connection, SEALER, told, at=NOON)

            async def tick() -> None:
                async with a.begin() as connection:
                    await expire(connection, NOON + timedelta(hours=1))

            async with asyncio.timeout(20):
                await asyncio.gather(claim(), accept(), step(), join(), cancel(), close(), tick())

            async with a.begin() as connection:
                await check_and_clear(connection)
        async with a.connect() as connection:
            assert await audit.verify(connection) is None


async def check_and_clear(connection: AsyncConnection) -> None:
    """The admission is told in an open moment with a live page, or in one that the worker closed after it had joined."""
    told = await rows(connection, moments)
    live = {row.moment for row in await rows(connection, pages) if row.ended_at is None}
    assert {row.moment for row in told if row.state == "open"} == live
    assert len(live) <= 1
    ended = {"state": "withdrawn", "ended_at": NOON}
    await connection.execute(update(pages).where(pages.c.ended_at.is_(None)).values(**ended, next_step_at=None))
    await connection.execute(update(moments).where(moments.c.ended_at.is_(None)).values(**ended))
    settled = {"state": "dropped", "settled_at": NOON}
    await connection.execute(update(attempts).where(attempts.c.state == "pending").values(**settled))


async def test_a_step_that_begins_while_somebody_accepts_tells_nobody_afterwards(database_url: str) -> None:
    async with house(database_url) as a, second_engine(database_url) as b:
        async with a.begin() as connection:
            await open_or_join(connection, SEALER, found("arrest"), at=NOON)
        async with a.begin() as accepting:
            await answers.accept(accepting, page_of("arrest"), DUTY, via="reply", at=NOON)

            async def step() -> int:
                async with b.begin() as connection:
                    return await begin_step(connection, page_of("arrest"), step=2, round=1, at=NOON)

            stepping = asyncio.create_task(step())
            await asyncio.sleep(0.2)  # so that it waits for the row
            assert not stepping.done()

        # The acceptance is committed here, and the step looks again.

        assert await stepping == 0
        async with a.connect() as connection:
            assert BACKUP not in {row.person for row in await rows(connection, attempts)}
