"""The outbox: one sender for each attempt, and whatever is heard of it only ever moves it forward."""

import asyncio
import contextlib
import dataclasses
import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy import event, select, text, update

from embedded.phone import Mode, Phone
from notifiers import settle, sms
from notifiers.pager import Pager
from notifiers.wake import CHANNEL, DUE, Bells
from schemas.metrics import Metrics
from schemas.pages import AttemptState, PageState, Purpose
from schemas.sealing import Keyring
from schemas.settings import Settings
from store import answers, sending, unsettled
from store import links as store_links
from store.database import connect, libpq_url
from store.moments import moments
from store.pages import attempts, links, pages
from store.people import responders, shifts
from store.receipts import Receipt, receipts
from tests.pager_cast import NIGHT, Night, Watch, night, put_on_call

DEADLINE = NIGHT + timedelta(seconds=8)
ORDER = {
    AttemptState.PENDING: 0,
    AttemptState.SENDING: 1,
    AttemptState.UNKNOWN: 2,
    AttemptState.SENT: 3,
    AttemptState.DELIVERED: 4,
    AttemptState.UNDELIVERED: 4,
    AttemptState.FAILED: 4,
    AttemptState.DROPPED: 4,
}
"""A state may follow only one of a smaller number."""


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url) as begun:
        yield begun


async def claim(story: Night, limit: int = 20) -> list[sending.Claimed]:
    async with story.engine.begin() as connection:
        claimed, _ = await sending.claim(connection, at=story.watch(), deadline=DEADLINE, limit=limit)
        return claimed


async def test_many_senders_at_once_claim_each_attempt_once(story: Night) -> None:
    expected = {(await story.open_page())[0] for _ in range(12)}

    rounds = await asyncio.gather(*(claim(story, limit=3) for _ in range(8)))

    claimed = [one.page for mine in rounds for one in mine]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) | {one.page for one in await claim(story)} == expected


async def test_pages_go_before_everything_else(story: Night) -> None:
    taken, _ = await story.open_page()
    await story.round()
    async with story.engine.begin() as connection:
        await answers.accept(connection, taken, "ben", via="desk", at=story.watch())
    story.watch.later(seconds=1)
    page, _ = await story.open_page()

    assert [(one.page, one.purpose) for one in await claim(story)] == [(page, Purpose.PAGE), (taken, Purpose.TAKEN)]


async def test_what_is_not_due_waits(story: Night) -> None:
    await story.open_page()
    story.watch.later(seconds=-1)

    assert await claim(story) == []


async def test_a_page_that_is_being_answered_at_this_instant_is_left_for_the_next_claim(story: Night) -> None:
    page, _ = await story.open_page()

    async with story.engine.begin() as connection:
        await answers.accept(connection, page, "ben", via="desk", at=story.watch())
        during = await asyncio.wait_for(claim(story), 1)

    assert during == []
    assert await claim(story) == []
    assert await story.states(page) == ["dropped"]


async def test_a_claimed_page_has_the_link_of_its_text_and_what_is_dropped_has_none(story: Night) -> None:
    gone, _ = await story.open_page()
    page, reference = await story.open_page()
    async with story.engine.begin() as connection:
        await connection.execute(
            update(pages)
            .where(pages.c.page == gone)
            .values(state="withdrawn", ended_at=story.watch(), next_step_at=None)
        )

    [claimed] = await claim(story)

    async with story.engine.connect() as connection:
        found = await store_links.find(connection, claimed.token)
        made = (await connection.execute(select(links.c.page))).scalars().all()
    assert (claimed.page, claimed.reference, claimed.wait_seconds) == (page, reference, 120)
    assert found is not None
    assert (found.page, found.person, made) == (page, "ada", [page])


async def test_from_the_claim_to_the_settled_text_there_are_two_statements(story: Night) -> None:
    story.phone.behave(Mode.SILENT)
    await story.open_page()
    asked: list[str] = []

    @event.listens_for(story.engine.sync_engine, "before_cursor_execute")
    def remember(*given: Any) -> None:
        asked.append(given[2])

    await story.pager.send()
    await story.pager.idle()

    assert len(asked) == 2, asked
    assert await story.states() == ["sent"]


async def test_a_connection_that_died_unnoticed_costs_no_text_and_no_receipt(story: Night, database_url: str) -> None:
    assert story.sender is not None
    engine = connect(database_url, ping=False)
    sender = dataclasses.replace(story.sender, engine=engine)
    page, _ = await story.open_page()
    [one] = await sender.claim(20)
    async with engine.connect() as connection:
        idle = await connection.scalar(text("SELECT pg_backend_pid()"))

    async with await psycopg.AsyncConnection.connect(libpq_url(database_url), autocommit=True) as owner:
        await owner.execute("SELECT pg_terminate_backend(%s, 1000)", [idle])
    await sender.deliver(one)

    await story.until_states(page, "delivered")
    assert story.count("nightlight_attempts_total", channel="sms", provider="twilio", outcome="sent") == 1
    assert len(story.phone.texts) == 1
    await engine.dispose()


