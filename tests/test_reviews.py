"""A human decides a possible match: the same child, or not, or too late; and what was decided can be undone, and is never erased."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.moments import Candidate, Decision, Lane, Outcome, ReviewAsked
from schemas.pages import PageState, Purpose
from schemas.person import Person
from store import audit, deciding, expiry, matches, pairs, reviews, undoing
from store.audit import What
from store.deciding import Decided, Verdict
from store.following import follow_up
from store.matches import Link
from store.moments import facts, moments
from store.moments import reviews as asked_about
from store.opening import open_or_join
from store.pages import attempts, pages
from store.undoing import Undo
from tests.store_cast import (
    ADMISSION,
    DUTY,
    NOON,
    ROBIN,
    SEALER,
    TEAM,
    WREN,
    cancelled,
    child,
    fact,
    found,
    house,
    key,
    rows,
    watch,
)
from tests.store_cast import engine as second_engine

CAMDEN = "c-camden"
SOON = NOON + timedelta(minutes=10)
WHO = Person(family_name="Lampwick", given_name="Jay", date_of_birth=date(2010, 3, 14), nhs_number="9990000026")


@pytest.fixture
async def made(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Robin and Wren of Islington on the list, and a child of Camden."""
    async with house(database_url) as engine:
        async with engine.begin() as connection:
            await watch(connection, child(CAMDEN, team="Camden", authority="E09000007"))
        yield engine


def doubt(*near: str, event: str = "arrest", **more: Any) -> ReviewAsked:
    """It may be any of these, the first rather than the others."""
    candidates = tuple(Candidate(child=each, weight=9.0 - place, probability=0.4) for place, each in enumerate(near))
    decision = Decision(lane=Lane.REVIEW, child=near[0], candidates=candidates, why=("postcode: exact",), model="test")
    return ReviewAsked(fact=fact(event, **more), person=WHO, decision=decision, list_version=3)


async def ask(made: AsyncEngine, *near: str, **more: Any) -> None:
    async with made.begin() as connection:
        assert await reviews.ask_review(connection, SEALER, doubt(*near, **more), at=NOON) is Outcome.REVIEW


async def say_same(
    made: AsyncEngine, who: str = DUTY, child_is: str = ROBIN, *, teams: Any = (TEAM,), at: Any = SOON
) -> Decided:
    async with made.begin() as connection:
        return await deciding.same(
            connection, SEALER, key("arrest"), child_is, who=who, why="I know him", teams=teams, at=at
        )


async def say_different(made: AsyncEngine, who: str = DUTY, *, teams: Any = (TEAM,), at: Any = SOON) -> Decided:
    async with made.begin() as connection:
        return await deciding.different(
            connection, SEALER, key("arrest"), who=who, why="his brother", teams=teams, at=at
        )


async def page_what_is_due(made: AsyncEngine, at: Any) -> int:
    async with made.connect() as connection:
        due = await reviews.due_to_page(connection, at=at)
    paged = 0
    for each in due:
        async with made.begin() as connection:
            paged += await reviews.page_possible(connection, SEALER, each, at=at)
    return paged


async def state(made: AsyncEngine) -> str:
    async with made.connect() as connection:
        return str((await rows(connection, asked_about, "state"))[0].state)


async def the_page(made: AsyncEngine) -> Any:
    async with made.connect() as connection:
        (page,) = await rows(connection, pages)
    return page


async def links(made: AsyncEngine) -> list[tuple[str, Link, str]]:
    async with made.connect() as connection:
        found_ = await matches.of_event(connection, key("arrest"))
    return [(link.child, link.decision, link.decided_by) for link in found_]


async def texted(made: AsyncEngine, purpose: Purpose) -> list[str]:
    async with made.connect() as connection:
        query = select(attempts.c.person).where(attempts.c.purpose == purpose).order_by(attempts.c.person)
        return list((await connection.scalars(query)).all())


async def send(made: AsyncEngine) -> None:
    """The pager has sent what was pending."""
    async with made.begin() as connection:
        going = {"deadline_at": NOON, "sent_at": NOON, "provider": "phone", "provider_id": "SM1"}
        waiting = attempts.c.state == "pending"
        await connection.execute(attempts.update().where(waiting).values(state="sending", **going))
        await connection.execute(attempts.update().where(attempts.c.state == "sending").values(state="sent"))


