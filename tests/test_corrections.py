"""Graver news pages again with the same reference; a place that the child has left is corrected; and nobody else is disturbed."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.kinds import BY_TYPE
from schemas.moments import Outcome
from schemas.pages import PageState
from store import answers, audit
from store.corrections import graver
from store.following import follow_up
from store.moments import moments
from store.opening import open_or_join
from store.pages import attempts, pages
from tests.store_cast import (
    ADMISSION,
    ARREST,
    BACKUP,
    DISCHARGE,
    DUTY,
    MANAGER,
    NOON,
    SEALER,
    found,
    house,
    released,
    rows,
)

MISSING, SEARCH, THREAT = "nightlight.missing.v1", "nightlight.stop-search.v1", "nightlight.threat-to-life.v1"
LATER = NOON + timedelta(minutes=10)


async def tell(engine: AsyncEngine, event: str, type_: str = ARREST, *, at: datetime = NOON, **more: Any) -> Outcome:
    async with engine.begin() as connection:
        return await open_or_join(connection, SEALER, found(event, type=type_, **more), at=at)


async def mark_sent(engine: AsyncEngine) -> None:
    """As the pager would: whatever is pending has been claimed, and taken by the provider."""
    async with engine.begin() as connection:
        pending = attempts.c.state == "pending"
        await connection.execute(update(attempts).where(pending).values(state="sending", deadline_at=NOON))
        sending = attempts.c.state == "sending"
        sent = {"state": "sent", "sent_at": NOON, "provider": "phone", "provider_id": "SM1"}
        await connection.execute(update(attempts).where(sending).values(**sent))


async def told(connection: AsyncConnection, purpose: str = "page") -> list[tuple[str, int, int]]:
    """(person, step, round) of the attempts with this purpose."""
    mine = select(attempts.c.person, attempts.c.step, attempts.c.round).where(attempts.c.purpose == purpose)
    return [tuple(row) for row in await connection.execute(mine.order_by(attempts.c.round, attempts.c.person))]


@pytest.mark.parametrize(
    ("now", "before", "again"),
    [
        (ADMISSION, [ARREST], True),
        (THREAT, [ARREST], True),
        (THREAT, [ADMISSION, ARREST], True),
        (ARREST, [SEARCH], True),
        (ARREST, [ADMISSION], False),
        (MISSING, [ARREST], False),
        (ARREST, [ARREST], False),
        (ADMISSION, [ARREST, THREAT], False),
        (THREAT, [THREAT], False),
        (DISCHARGE, [ARREST], False),
        (ADMISSION, [ARREST, DISCHARGE], True),
    ],
)
def test_what_is_graver_pages_again_and_nothing_else_does(now: str, before: list[str], again: bool) -> None:
    assert graver(now, before) is again


@pytest.mark.parametrize("type_", [ADMISSION, THREAT])
async def test_a_graver_fact_tells_the_present_step_again_with_the_same_reference(
    database_url: str, type_: str
) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")
        await mark_sent(engine)
        async with engine.connect() as connection:
            (before,) = await rows(connection, pages)

        outcome = await tell(engine, "graver", type_, at=LATER)

        async with engine.connect() as connection:
            (page,), said = await rows(connection, pages), await told(connection)
    assert outcome is Outcome.JOINED
    assert (page.reference, page.state, page.step, page.round) == (before.reference, PageState.OPEN, 1, 2)
    assert page.type == type_
    assert page.next_step_at == LATER + timedelta(seconds=120)
    assert said == [(DUTY, 1, 1), (DUTY, 1, 2)]
    assert BY_TYPE[page.type].place != BY_TYPE[ARREST].place


async def test_a_graver_fact_that_comes_before_the_first_text_has_left_goes_out_with_it(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")

        await tell(engine, "admission", ADMISSION)

        async with engine.connect() as connection:
            (page,), said = await rows(connection, pages), await told(connection)
    assert (page.type, page.round) == (ADMISSION, 1)
    assert said == [(DUTY, 1, 1)]


@pytest.mark.parametrize("how_far", ["accepted", "contact"])
async def test_a_graver_fact_about_a_child_whom_somebody_has_pages_them_and_the_team(
    database_url: str, how_far: str
) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")
        await mark_sent(engine)
        async with engine.begin() as connection:
            (page,) = await rows(connection, pages)
            await answers.accept(connection, page.page, BACKUP, via="desk", at=NOON)
            if how_far == "contact":
                await answers.record_contact(connection, page.page, BACKUP, via="desk", at=NOON)

        await tell(engine, "admission", ADMISSION, at=LATER)

        async with engine.connect() as connection:
            (after,), said = await rows(connection, pages), await told(connection)
            broken = await audit.verify(connection)
    assert (after.state, after.reference, after.accepted_by) == (PageState.OPEN, page.reference, None)
    assert [(person, step) for person, step, round_ in said if round_ == 2] == [(BACKUP, 1), (DUTY, 1)]
    assert broken is None


async def test_the_same_graver_fact_again_pages_nobody_again(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")
        await mark_sent(engine)
        await tell(engine, "admission", ADMISSION, at=LATER)

        outcome = await tell(engine, "admission", ADMISSION, at=LATER)

        async with engine.connect() as connection:
            said = await told(connection)
    assert outcome is Outcome.JOINED
    assert said == [(DUTY, 1, 1), (DUTY, 1, 2)]


async def test_whoever_was_told_where_the_child_is_is_told_that_they_have_left(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest", about="record")
        await mark_sent(engine)
        async with engine.begin() as connection:
            (page,) = await rows(connection, pages)
            await answers.accept(connection, page.page, MANAGER, via="desk", at=NOON)

        async with engine.begin() as connection:
            await follow_up(connection, SEALER, released("release", about="record"), at=LATER)

        async with engine.connect() as connection:
            said = await told(connection, "left")
            (moment,), (after,) = await rows(connection, moments), await rows(connection, pages)
    assert [person for person, _, _ in said] == [DUTY, MANAGER]
    assert moment.left_at is not None
    assert after.state == PageState.ACCEPTED


async def test_a_child_who_is_still_at_one_of_two_places_has_not_left(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest", about="record")
        await tell(engine, "admission", ADMISSION, about="attendance")
        await mark_sent(engine)

        async with engine.begin() as connection:
            await follow_up(connection, SEALER, released("release", about="record"), at=LATER)

        async with engine.connect() as connection:
            assert await told(connection, "left") == []


async def test_a_release_told_twice_is_one_correction_and_the_next_departure_is_another(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest", about="record")
        await mark_sent(engine)
        for _ in range(2):
            async with engine.begin() as connection:
                await follow_up(connection, SEALER, released("release", about="record"), at=LATER)
        async with engine.connect() as connection:
            once = len(await told(connection, "left"))
        await tell(engine, "admission", ADMISSION, about="attendance", at=LATER)

        async with engine.begin() as connection:
            left = released("discharge", about="attendance", type=DISCHARGE)
            await follow_up(connection, SEALER, left, at=LATER + timedelta(minutes=5))

        async with engine.connect() as connection:
            assert (once, len(await told(connection, "left"))) == (1, 2)


async def test_several_children_at_once_have_each_a_page_a_reference_and_a_text(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")
        await tell(engine, "another", child="c-wren")

        async with engine.connect() as connection:
            references = {page.reference for page in await rows(connection, pages)}
            said = await told(connection)
    assert len(references) == 2
    assert said == [(DUTY, 1, 1), (DUTY, 1, 1)]
