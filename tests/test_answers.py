"""Answers: one of two at once has it, both are told the truth, and no state ever goes back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from schemas.pages import AttemptState, Purpose
from store import answers, audit, links
from store.answers import Answer
from store.moments import moments
from store.pages import attempts, pages
from tests.pager_cast import NIGHT, Night, night

ACTS: dict[str, Callable[..., Any]] = {
    "accept": answers.accept,
    "pass": answers.pass_on,
    "contact": answers.record_contact,
    "close": answers.close,
}


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url) as begun:
        yield begun


async def act(story: Night, what: str, page: object, person: str) -> answers.Answered:
    async with story.engine.begin() as connection:
        answered: answers.Answered = await ACTS[what](connection, page, person, via="desk", at=story.watch())
        return answered


@pytest.mark.parametrize(
    ("before", "what", "who", "answer", "state"),
    [
        ([], "accept", "ada", Answer.ACCEPTED, "accepted"),
        ([], "pass", "ada", Answer.PASSED, "open"),
        ([], "contact", "ada", Answer.OPEN, "open"),
        ([], "close", "ada", Answer.OPEN, "open"),
        (["accept"], "accept", "ada", Answer.YOURS, "accepted"),
        (["accept"], "accept", "ben", Answer.TAKEN, "accepted"),
        (["accept"], "pass", "ada", Answer.PASSED, "open"),
        (["accept"], "pass", "ben", Answer.TAKEN, "accepted"),
        (["accept"], "contact", "ada", Answer.CONTACT, "contact"),
        (["accept"], "close", "ada", Answer.CLOSED, "closed"),
        (["pass"], "accept", "ada", Answer.ACCEPTED, "accepted"),
        (["accept", "contact"], "contact", "ada", Answer.CONTACT, "contact"),
        (["accept", "contact"], "accept", "ben", Answer.TAKEN, "contact"),
        (["accept", "contact"], "close", "ada", Answer.CLOSED, "closed"),
        (["accept", "close"], "close", "ada", Answer.CLOSED, "closed"),
        (["accept", "close"], "accept", "ben", Answer.ENDED, "closed"),
        (["accept", "close"], "contact", "ada", Answer.ENDED, "closed"),
        (["accept", "close"], "pass", "ada", Answer.ENDED, "closed"),
    ],
)
async def test_an_answer_is_true_and_a_state_goes_forward(
    story: Night, before: list[str], what: str, who: str, answer: Answer, state: str
) -> None:
    page, reference = await story.open_page()
    for earlier in before:
        await act(story, earlier, page, "ada")

    answered = await act(story, what, page, who)

    assert (answered.answer, answered.reference) == (answer, reference)
    assert (await story.page(page)).state == state


async def test_a_page_that_never_was_is_unknown(story: Night) -> None:
    assert [(await act(story, what, uuid4(), "ada")).answer for what in ACTS] == [Answer.UNKNOWN] * 4


async def test_of_many_who_accept_at_once_exactly_one_has_it(story: Night) -> None:
    page, _ = await story.open_page()

    said = await asyncio.gather(*(act(story, "accept", page, who) for who in ["ada", "ben", "mo"] * 3))

    winner = (await story.page(page)).accepted_by
    assert [one.answer for one in said].count(Answer.ACCEPTED) == 1
    assert {one.by for one in said} == {winner}
    assert {one.answer for one in said} <= {Answer.ACCEPTED, Answer.YOURS, Answer.TAKEN}


async def test_acceptance_is_written_down_once_with_who_and_by_which_way(story: Night) -> None:
    page, _ = await story.open_page()

    await act(story, "accept", page, "ada")
    await act(story, "accept", page, "ada")

    async with story.engine.connect() as connection:
        rows = (await connection.execute(select(audit.audit).order_by(audit.audit.c.entry))).all()
    accepted = [row for row in rows if row.what == "page-accepted"]
    assert [(row.who, row.about, row.detail) for row in accepted] == [("ada", f"page/{page}", {"via": "desk"})]
    assert audit.first_broken(rows) is None


async def test_only_those_who_may_hold_the_text_are_told_that_it_is_taken(story: Night) -> None:
    page, _ = await story.open_page()
    await story.round()
    await story.rounds(122, every=61)

    await act(story, "accept", page, "mo")

    assert [one.person for one in await story.attempts(page, purpose="taken")] == ["ada"]
    assert [(one.person, one.state) for one in await story.attempts(page, purpose="page")][1] == ("ben", "pending")


async def test_the_moment_closes_with_its_page(story: Night) -> None:
    page, _ = await story.open_page()
    await act(story, "accept", page, "ada")

    await act(story, "close", page, "ada")

    async with story.engine.connect() as connection:
        [moment] = await connection.execute(select(moments))
    assert (moment.state, moment.ended_at) == ("closed", NIGHT)


@pytest.mark.parametrize("state", ["open", "closed"])
async def test_the_database_itself_refuses_to_take_an_acceptance_back(story: Night, state: str) -> None:
    page, _ = await story.open_page()
    await act(story, "accept", page, "ada")
    await act(story, "contact", page, "ada")

    with pytest.raises(IntegrityError):
        async with story.engine.begin() as connection:
            await connection.execute(pages.update().where(pages.c.page == page).values(state=state))


async def test_the_database_itself_refuses_an_attempt_that_is_delivered_without_having_been_sent(story: Night) -> None:
    page, _ = await story.open_page()
    late = attempts.update().where(attempts.c.page == page).values(state=AttemptState.DELIVERED)

    with pytest.raises(IntegrityError):
        async with story.engine.begin() as connection:
            await connection.execute(late)


async def test_a_link_is_found_by_its_token_alone_and_its_token_is_kept_nowhere(story: Night) -> None:
    page, _ = await story.open_page()

    async with story.engine.begin() as connection:
        token = await links.make(connection, page, "ada", at=NIGHT, random=lambda count: bytes(range(count)))
        found = await links.find(connection, token)
        stranger = await links.find(connection, token[:-1] + "A")
        kept = (await connection.execute(select(links.links))).one()

    assert token == "AAECAwQFBgcICQoLDA0ODw"
    assert found is not None
    assert (found.page, found.person, found.usable(NIGHT)) == (page, "ada", True)
    assert stranger is None
    assert token not in str(tuple(kept))


async def test_looking_at_a_link_does_not_use_it_and_using_it_works_once(story: Night) -> None:
    page, _ = await story.open_page()

    async with story.engine.begin() as connection:
        token = await links.make(connection, page, "ada", at=NIGHT)
        for minute in (1, 2):
            await links.mark_opened(connection, token, at=NIGHT + timedelta(minutes=minute))
        looked = await links.find(connection, token)
        used = [await links.use(connection, token, at=NIGHT + timedelta(minutes=3)) for _ in range(2)]

    assert looked is not None
    assert (looked.opened_at, looked.used_at) == (NIGHT + timedelta(minutes=1), None)
    assert [link is not None for link in used] == [True, False]


async def test_two_devices_use_a_link_once_between_them(story: Night) -> None:
    page, _ = await story.open_page()
    async with story.engine.begin() as connection:
        token = await links.make(connection, page, "ada", at=NIGHT)

    async def use() -> bool:
        async with story.engine.begin() as connection:
            return await links.use(connection, token, at=NIGHT) is not None

    assert sorted(await asyncio.gather(*(use() for _ in range(5)))) == [False, False, False, False, True]


@pytest.mark.parametrize(("minutes", "good"), [(14.9, True), (15, False), (60, False)])
async def test_a_link_is_good_for_a_quarter_of_an_hour(story: Night, minutes: float, good: bool) -> None:
    page, _ = await story.open_page()
    later = NIGHT + timedelta(minutes=minutes)

    async with story.engine.begin() as connection:
        token = await links.make(connection, page, "ada", at=NIGHT)
        link = await links.find(connection, token)
        used = await links.use(connection, token, at=later)

    assert link is not None
    assert (link.usable(later), used is not None) == (good, good)


async def test_a_withdrawal_is_told_to_whoever_accepted_at_the_desk_without_a_text(story: Night) -> None:
    page, _ = await story.open_page()
    await story.round()
    await act(story, "accept", page, "mo")

    async with story.engine.begin() as connection:
        told = await answers.tell_the_told(connection, page, Purpose.WITHDRAWN, at=NIGHT)

    assert told == 2
    assert sorted(one.person for one in await story.attempts(page, purpose="withdrawn")) == ["ada", "mo"]
