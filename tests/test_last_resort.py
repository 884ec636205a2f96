"""The last step is never empty: with nobody on call there, whoever can be found of the team is told, and it is an alarm all the same."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, text, update

from store import people
from store.people import responders, shifts
from tests.pager_cast import ADA, BEN, MO, NIGHT, Night, night


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url) as begun:
        yield begun


async def leave_on_call(story: Night, *kept: str) -> None:
    async with story.engine.begin() as connection:
        await connection.execute(delete(shifts).where(shifts.c.person.not_in(kept)))


async def alarms(story: Night) -> int:
    async with story.engine.connect() as connection:
        query = select(text("count(*)")).select_from(text("audit")).where(text("what = 'nobody-on-call'"))
        return int(await connection.scalar(query) or 0)


async def test_without_a_manager_whoever_is_on_call_is_told_again_once_in_each_wait(story: Night) -> None:
    await leave_on_call(story, "ada")
    page, _ = await story.open_page()

    await story.round()
    await story.rounds(120 + 300 + 60, every=10)

    told = await story.attempts(page)
    assert [(one.person, one.step) for one in told] == [("ada", 1), ("ada", 3), ("ada", 3)]
    assert timedelta(seconds=300) <= told[2].due_at - told[1].due_at <= timedelta(seconds=315)
    assert await alarms(story) > 2


async def test_with_nobody_on_call_a_manager_of_these_days_is_told(story: Night) -> None:
    async with story.engine.begin() as connection:
        over = {"starts": NIGHT - timedelta(days=3), "ends": NIGHT - timedelta(days=2)}
        await connection.execute(update(shifts).where(shifts.c.person == "mo").values(**over))
    await leave_on_call(story, "mo")
    _, reference = await story.open_page()

    await story.rounds(3)

    await story.phone.expects_soon(MO, reference)
    assert {sent.to for sent in story.phone.texts} == {MO}


async def test_with_no_rota_at_all_everybody_of_the_team_is_told_who_can_be(story: Night) -> None:
    await leave_on_call(story)
    async with story.engine.begin() as connection:
        await connection.execute(update(responders).where(responders.c.person == "ben").values(stopped_at=NIGHT))
    page, reference = await story.open_page()

    await story.rounds(4)
    await story.phone.reply(MO, "1")

    assert {sent.to for sent in story.phone.texts if reference in sent.body} == {ADA, MO}
    assert BEN not in {sent.to for sent in story.phone.texts}
    assert (await story.page(page)).accepted_by == "mo"


async def test_somebody_put_on_call_meanwhile_is_told_within_fifteen_seconds(story: Night) -> None:
    await leave_on_call(story)
    _, reference = await story.open_page()
    await story.rounds(4)
    async with story.engine.begin() as connection:
        hours = {"starts": NIGHT, "ends": NIGHT + timedelta(hours=1)}
        await connection.execute(shifts.insert().values(team="Islington", person="mo", role="manager", **hours))
    before = len([sent for sent in story.phone.texts if sent.to == MO])

    await story.rounds(16)

    assert len([sent for sent in story.phone.texts if sent.to == MO and reference in sent.body]) == before + 1


async def test_a_team_that_nobody_is_in_is_nobody(story: Night) -> None:
    async with story.engine.connect() as connection:
        assert await people.last_resort(connection, "Atlantis", NIGHT, ("sms",)) == []


async def test_a_stop_with_no_manager_to_tell_is_told_to_whoever_else_is_on_call(story: Night) -> None:
    await leave_on_call(story, "ada", "ben")

    await story.phone.reply(ADA, "STOP")
    await story.round()

    await story.phone.expects_soon(BEN, "opted out")
    assert {sent.to for sent in story.phone.texts} == {BEN}


async def test_of_a_stop_a_manager_who_has_opted_out_is_told_by_mail(story: Night) -> None:
    await story.phone.reply(MO, "STOP")
    await story.phone.reply(ADA, "STOP")

    told = {(one.person, one.channel) for one in await story.attempts(purpose="stopped")}
    assert told == {("ada", "sms"), ("ben", "sms"), ("mo", "email")}  # of hers he, and of his the two