async def test_the_same_child_opens_the_moment_as_if_it_had_been_matched_for_what_is_left_of_the_window(
    made: AsyncEngine,
) -> None:
    await ask(made, ROBIN, WREN)

    decided = await say_same(made)

    page = await the_page(made)
    async with made.connect() as connection:
        (moment,) = await rows(connection, moments)
        (told,) = await rows(connection, facts)
        said = [row.what for row in await rows(connection, audit.audit, "entry", "what")]
    assert (decided.verdict, decided.child) == (Verdict.PAGED, ROBIN)
    assert (page.state, page.possible, page.matched_at) == (PageState.OPEN, False, SOON)
    assert (moment.child, moment.window_ends_at) == (ROBIN, NOON + timedelta(hours=12))
    assert told.outcome == Outcome.REVIEW  # how the event ended, in every replay
    assert await links(made) == [(ROBIN, Link.SAME, DUTY)]
    assert said[-2:] == [What.REVIEW_DECIDED, What.PAGE_OPENED]


async def test_a_replay_of_an_event_that_was_decided_ends_as_before_and_pages_nobody_again(made: AsyncEngine) -> None:
    await ask(made, ROBIN)
    await say_same(made)

    await ask(made, ROBIN)

    assert (await the_page(made)).state == PageState.OPEN


async def test_the_same_child_joins_a_moment_that_is_open(made: AsyncEngine) -> None:
    async with made.begin() as connection:
        await open_or_join(connection, SEALER, found("admission", ROBIN, type=ADMISSION), at=NOON)
    await ask(made, ROBIN)

    decided = await say_same(made)

    assert decided.verdict is Verdict.JOINED
    async with made.connect() as connection:
        assert len(await rows(connection, moments)) == 1
        assert len(await rows(connection, facts)) == 2


async def test_two_who_decide_at_once_are_both_told_the_truth(made: AsyncEngine, database_url: str) -> None:
    await ask(made, ROBIN)
    async with second_engine(database_url) as other:
        told = await asyncio.gather(say_same(made, "dora"), say_different(other, "ben"))

    verdicts = [each.verdict for each in told]
    assert verdicts.count(Verdict.ALREADY) == 1
    slower, quicker = sorted(told, key=lambda each: each.verdict is not Verdict.ALREADY)
    assert (slower.state, slower.by) == (quicker.state, quicker.by)


async def test_after_the_window_it_is_reported_and_nobody_is_paged(made: AsyncEngine) -> None:
    await ask(made, ROBIN)
    over = NOON + timedelta(hours=12)
    async with made.begin() as connection:
        await expiry.expire(connection, over)
    assert await state(made) == "expired"

    decided = await say_same(made, at=over + timedelta(minutes=1))

    assert (decided.verdict, await state(made)) == (Verdict.LATE, "same")
    assert await links(made) == [(ROBIN, Link.LATE, DUTY)]
    async with made.connect() as connection:
        assert await rows(connection, pages) == []


async def test_a_review_that_nobody_decides_is_reported(made: AsyncEngine) -> None:
    await ask(made, ROBIN)
    over = NOON + timedelta(hours=12)

    async with made.begin() as connection:
        before = await expiry.gauges(connection, NOON)
        await expiry.expire(connection, over)
        after = await expiry.gauges(connection, over)
        (line,) = [row for row in await rows(connection, audit.audit) if row.what == What.REVIEW_DECIDED]

    assert (before.reviews_open, before.reviews_undecided) == ({"E09000019": 1}, {})
    assert (after.reviews_open, after.reviews_undecided) == ({}, {"E09000019": 1})
    assert line.detail == {"state": "expired"}


async def test_not_the_same_is_remembered_for_each_child_that_was_asked_about(made: AsyncEngine) -> None:
    await ask(made, ROBIN, WREN)

    decided = await say_different(made)

    async with made.connect() as connection:
        said = await rows(connection, pairs.exclusions)
    assert (decided.verdict, await state(made)) == (Verdict.DIFFERENT, "different")
    assert {row.child for row in said} == {ROBIN, WREN}
    assert decided.remembered == 2  # the number, and the name with the birth date
    assert await links(made) == [(ROBIN, Link.DIFFERENT, DUTY), (WREN, Link.DIFFERENT, DUTY)]