async def test_a_new_attempt_is_told_as_due_a_receipt_is_told_and_a_claim_is_not(
    story: Night, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(libpq_url(database_url), autocommit=True) as ear:
        await ear.execute(f"LISTEN {CHANNEL}")

        page, _ = await story.open_page()
        at_the_opening = [notice.payload async for notice in ear.notifies(timeout=1, stop_after=2)]
        [claimed] = await claim(story)
        at_the_claim = [notice.payload async for notice in ear.notifies(timeout=0.3)]
        async with story.engine.begin() as connection:
            await answers.pass_on(connection, page, "ada", via="reply", at=NIGHT)
        at_the_pass = [notice.payload async for notice in ear.notifies(timeout=1, stop_after=1)]
        async with story.engine.begin() as connection:
            await settle.take(connection, Receipt("twilio", "SM1", "failed", "30003", claimed.attempt), at=NIGHT)
        at_the_receipt = [notice.payload async for notice in ear.notifies(timeout=1, stop_after=1)]

    assert sorted(at_the_opening) == ["", DUE]
    assert (at_the_claim, at_the_pass, at_the_receipt) == ([], [""], [""])


async def test_past_its_deadline_an_attempt_is_unknown_and_is_tried_again_once(story: Night) -> None:
    page, _ = await story.open_page()
    [claimed] = await claim(story)

    async with story.engine.begin() as connection:
        early = await unsettled.give_up_waiting(connection, at=DEADLINE - timedelta(seconds=1))
        late = await unsettled.give_up_waiting(connection, at=DEADLINE)
        [lost] = await unsettled.unknown(connection, patience=timedelta(seconds=8), at=DEADLINE)
        again = [await unsettled.try_again(connection, lost.attempt, at=DEADLINE) for _ in range(2)]
        still = await unsettled.unknown(connection, patience=timedelta(seconds=8), at=DEADLINE)

    assert (early, late, lost.attempt, lost.since, again, still) == (0, 1, claimed.attempt, NIGHT, [True, False], [])
    assert [(one.state, getattr(one, "try")) for one in await story.attempts(page)] == [("unknown", 1), ("pending", 2)]


async def test_a_person_who_has_opted_out_is_not_texted(story: Night) -> None:
    await story.open_page()
    await story.phone.reply("+447700900001", "STOP")
    page, _ = await story.open_page()

    await story.round()

    assert not [text for text in story.phone.texts if text.to == "+447700900001"]
    assert (await story.page(page)).state == PageState.OPEN


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_receipts_in_any_order_and_number_never_move_a_state_back(database_url: str, data: st.DataObject) -> None:
    heard = data.draw(st.lists(st.sampled_from([*sms.STATUSES, "new-word", "reply", "silence", "accept"]), max_size=10))

    states, page_states = asyncio.run(listen(database_url, heard))

    for earlier, later in itertools.pairwise(states):
        assert earlier == later or ORDER[later] > ORDER[earlier]
    accepted = page_states.index("accepted") if "accepted" in page_states else len(page_states)
    assert set(page_states[accepted:]) <= {"accepted"}


async def listen(database_url: str, heard: list[str]) -> tuple[list[AttemptState], list[str]]:
    """One attempt, claimed; then everything that is heard of it, each in a transaction of its own."""
    async with quiet(database_url) as story:
        page, _ = await story.open_page()
        [claimed] = await claim(story)
        states, page_states = [AttemptState.SENDING], ["open"]
        for number, word in enumerate(heard):
            await hear(story, claimed.attempt, page, word, number)
            states += [AttemptState(state) for state in await story.states(page, purpose="page")]
            page_states.append((await story.page(page)).state)
        return states, page_states


async def hear(story: Night, attempt: UUID, page: UUID, word: str, number: int) -> None:
    now = NIGHT + timedelta(seconds=number)
    async with story.engine.begin() as connection:
        match word:
            case "reply":
                await sending.settle_sent(connection, attempt, provider="twilio", provider_id="SM1", at=now)
            case "silence":
                await unsettled.give_up_waiting(connection, at=DEADLINE)
            case "accept":
                await answers.accept(connection, page, "ada", via="reply", at=now)
            case _:
                await settle.take(connection, Receipt("twilio", "SM1", word, "30003", attempt), at=now)


@contextlib.asynccontextmanager
async def quiet(database_url: str) -> AsyncIterator[Night]:
    """A night without a network: only the database, emptied of what the example before has left."""
    engine = connect(database_url)
    async with engine.begin() as connection:
        for table in (receipts, links, attempts, pages, moments, shifts, responders):
            await connection.execute(table.delete())
    await put_on_call(engine)
    try:
        nobody = Phone("AC", "token", "")
        pager = Pager(engine, None, Metrics.build(CollectorRegistry()), Watch(), Bells())  # type: ignore[arg-type]
        yield Night(engine, Settings.model_validate({}), Watch(), nobody, pager, CollectorRegistry(), Keyring.make())
    finally:
        await engine.dispose()
