"""Whoever comes on call is told, and confirms it; a page's answer is never taken for that, nor that for a page's answer."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select

from schemas.pages import Role
from store import duties, people
from store.people import shifts
from tests.pager_cast import ADA, BEN, MO, NIGHT, STRANGER, Night, night

SOON = NIGHT + timedelta(minutes=20)  # 02:34


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    """Ada's night is over in twenty minutes, and Ben's begins; Mo manages through."""
    async with night(database_url) as begun:
        async with begun.engine.begin() as connection:
            await connection.execute(delete(shifts).where(shifts.c.person != "mo"))
            for person, starts, ends in (
                ("ada", NIGHT - timedelta(hours=6), SOON),
                ("ben", SOON, SOON + timedelta(hours=8)),
            ):
                hours = {"starts": starts, "ends": ends}
                await connection.execute(
                    insert(shifts).values(team="Islington", person=person, role="primary", **hours)
                )
        yield begun


async def confirmed(story: Night) -> list[tuple[str, bool]]:
    async with story.engine.connect() as connection:
        found = await connection.execute(select(duties.duties.c.person, duties.duties.c.confirmed_at.is_not(None)))
        return [tuple(row) for row in found]


async def test_whoever_comes_on_call_is_told_once_half_an_hour_before_and_confirms(story: Night) -> None:
    await story.rounds(60, every=20)

    text = await story.phone.expects_soon(BEN, "on call")
    answer = await story.phone.reply(BEN, "ok")
    await story.rounds(40 * 60, every=60)

    assert text.body == (
        "Nightlight: you are on call for Islington team, primary from 02:34 Sat 21 to 10:34 Sat 21. Reply OK to confirm."
    )
    assert answer == "Nightlight: thank you. Your time on call is confirmed."
    assert await confirmed(story) == [("ben", True)]
    story.phone.refuse_unexpected()


async def test_whoever_has_not_confirmed_is_reported_to_the_manager_a_quarter_of_an_hour_in(story: Night) -> None:
    await story.rounds(34 * 60, every=30)
    early = [text.to for text in story.phone.texts]
    await story.rounds(10 * 60, every=30)

    reported = await story.phone.expects_soon(MO, "has not confirmed")
    assert early == [BEN]
    assert [text.to for text in story.phone.texts] == [BEN, MO]
    assert reported.body == (
        "Nightlight: Islington team, primary since 02:34 Sat 21: whoever is on call has not confirmed. "
        "Ring them, or put somebody else on call."
    )


async def test_while_a_page_waits_an_answer_is_about_the_page(story: Night) -> None:
    await story.rounds(21 * 60, every=30)  # Ben is told, and his time has begun
    page, reference = await story.open_page()
    await story.round()

    answer = await story.phone.reply(BEN, "ok")

    assert answer is not None
    assert answer.startswith(f"Nightlight {reference}: accepted by you")
    assert (await story.page(page)).accepted_by == "ben"
    assert await confirmed(story) == [("ben", False)]


async def test_whoever_has_answered_a_page_is_there_and_is_not_reported(story: Night) -> None:
    await story.rounds(21 * 60, every=30)
    await story.open_page()
    await story.round()
    await story.phone.reply(BEN, "1")

    await story.rounds(20 * 60, every=30)

    assert not [text for text in story.phone.texts if "has not confirmed" in text.body]


async def test_an_ok_to_a_page_that_is_taken_is_not_an_ok_to_the_time_on_call(story: Night) -> None:
    await story.rounds(21 * 60, every=30)
    page, reference = await story.open_page()
    await story.round()
    await story.phone.reply(BEN, f"{reference} 2")
    await story.rounds(3)
    await story.phone.reply(MO, "1")

    answer = await story.phone.reply(BEN, "1")

    assert (await story.page(page)).accepted_by == "mo"
    assert answer == f"Nightlight {reference}: somebody else has accepted. Nothing for you to do."
    assert await confirmed(story) == [("ben", False)]


async def test_a_shift_that_was_taken_away_is_not_reported(story: Night) -> None:
    await story.rounds(60, every=20)
    async with story.engine.begin() as connection:
        await connection.execute(delete(shifts).where(shifts.c.person == "ben"))

    await story.rounds(40 * 60, every=60)

    assert [text.to for text in story.phone.texts] == [BEN]


async def test_without_another_manager_somebody_else_on_call_is_told(story: Night) -> None:
    async with story.engine.begin() as connection:
        await connection.execute(delete(shifts).where(shifts.c.person == "mo"))
        hours = {"starts": NIGHT - timedelta(hours=1), "ends": NIGHT + timedelta(hours=20)}
        await connection.execute(insert(shifts).values(team="Islington", person="ada", role="backup", **hours))

    await story.rounds(40 * 60, every=60)

    assert [text.to for text in story.phone.texts] == [BEN, ADA]


async def test_nobody_is_told_of_a_time_that_goes_on_or_that_had_begun_when_it_was_imported(story: Night) -> None:
    async with story.engine.begin() as connection:
        await connection.execute(delete(shifts))
        for starts, ends in ((-1, 0.2), (0.2, 9)):
            hours = {"starts": NIGHT + timedelta(hours=starts), "ends": NIGHT + timedelta(hours=ends)}
            await connection.execute(insert(shifts).values(team="Islington", person="ada", role="primary", **hours))

    await story.rounds(60 * 60, every=60)

    assert story.phone.texts == []


async def test_a_stranger_s_ok_confirms_nothing(story: Night) -> None:
    await story.rounds(60, every=20)

    await story.phone.reply(STRANGER, "ok")

    assert await confirmed(story) == [("ben", False)]
    async with story.engine.connect() as connection:
        assert [who.person for who in await people.on_call(connection, "Islington", Role.PRIMARY, SOON)] == ["ben"]