async def test_if_it_may_be_another_teams_child_that_team_is_asked_next_and_each_sees_its_own_alone(
    made: AsyncEngine,
) -> None:
    await ask(made, ROBIN, CAMDEN)
    unseen = await say_different(made, "cy", teams=("Camden",))

    handed = await say_different(made)

    too_late = await say_same(made)
    not_theirs = await say_same(made, "cy", ROBIN, teams=("Camden",))
    async with made.connect() as connection:
        (waits,) = await reviews.waiting(connection, ("Camden",))
        assert await reviews.waiting(connection, (TEAM,)) == []
    assert unseen.verdict is Verdict.UNKNOWN
    assert handed.verdict is Verdict.HANDED_ON
    assert (too_late.verdict, too_late.state, too_late.by) == (Verdict.ALREADY, "handed-on", None)
    assert not_theirs.verdict is Verdict.NO_CANDIDATE
    assert (waits.team, waits.authority) == ("Camden", "E09000007")
    assert (await say_same(made, "cy", CAMDEN, teams=("Camden",))).verdict is Verdict.PAGED


async def test_with_two_hours_left_the_team_is_paged_as_possible_once_and_the_question_stands(
    made: AsyncEngine,
) -> None:
    await ask(made, ROBIN)
    with_two_hours_left = NOON + timedelta(hours=10)
    assert await page_what_is_due(made, with_two_hours_left - timedelta(seconds=1)) == 0

    paged = await page_what_is_due(made, with_two_hours_left)

    assert (paged, await page_what_is_due(made, with_two_hours_left)) == (1, 0)
    page = await the_page(made)
    assert (page.state, page.possible) == (PageState.OPEN, True)
    assert (await state(made), await links(made)) == ("open", [(ROBIN, Link.POSSIBLE, "auto")])


@pytest.mark.parametrize(
    ("more", "after"),
    [
        ({"type": ADMISSION}, timedelta(hours=2)),
        ({"details": {"expected_release_at": (NOON + timedelta(minutes=90)).isoformat()}}, timedelta(0)),
        ({"details": {"expected_release_at": (NOON - timedelta(minutes=90)).isoformat()}}, timedelta(0)),
        ({"type": ADMISSION, "details": {"deceased": True}}, None),
    ],
    ids=["four hours at A&E", "a release that is expected soon", "one that was expected", "a child who has died"],
)
async def test_when_a_possible_match_pages(made: AsyncEngine, more: dict[str, Any], after: timedelta | None) -> None:
    await ask(made, ROBIN, **more)

    async with made.connect() as connection:
        (row,) = await rows(connection, asked_about)
    assert row.pages_at == (NOON + after if after is not None else None)


async def test_a_child_for_whom_somebody_is_paged_already_is_not_paged_for_again(made: AsyncEngine) -> None:
    async with made.begin() as connection:
        await open_or_join(connection, SEALER, found("admission", ROBIN, type="nightlight.missing.v1"), at=NOON)
    await ask(made, ROBIN)

    assert await page_what_is_due(made, NOON + timedelta(hours=11)) == 0

    assert not (await the_page(made)).possible


async def test_the_same_child_makes_a_possible_page_sure_with_the_same_reference(made: AsyncEngine) -> None:
    await ask(made, ROBIN, WREN)
    late = NOON + timedelta(hours=10)
    await page_what_is_due(made, late)
    before = await the_page(made)

    decided = await say_same(made, at=late)

    page = await the_page(made)
    assert decided.verdict is Verdict.CONFIRMED
    assert (page.page, page.reference, page.possible) == (before.page, before.reference, False)
    assert await links(made) == [(ROBIN, Link.POSSIBLE, "auto"), (ROBIN, Link.SAME, DUTY)]


async def test_an_event_that_is_surely_about_the_child_makes_a_possible_page_sure(made: AsyncEngine) -> None:
    await ask(made, ROBIN)
    late = NOON + timedelta(hours=10)
    await page_what_is_due(made, late)

    async with made.begin() as connection:
        joined = await open_or_join(connection, SEALER, found("admission", ROBIN, type=ADMISSION), at=late)

    assert joined is Outcome.JOINED
    assert not (await the_page(made)).possible


