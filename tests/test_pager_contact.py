"""Accepted, and then: asked for contact by text, by voice, and back to the team; each with its own clock, and the reference stays."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from embedded.phone import Mode
from notifiers.escalate import RECEIPT_WITHIN
from schemas.pages import Channel, Role, Step
from store import answers, audit, escalating
from store.people import shifts
from tests.pager_cast import ADA, BEN, MO, NIGHT, PLAN, Night, night


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url) as begun:
        yield begun


async def accepted(story: Night, number: str = ADA) -> tuple[UUID, str]:
    """A page that this phone has accepted at once."""
    page, reference = await story.open_page()
    await story.round()
    await story.phone.expects_soon(number, reference)
    await story.phone.reply(number, "1")
    return page, reference


async def minutes(story: Night, number: float) -> None:
    """The clock stands so much later, and the pager has done all that this sets going."""
    story.watch.later(minutes=number)
    for _ in range(3):
        await story.round()


async def asked(story: Night, page: UUID) -> list[tuple[str, str, float]]:
    """Who was asked for contact, how, and after how many minutes."""
    tried = await story.attempts(page, purpose="reminder")
    return [(one.person, one.channel, (one.due_at - NIGHT).total_seconds() / 60) for one in tried]


async def said(story: Night, page: UUID) -> list[str]:
    async with story.engine.connect() as connection:
        lines = await connection.execute(select(audit.audit).where(audit.audit.c.about == f"page/{page}"))
        return [line.what for line in lines]


async def test_before_the_hour_is_over_nobody_is_asked(story: Night) -> None:
    page, _ = await accepted(story)

    await minutes(story, 59)

    assert await asked(story, page) == []
    assert (await story.page(page)).state == "accepted"


async def test_after_an_hour_without_contact_the_one_who_accepted_is_asked_by_text(story: Night) -> None:
    page, reference = await accepted(story)

    await minutes(story, 60)

    text = await story.phone.expects_soon(ADA, "no contact is recorded")
    assert reference in text.body
    assert await asked(story, page) == [("ada", "sms", 60)]
    assert (await story.page(page)).state == "accepted"


async def test_ten_minutes_after_the_text_they_are_asked_by_voice(story: Night) -> None:
    page, _ = await accepted(story)
    await minutes(story, 60)

    await minutes(story, 9)
    before = await asked(story, page)
    await minutes(story, 1)

    assert before == [("ada", "sms", 60)]
    assert (await asked(story, page))[:2] == [("ada", "sms", 60), ("ada", "voice", 70)]


async def test_after_both_the_page_is_the_teams_again_with_the_same_reference(story: Night) -> None:
    page, reference = await accepted(story)
    for wait in (60, 10, 10):
        await minutes(story, wait)

    row = await story.page(page)
    assert (row.state, row.step, row.reference, row.accepted_by) == ("open", 1, reference, None)
    assert await story.phone.expects_soon(ADA, "the team is asked again")
    again = [one for one in await story.attempts(page, purpose="page") if one.round == 2]
    assert [(one.person, one.step) for one in again] == [("ada", 1)]
    assert "page-reopened" in await said(story, page)


async def test_a_page_that_is_the_teams_again_goes_through_every_step_again(story: Night) -> None:
    page, reference = await accepted(story)
    for wait in (60, 10, 10):
        await minutes(story, wait)

    await minutes(story, 2)
    await minutes(story, 2)
    await story.phone.expects_soon(MO, reference)
    await story.phone.reply(MO, "1")

    steps = [(one.person, one.step, one.round) for one in await story.attempts(page, purpose="page")]
    assert steps == [("ada", 1, 1), ("ada", 1, 2), ("ben", 2, 2), ("mo", 3, 2)]
    assert ((await story.page(page)).state, (await story.page(page)).accepted_by) == ("accepted", "mo")


async def test_the_second_acceptance_is_not_counted_as_an_answer_that_took_an_hour(story: Night) -> None:
    page, _ = await accepted(story)
    for wait in (60, 10, 10):
        await minutes(story, wait)

    async with story.engine.begin() as connection:
        answered = await answers.accept(connection, page, "ada", via="desk", at=story.watch())

    assert (answered.answer, answered.seconds) == (answers.Answer.ACCEPTED, None)


async def test_contact_ends_the_asking(story: Night) -> None:
    page, _ = await accepted(story)
    await minutes(story, 60)

    await story.phone.reply(ADA, "3")
    await minutes(story, 60)

    assert len(await asked(story, page)) == 1
    assert (await story.page(page)).state == "contact"


async def test_one_who_is_still_on_the_way_has_another_hour(story: Night) -> None:
    page, _ = await accepted(story)
    await minutes(story, 60)

    answer = await story.phone.reply(ADA, "1")
    await minutes(story, 59)
    before = len(await asked(story, page))
    await minutes(story, 1)

    assert answer is not None
    assert "you have accepted this" in answer
    assert before == 1
    assert await asked(story, page) == [("ada", "sms", 60), ("ada", "sms", 120)]


async def test_a_reminder_that_cannot_be_delivered_does_not_wait_for_the_call(story: Night) -> None:
    page, _ = await accepted(story)
    story.phone.behave(Mode.UNDELIVERED, ADA)

    await minutes(story, 60)
    await minutes(story, 0.1)

    assert [(person, channel) for person, channel, _ in await asked(story, page)][:2] == [
        ("ada", "sms"),
        ("ada", "voice"),
    ]


async def test_one_who_accepted_and_cannot_go_hands_it_back_and_the_next_is_told_now(story: Night) -> None:
    page, reference = await accepted(story)

    answer = await story.phone.reply(ADA, "2")
    await minutes(story, 0.1)

    assert answer == f"Nightlight {reference}: passed on by you. We go on until somebody accepts."
    await story.phone.expects_soon(BEN, reference)
    assert len([text for text in story.phone.rang(ADA) if "new moment" in text.body]) == 1
    assert [what for what in await said(story, page) if what in ("page-reopened", "page-passed")]


async def test_with_a_reminder_and_a_new_page_a_bare_one_is_asked_which(story: Night) -> None:
    _, first = await accepted(story)
    await minutes(story, 60)
    _, second = await story.open_page()
    await minutes(story, 0.1)
    await story.phone.expects_soon(ADA, second)

    answer = await story.phone.reply(ADA, "1")

    assert answer is not None
    assert "which one?" in answer
    assert first in answer
    assert second in answer


async def test_several_people_of_one_step_are_told_at_once_each_by_their_own_next_channel(story: Night) -> None:
    both = Step(step=1, role=Role.PRIMARY, channels=(Channel.SMS, Channel.VOICE), wait_seconds=120)
    async with story.engine.begin() as connection:
        hours = {"starts": NIGHT - timedelta(hours=1), "ends": NIGHT + timedelta(days=1)}
        await connection.execute(insert(shifts).values(team="Islington", person="ben", role=Role.PRIMARY, **hours))
    story.phone.behave(Mode.UNDELIVERED, BEN)
    page, _ = await story.open_page(plan=[both, *PLAN[1:]])

    for _ in range(2):
        await story.round()
        story.watch.later(seconds=1)

    tried = {(one.person, one.channel) for one in await story.attempts(page)}
    assert tried == {("ada", "sms"), ("ben", "sms"), ("ben", "voice")}
    assert (await story.page(page)).step == 1


async def beside_ada(story: Night) -> None:
    async with story.engine.begin() as connection:
        hours = {"starts": NIGHT - timedelta(hours=1), "ends": NIGHT + timedelta(days=1)}
        await connection.execute(insert(shifts).values(team="Islington", person="ben", role=Role.PRIMARY, **hours))


async def told_where_one_phone_is_off(story: Night) -> UUID:
    """A page whose text has reached Ada, and not Ben beside her."""
    await beside_ada(story)
    story.phone.behave(Mode.UNDELIVERED, BEN)
    page, _ = await story.open_page()
    for _ in range(2):
        await story.round()
        story.watch.later(seconds=1)
    return page


async def taken_up(story: Night) -> list[UUID]:
    """The pages about which the pager would decide now."""
    async with story.engine.connect() as connection:
        return await escalating.waiting(connection, at=story.watch(), receipt_within=RECEIPT_WITHIN, limit=1)


async def test_a_page_is_not_decided_about_again_and_again_while_one_of_two_people_has_it(story: Night) -> None:
    """Else two hundred such pages would keep a page that has reached nobody from the next person."""
    page = await told_where_one_phone_is_off(story)

    then = await taken_up(story)
    await story.phone.reply(ADA, "2")

    assert then == []
    assert await taken_up(story) == [page]


async def test_one_whose_text_failed_and_came_through_all_the_same_passes_the_page_on(story: Night) -> None:
    page = await told_where_one_phone_is_off(story)

    await story.phone.reply(BEN, "2")
    await story.round()

    assert (await story.page(page)).step == 2