@pytest.mark.parametrize("by", ["not the same", "another child", "cancelled"])
async def test_a_possible_page_is_recalled_when_it_was_not_the_child(made: AsyncEngine, by: str) -> None:
    await ask(made, ROBIN, WREN)
    late = NOON + timedelta(hours=10)
    await page_what_is_due(made, late)
    await send(made)

    if by == "not the same":
        await say_different(made, at=late)
    elif by == "another child":
        assert (await say_same(made, child_is=WREN, at=late)).verdict is Verdict.PAGED
    else:
        async with made.begin() as connection:
            await follow_up(connection, SEALER, cancelled("cancel", of="arrest"), at=late)

    async with made.connect() as connection:
        states = {row.child: row.state for row in await rows(connection, moments)}
    assert states == {ROBIN: "withdrawn"} | ({WREN: "open"} if by == "another child" else {})
    assert await texted(made, Purpose.WITHDRAWN) == [DUTY]


async def test_not_the_same_can_be_taken_back_and_then_be_the_same(made: AsyncEngine) -> None:
    await ask(made, ROBIN)
    late = NOON + timedelta(hours=10)
    await page_what_is_due(made, late)
    await say_different(made, at=late)

    async with made.begin() as connection:
        reopened = await deciding.reopen(connection, SEALER, key("arrest"), who="mina", why="wrong button", at=late)

    assert (reopened.verdict, await state(made)) == (Verdict.REOPENED, "open")
    assert (await say_same(made, at=late)).verdict is Verdict.PAGED
    async with made.connect() as connection:
        assert all(row.ended_at for row in await rows(connection, pairs.exclusions))
        assert sorted(row.state for row in await rows(connection, moments)) == ["open", "withdrawn"]


async def test_a_match_that_is_undone_recalls_its_page_and_is_remembered_and_nothing_is_erased(
    made: AsyncEngine,
) -> None:
    async with made.begin() as connection:
        told = found("arrest", ROBIN).model_copy(update={"marks": pairs.marks(SEALER, WHO)})
        await open_or_join(connection, SEALER, told, at=NOON)
    await send(made)
    page = (await the_page(made)).page

    undone, again = [await _undo(made, page) for _ in range(2)]

    assert (undone.undo, undone.remembered, again.undo) == (Undo.RECALLED, 2, Undo.ALREADY)
    assert (await the_page(made)).state == PageState.WITHDRAWN
    assert await texted(made, Purpose.WITHDRAWN) == [DUTY]
    assert await links(made) == [(ROBIN, Link.SAME, "auto"), (ROBIN, Link.DIFFERENT, "mina")]


async def test_a_page_that_has_ended_is_undone_without_another_text(made: AsyncEngine) -> None:
    async with made.begin() as connection:
        await open_or_join(connection, SEALER, found("arrest", ROBIN), at=NOON)
        await expiry.expire(connection, NOON + timedelta(hours=13))

    undone = await _undo(made, (await the_page(made)).page)

    assert undone.undo is Undo.RECORDED
    assert await texted(made, Purpose.WITHDRAWN) == []


async def test_a_page_of_another_team_is_unknown(made: AsyncEngine) -> None:
    async with made.begin() as connection:
        await open_or_join(connection, SEALER, found("arrest", ROBIN), at=NOON)
        page = (await rows(connection, pages))[0].page

        undone = await undoing.undo(connection, SEALER, page, who="cy", why="no", teams=("Camden",), at=SOON)

    assert undone.undo is Undo.UNKNOWN


async def test_a_match_is_never_changed(made: AsyncEngine) -> None:
    async with made.begin() as connection:
        await open_or_join(connection, SEALER, found("arrest", ROBIN), at=NOON)

    async with made.connect() as connection:
        with pytest.raises(DBAPIError, match="permission denied"):
            await connection.execute(matches.matches.update().values(child=WREN))


async def _undo(made: AsyncEngine, page: Any) -> undoing.Undone:
    async with made.begin() as connection:
        return await undoing.undo(connection, SEALER, page, who="mina", why="his twin", at=SOON)


async def test_the_chain_holds_after_all_of_it(made: AsyncEngine) -> None:
    await ask(made, ROBIN, CAMDEN)
    await say_different(made)
    await say_different(made, "cy", teams=("Camden",))

    async with made.connect() as connection:
        assert await audit.verify(connection) is None
        assert await _names_nobody(connection)


async def _names_nobody(connection: AsyncConnection) -> bool:
    stored = repr(await rows(connection, audit.audit)) + repr(await rows(connection, matches.matches))
    return not any(value in stored for value in ("Jay", "Lampwick", "9990000026", "2010-03-14"))
