"""One moment, one page, one clock (promise 2): whatever comes, in whatever order, from however many lanes."""

import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.envelope import Mode
from schemas.moments import Fact, FollowedUp, Outcome
from schemas.pages import DEFAULT_PLAN, MomentState, PageState, Purpose, Role
from schemas.wire import event_key
from store import answers, audit, children
from store.expiry import expire, gauges, purge
from store.following import follow_up
from store.moments import facts, held_follow_ups, moments, outcomes, reviews
from store.opening import open_or_join
from store.pages import attempts, begin_step, pages
from store.people import responders
from store.reviews import ask_review
from tests.store_cast import (
    ADMISSION,
    AUTHORITY,
    BACKUP,
    DISCHARGE,
    DUTY,
    IDENTITY,
    MANAGER,
    NOON,
    ROBIN,
    SEALER,
    TEAM,
    WREN,
    asked,
    cancelled,
    child,
    count,
    fact,
    found,
    house,
    key,
    put_on_call,
    released,
    rows,
    watch,
)
from tests.store_cast import engine as second_engine

LATER = NOON + timedelta(minutes=5)


async def tell(engine: AsyncEngine, event: str, child_id: str = ROBIN, **more: object) -> Outcome:
    async with engine.begin() as connection:
        return await open_or_join(connection, SEALER, found(event, child_id, **more), at=NOON)


async def cancel(engine: AsyncEngine, event: str, *, of: str) -> Outcome:
    async with engine.begin() as connection:
        return await follow_up(connection, SEALER, cancelled(event, of=of), at=LATER)


async def release(engine: AsyncEngine, event: str, *, about: str, **more: object) -> Outcome:
    async with engine.begin() as connection:
        return await follow_up(connection, SEALER, released(event, about=about, **more), at=LATER)


async def mark_sent(connection: AsyncConnection) -> None:
    """As the pager would: claimed, then taken by the provider."""
    await connection.execute(update(attempts).values(state="sending", deadline_at=NOON))
    await connection.execute(update(attempts).values(state="sent", sent_at=NOON, provider="phone", provider_id="SM1"))


async def entries(connection: AsyncConnection) -> list[str]:
    return [row.what for row in await rows(connection, audit.audit, "entry", "what")]


async def test_an_arrest_opens_a_moment_with_its_page_and_one_attempt_for_the_worker_on_call(database_url: str) -> None:
    async with house(database_url) as engine:
        outcome = await tell(engine, "arrest")

        async with engine.connect() as connection:
            (moment,), (page,), (attempt,) = [await rows(connection, table) for table in (moments, pages, attempts)]
            said = await entries(connection)
    assert outcome is Outcome.PAGED
    assert (moment.child, moment.state, moment.team, moment.authority) == (ROBIN, MomentState.OPEN, TEAM, AUTHORITY)
    assert moment.window_ends_at == NOON + timedelta(hours=12)
    assert (page.moment, page.state, page.step, page.round) == (moment.moment, PageState.OPEN, 1, 1)
    assert page.next_step_at == NOON + timedelta(seconds=120)
    assert (page.occurred_at, page.opened_at) == (NOON - timedelta(minutes=2), NOON)
    assert page.plan == [step.model_dump(mode="json") for step in DEFAULT_PLAN]
    assert (attempt.person, attempt.channel, attempt.purpose, attempt.state) == (DUTY, "sms", "page", "pending")
    assert said == ["children-imported", "event-decided", "page-opened"]


async def test_a_second_event_joins_the_open_moment_and_the_page_does_not_change(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")
        async with engine.connect() as connection:
            before = await rows(connection, pages), await rows(connection, attempts)

        outcome = await tell(engine, "missing", type="nightlight.missing.v1")

        async with engine.connect() as connection:
            after = await rows(connection, pages), await rows(connection, attempts)
            told = await rows(connection, facts, "type", "outcome")
    assert outcome is Outcome.JOINED
    assert after == before
    assert sorted(told) == [("nightlight.arrest.v1", "paged"), ("nightlight.missing.v1", "joined")]


async def test_an_event_that_joins_keeps_the_moment_open_for_its_own_window(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "admission", type=ADMISSION)

        await tell(engine, "missing", type="nightlight.missing.v1")

        async with engine.connect() as connection:
            (moment,) = await rows(connection, moments)
    assert moment.window_ends_at == NOON + timedelta(hours=72)


@pytest.mark.parametrize(
    ("ended", "about", "outcome"),
    [
        ("closed", "the same visit", Outcome.JOINED),
        ("closed", "another visit", Outcome.PAGED),
        ("expired", "the same visit", Outcome.PAGED),
        ("withdrawn", "the same visit", Outcome.PAGED),
    ],
)
async def test_what_goes_on_of_a_visit_that_a_worker_has_closed_pages_nobody_again(
    ended: str, about: str, outcome: Outcome, database_url: str
) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrival", about="the same visit", type=ADMISSION)
        async with engine.begin() as connection:
            await connection.execute(update(pages).values(state="withdrawn", ended_at=NOON, next_step_at=None))
            await connection.execute(update(moments).values(state=ended, ended_at=NOON))

        said = await tell(engine, "transfer", about=about, type=ADMISSION)

        again = await tell(engine, "transfer", about=about, type=ADMISSION)
    assert said is again is outcome


@pytest.mark.parametrize("event", ["arrest", "joined", "cancelled-before", "unwatched", "review", "release", "cancel"])
async def test_a_replay_ends_the_same_and_writes_nothing(database_url: str, event: str) -> None:
    async with house(database_url) as engine:
        await cancel(engine, "early", of="cancelled-before")
        await tell(engine, "arrest")

        async def play() -> Outcome:
            async with engine.begin() as connection:
                match event:
                    case "review":
                        return await ask_review(connection, SEALER, asked(event, WREN), at=NOON)
                    case "release":
                        return await follow_up(connection, SEALER, released(event, about="arrest"), at=NOON)
                    case "cancel":
                        return await follow_up(connection, SEALER, cancelled(event, of="arrest"), at=NOON)
                    case _:
                        who = "c-nobody" if event == "unwatched" else ROBIN
                        return await open_or_join(connection, SEALER, found(event, who), at=NOON)

        first = await play()
        async with engine.connect() as connection:
            before = [await rows(connection, table) for table in (moments, pages, facts, attempts, audit.audit)]
        second = await play()

        async with engine.connect() as connection:
            after = [await rows(connection, table) for table in (moments, pages, facts, attempts, audit.audit)]
    assert second is first
    assert after == before


async def test_a_test_event_goes_the_whole_way_and_writes_nothing(database_url: str) -> None:
    tables = (moments, pages, facts, attempts, reviews, held_follow_ups, outcomes)
    async with house(database_url) as engine, engine.begin() as connection:
        opened = await open_or_join(connection, SEALER, found("arrest", mode=Mode.TEST), at=NOON)
        review = await ask_review(connection, SEALER, asked("review", mode=Mode.TEST), at=NOON)
        left = await follow_up(connection, SEALER, released("release", about="arrest", mode=Mode.TEST), at=NOON)

        written = [await count(connection, table) for table in tables]
    assert {opened, review, left} == {Outcome.TEST}
    assert written == [0] * len(tables)


async def test_a_child_who_was_removed_meanwhile_is_not_watched(database_url: str) -> None:
    async with house(database_url) as engine:
        async with engine.begin() as connection:
            await children.remove(connection, ROBIN, at=NOON, who="test", why="plan ended")

        outcome = await tell(engine, "arrest")

        async with engine.connect() as connection:
            assert await count(connection, moments) == 0
            assert (await entries(connection))[-1] == "event-decided"
    assert outcome is Outcome.NOT_WATCHED


@pytest.mark.parametrize(
    ("dates", "outcome"),
    [
        ({"review_on": NOON.date()}, Outcome.PAGED),
        ({"review_on": NOON.date() - timedelta(days=1)}, Outcome.NOT_WATCHED),
        ({"starts_on": NOON.date()}, Outcome.PAGED),
        ({"starts_on": NOON.date() + timedelta(days=1)}, Outcome.NOT_WATCHED),
    ],
)
async def test_an_entry_counts_from_its_first_day_to_its_last(
    database_url: str, dates: dict[str, object], outcome: Outcome
) -> None:
    async with house(database_url) as engine:
        async with engine.begin() as connection:
            await watch(connection, child("c-dated", **dates))

        ended = await tell(engine, "arrest", "c-dated")
    assert ended is outcome


async def test_a_cancelled_event_takes_its_page_back_and_tells_who_was_told(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")
        async with engine.begin() as connection:
            await mark_sent(connection)
            (page,) = await rows(connection, pages, "page")
            await begin_step(connection, page.page, step=2, round=1, at=NOON)

        outcome = await cancel(engine, "cancel", of="arrest")

        async with engine.connect() as connection:
            (moment,), (page,) = await rows(connection, moments), await rows(connection, pages)
            tried = {(row.person, row.purpose, row.state) for row in await rows(connection, attempts)}
            (told,) = await rows(connection, facts)
            said = await entries(connection)
    assert outcome is Outcome.CANCELLED
    assert (moment.state, page.state, told.withdrawn_at) == (MomentState.WITHDRAWN, PageState.WITHDRAWN, LATER)
    assert tried == {(DUTY, "page", "sent"), (BACKUP, "page", "dropped"), (DUTY, Purpose.WITHDRAWN, "pending")}
    assert "page-withdrawn" in said


async def test_who_accepted_at_the_desk_and_was_never_texted_is_told_that_it_is_withdrawn(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")
        async with engine.begin() as connection:
            (page,) = await rows(connection, pages, "page")
            await answers.accept(connection, page.page, BACKUP, via="desk", at=NOON)

        await cancel(engine, "cancel", of="arrest")

        async with engine.connect() as connection:
            told = {row.person for row in await rows(connection, attempts) if row.purpose == Purpose.WITHDRAWN}
    assert told == {BACKUP}


async def test_a_page_stays_while_another_fact_still_tells_of_the_child(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")
        await tell(engine, "admission", type=ADMISSION)

        first = await cancel(engine, "cancel-1", of="arrest")
        async with engine.connect() as connection:
            (between,) = await rows(connection, pages, "state")
        second = await cancel(engine, "cancel-2", of="admission")

        async with engine.connect() as connection:
            (after,) = await rows(connection, pages, "state")
    assert (first, between.state) == (Outcome.CANCELLED, PageState.OPEN)
    assert (second, after.state) == (Outcome.CANCELLED, PageState.WITHDRAWN)


async def test_a_release_alone_does_not_keep_a_cancelled_arrest_alive(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")
        await release(engine, "release", about="arrest")

        await cancel(engine, "cancel", of="arrest")

        async with engine.connect() as connection:
            (page,) = await rows(connection, pages, "state")
    assert page.state == PageState.WITHDRAWN


async def test_a_cancellation_that_comes_first_stops_the_page(database_url: str) -> None:
    async with house(database_url) as engine:
        before = await cancel(engine, "cancel", of="arrest")
        async with engine.connect() as connection:
            (held,) = await rows(connection, held_follow_ups)

        outcome = await tell(engine, "arrest")

        async with engine.connect() as connection:
            assert await count(connection, pages) == 0
    assert (before, held.about) == (Outcome.NOTED, key("arrest"))
    assert outcome is Outcome.CANCELLED


async def test_a_release_says_when_the_child_had_left_and_the_page_stays(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")

        outcome = await release(engine, "release", about="arrest", occurred_at=NOON + timedelta(minutes=4))

        async with engine.connect() as connection:
            (moment,), (page,) = await rows(connection, moments), await rows(connection, pages)
    assert outcome is Outcome.JOINED
    assert (moment.left_at, moment.state, page.state) == (NOON + timedelta(minutes=4), "open", "open")


async def test_a_release_that_comes_before_its_arrest_counts_when_the_arrest_comes(database_url: str) -> None:
    async with house(database_url) as engine:
        early = await release(engine, "release", about="arrest")

        outcome = await tell(engine, "arrest")

        async with engine.connect() as connection:
            (moment,) = await rows(connection, moments)
    assert (early, outcome) == (Outcome.NOT_WATCHED, Outcome.PAGED)
    assert moment.left_at == NOON - timedelta(minutes=2)


async def test_a_child_has_left_only_when_they_have_left_every_place(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")
        await release(engine, "release", about="arrest")
        await tell(engine, "admission", type=ADMISSION)
        async with engine.connect() as connection:
            (between,) = await rows(connection, moments, "left_at")

        await release(engine, "discharge", about="admission", type=DISCHARGE, occurred_at=LATER)

        async with engine.connect() as connection:
            (after,) = await rows(connection, moments, "left_at")
    assert (between.left_at, after.left_at) == (None, LATER)


async def test_a_follow_up_about_a_child_who_is_not_watched_leaves_keyed_hashes_for_a_day(database_url: str) -> None:
    async with house(database_url) as engine:
        outcome = await release(engine, "release", about="somebody")
        async with engine.connect() as connection:
            (held,) = await rows(connection, held_follow_ups)
            said = await entries(connection)

        async with engine.begin() as connection:
            await purge(connection, LATER + timedelta(days=1))
            kept = await count(connection, held_follow_ups)
            await purge(connection, LATER + timedelta(days=1, seconds=1))
            left = await count(connection, held_follow_ups)
    assert outcome is Outcome.NOT_WATCHED
    assert set(held) == {held.event_key, held.about, held.type, held.occurred_at, held.outcome, held.held_at}
    assert said == ["children-imported"]
    assert (kept, left) == (1, 0)


async def test_another_identity_takes_the_wrong_child_s_page_back_and_opens_the_right_one(database_url: str) -> None:
    earlier = event_key(SEALER, "met-custody", "e-1")
    of = {"of": {"source": "met-custody", "id": "e-1"}}
    async with house(database_url) as engine:
        await tell(engine, "arrest", ROBIN, event_key=earlier)

        outcome = await tell(engine, "identity", WREN, type=IDENTITY, details=of)

        async with engine.connect() as connection:
            told = {row.child: row.state for row in await rows(connection, moments)}
    assert outcome is Outcome.PAGED
    assert told == {ROBIN: MomentState.WITHDRAWN, WREN: MomentState.OPEN}


async def test_another_identity_of_the_same_child_joins(database_url: str) -> None:
    earlier = event_key(SEALER, "met-custody", "e-1")
    of = {"of": {"source": "met-custody", "id": "e-1"}}
    async with house(database_url) as engine:
        await tell(engine, "arrest", ROBIN, event_key=earlier)

        outcome = await tell(engine, "identity", ROBIN, type=IDENTITY, details=of)

        async with engine.connect() as connection:
            told = [row.state for row in await rows(connection, moments)]
    assert (outcome, told) == (Outcome.JOINED, [MomentState.OPEN])


@pytest.mark.parametrize("matched", [True, False], ids=["it had been matched", "it had been nobody's"])
@pytest.mark.parametrize("of_the_first", [True, False], ids=["both of the arrest", "one of the other"])
async def test_of_several_changes_of_identity_the_last_one_is_right(
    database_url: str, *, matched: bool, of_the_first: bool
) -> None:
    arrest = {"of": {"source": "met-custody", "id": "e-1"}}
    first = {"of": {"source": "met-custody", "id": "e-2"}}
    async with house(database_url) as engine:
        if matched:
            await tell(engine, "arrest", ROBIN, event_key=event_key(SEALER, "met-custody", "e-1"))
        changed = event_key(SEALER, "met-custody", "e-2")
        await tell(engine, "change", WREN, type=IDENTITY, details=arrest, event_key=changed)

        await tell(engine, "second", ROBIN, type=IDENTITY, details=arrest if of_the_first else first)

        async with engine.connect() as connection:
            open_ = [row.child for row in await rows(connection, moments) if row.state == MomentState.OPEN]
    assert open_ == [ROBIN]


@pytest.mark.parametrize("matched", [True, False], ids=["it had been matched", "it had been nobody's"])
async def test_what_a_change_of_identity_told_ends_with_the_event_and_with_its_being_nobody(
    database_url: str, *, matched: bool
) -> None:
    earlier = event_key(SEALER, "met-custody", "e-1")
    async with house(database_url) as engine:
        if matched:
            await tell(engine, "arrest", ROBIN, event_key=earlier)
        await tell(engine, "change", WREN, type=IDENTITY, details={"of": {"source": "met-custody", "id": "e-1"}})
        nobody = FollowedUp(fact=fact("nobody", type=IDENTITY, details={}), of=earlier)

        async with engine.begin() as connection:
            await follow_up(connection, SEALER, nobody, at=LATER)

        async with engine.connect() as connection:
            told = {row.child: row.state for row in await rows(connection, moments)}
            said = await entries(connection)
    assert told[WREN] == MomentState.WITHDRAWN
    assert said.count("page-withdrawn") == (2 if matched else 1)


async def test_a_question_that_a_change_of_identity_asked_ends_with_the_next_change(database_url: str) -> None:
    of = {"of": {"source": "met-custody", "id": "e-1"}}
    async with house(database_url) as engine:
        async with engine.begin() as connection:
            await ask_review(connection, SEALER, asked("change", WREN, type=IDENTITY, details=of), at=NOON)

        await tell(engine, "second", ROBIN, type=IDENTITY, details=of)

        async with engine.connect() as connection:
            states = [row.state for row in await rows(connection, reviews)]
    assert states == ["withdrawn"]


@pytest.mark.parametrize(("corrected_to", "outcome"), [(WREN, Outcome.CANCELLED), (ROBIN, Outcome.JOINED)])
async def test_another_identity_that_comes_first_decides_about_the_event_it_corrects(
    database_url: str, corrected_to: str, outcome: Outcome
) -> None:
    of = {"of": {"source": "met-custody", "id": "e-1"}}
    async with house(database_url) as engine:
        first = await tell(engine, "identity", corrected_to, type=IDENTITY, details=of)

        late = await tell(engine, "arrest", ROBIN, event_key=event_key(SEALER, "met-custody", "e-1"))
        again = await tell(engine, "identity", corrected_to, type=IDENTITY, details=of)
    assert (first, late, again) == (Outcome.PAGED, outcome, Outcome.PAGED)


async def test_a_possible_match_is_put_to_its_team_and_kept_sealed(database_url: str) -> None:
    async with house(database_url) as engine, engine.begin() as connection:
        outcome = await ask_review(connection, SEALER, asked("review"), at=NOON)

        (review,) = await rows(connection, reviews)
        opened = Fact.model_validate_json(SEALER.open(review.fact, place=f"reviews/{key('review')}/fact"))
        person = json.loads(SEALER.open(review.person, place=f"reviews/{key('review')}/person"))
    assert outcome is Outcome.REVIEW
    assert (review.team, review.authority, review.state, review.lane) == (TEAM, AUTHORITY, "open", "review")
    assert review.expires_at == NOON + timedelta(hours=12)
    assert (opened.event_key, person["family_name"]) == (key("review"), "Lampwick")
    assert b"Lampwick" not in review.person


async def test_a_cancelled_event_withdraws_its_open_review(database_url: str) -> None:
    async with house(database_url) as engine:
        async with engine.begin() as connection:
            await ask_review(connection, SEALER, asked("review"), at=NOON)

        outcome = await cancel(engine, "cancel", of="review")

        async with engine.connect() as connection:
            (review,) = await rows(connection, reviews)
    assert (outcome, review.state, review.decided_at) == (Outcome.CANCELLED, "withdrawn", LATER)


async def test_nobody_on_call_is_written_down_and_the_next_step_is_due_at_once(database_url: str) -> None:
    async with house(database_url, on_call={MANAGER: Role.MANAGER}) as engine:
        await tell(engine, "arrest")

        async with engine.begin() as connection:
            (page,) = await rows(connection, pages)
            said = await entries(connection)
            reached = await begin_step(connection, page.page, step=3, round=1, at=LATER)
            (later,) = await rows(connection, pages)
    assert (page.state, page.next_step_at) == (PageState.OPEN, NOON)
    assert "nobody-on-call" in said
    assert (reached, later.next_step_at) == (1, LATER + timedelta(seconds=300))


async def test_the_last_step_looks_again_in_fifteen_seconds_when_it_finds_nobody(database_url: str) -> None:
    async with house(database_url, on_call={}) as engine:
        await tell(engine, "arrest")

        async with engine.begin() as connection:
            (page,) = await rows(connection, pages, "page")
            reached = await begin_step(connection, page.page, step=3, round=4, at=LATER)
            (later,) = await rows(connection, pages)
    assert (reached, later.step, later.round) == (0, 3, 4)
    assert later.next_step_at == LATER + timedelta(seconds=15)


async def test_a_phone_that_has_opted_out_is_nobody(database_url: str) -> None:
    async with house(database_url) as engine:
        async with engine.begin() as connection:
            await connection.execute(update(responders).where(responders.c.person == DUTY).values(stopped_at=NOON))

        await tell(engine, "arrest")

        async with engine.connect() as connection:
            assert await count(connection, attempts) == 0
            assert "nobody-on-call" in await entries(connection)


async def test_the_same_step_again_tells_nobody_twice(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")

        async with engine.begin() as connection:
            (page,) = await rows(connection, pages, "page")
            await begin_step(connection, page.page, step=1, round=1, at=LATER)
            assert await count(connection, attempts) == 1


async def test_everybody_on_call_for_a_role_is_told(database_url: str) -> None:
    async with house(database_url, on_call={DUTY: Role.PRIMARY, BACKUP: Role.PRIMARY}) as engine:
        await tell(engine, "arrest")

        async with engine.connect() as connection:
            told = [row.person for row in await rows(connection, attempts, "person")]
    assert told == [BACKUP, DUTY]


async def test_a_page_that_nobody_accepted_in_its_window_expires_and_the_manager_is_told(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")
        async with engine.begin() as connection:
            early = await expire(connection, NOON + timedelta(hours=12, seconds=-1))
            await put_on_call(connection, {MANAGER: Role.MANAGER})

        async with engine.begin() as connection:
            (ended,) = await expire(connection, NOON + timedelta(hours=12))

        async with engine.connect() as connection:
            (moment,), (page,) = await rows(connection, moments), await rows(connection, pages)
            tried = {(row.person, row.purpose, row.state) for row in await rows(connection, attempts)}
            said = await entries(connection)
    assert early == []
    assert (ended.page, ended.was, ended.told) == (page.page, PageState.OPEN, (MANAGER,))
    assert (moment.state, page.state) == (MomentState.EXPIRED, PageState.EXPIRED)
    assert tried == {(DUTY, "page", "dropped"), (MANAGER, "expired", "pending")}
    assert said[-1] == "page-expired"


async def test_without_a_manager_whoever_else_is_on_call_is_told_that_a_page_has_expired(database_url: str) -> None:
    async with house(database_url, on_call={DUTY: Role.PRIMARY}) as engine:
        await tell(engine, "arrest")

        async with engine.begin() as connection:
            (ended,) = await expire(connection, NOON + timedelta(hours=12))

    assert ended.told == (DUTY,)


async def test_a_moment_with_contact_made_is_closed_when_its_window_is_over(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")
        async with engine.begin() as connection:
            answered = {"accepted_at": NOON, "accepted_by": DUTY, "next_step_at": None, "contact_due_at": NOON}
            await connection.execute(update(pages).values(state="accepted", **answered))
            await connection.execute(update(pages).values(state="contact", contact_at=NOON))

        async with engine.begin() as connection:
            (ended,) = await expire(connection, NOON + timedelta(hours=12))

        async with engine.connect() as connection:
            (moment,), (page,) = await rows(connection, moments), await rows(connection, pages)
    assert not ended.expired
    assert (moment.state, page.state) == (MomentState.CLOSED, PageState.CLOSED)


async def test_an_event_after_the_window_opens_a_new_moment(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")

        async with engine.begin() as connection:
            after = NOON + timedelta(hours=12)
            outcome = await open_or_join(connection, SEALER, found("admission", type=ADMISSION), at=after)
            states = sorted(row.state for row in await rows(connection, moments))
    assert (outcome, states) == (Outcome.PAGED, ["expired", "open"])


async def test_a_review_that_nobody_decided_expires(database_url: str) -> None:
    async with house(database_url) as engine, engine.begin() as connection:
        await ask_review(connection, SEALER, asked("review"), at=NOON)

        await expire(connection, NOON + timedelta(hours=12))

        (review,) = await rows(connection, reviews, "state")
    assert review.state == "expired"


async def test_what_is_open_is_counted_by_authority(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest", ROBIN)
        await tell(engine, "admission", WREN, type=ADMISSION)
        async with engine.begin() as connection:
            await ask_review(connection, SEALER, asked("review"), at=NOON)
            answered = {"accepted_at": NOON, "accepted_by": DUTY, "next_step_at": None, "contact_due_at": NOON}
            admitted = update(pages).where(pages.c.type == ADMISSION)
            await connection.execute(admitted.values(state="accepted", **answered))

            counted = await gauges(connection)
    assert (counted.moments_open, counted.moments_unanswered, counted.reviews_open) == (
        {AUTHORITY: 2},
        {AUTHORITY: 1},
        {AUTHORITY: 1},
    )


async def test_no_value_of_anybody_is_in_the_audit_chain(database_url: str) -> None:
    async with house(database_url) as engine:
        await tell(engine, "arrest")
        await cancel(engine, "cancel", of="arrest")

        async with engine.connect() as connection:
            written = repr(await rows(connection, audit.audit))
    for value in ("Lampwick", "Robin", "2010", "9990000018", "+447700900001", "01CB/1234/26"):
        assert value not in written


async def test_two_lanes_that_open_the_same_event_at_once_open_it_once(database_url: str) -> None:
    async with house(database_url) as a, second_engine(database_url) as b:
        for turn in range(10):
            ended = await asyncio.gather(*(tell(lane, f"arrest-{turn}", WREN) for lane in (a, b, a, b)))
            assert len(set(ended)) == 1

        async with a.connect() as connection:
            assert await count(connection, moments) == await count(connection, pages) == 1
            assert await count(connection, facts) == 10


async def test_events_of_one_child_that_come_at_once_make_one_moment(database_url: str) -> None:
    async with house(database_url) as a, second_engine(database_url) as b:
        ended = await asyncio.gather(*(tell((a, b)[turn % 2], f"arrest-{turn}") for turn in range(10)))

        async with a.connect() as connection:
            assert await count(connection, moments) == await count(connection, pages) == 1
            assert await count(connection, facts) == 10
            assert await audit.verify(connection) is None
    assert sorted(ended) == ["joined"] * 9 + ["paged"]


async def test_a_cancellation_and_its_event_at_once_never_leave_a_page(database_url: str) -> None:
    async with house(database_url) as a, second_engine(database_url) as b:
        for turn in range(10):
            await asyncio.gather(tell(a, f"arrest-{turn}"), cancel(b, f"cancel-{turn}", of=f"arrest-{turn}"))

            async with a.connect() as connection:
                assert await gauges_open(connection) == 0


async def test_a_join_and_the_withdrawal_of_the_moment_at_once_never_lose_the_joined_event(database_url: str) -> None:
    async with house(database_url) as a, second_engine(database_url) as b:
        for turn in range(10):
            await tell(a, f"arrest-{turn}")
            await asyncio.gather(
                cancel(a, f"cancel-{turn}", of=f"arrest-{turn}"),
                tell(b, f"admission-{turn}", type=ADMISSION),
            )

            async with a.connect() as connection:
                assert await gauges_open(connection) == 1
            await cancel(a, f"over-{turn}", of=f"admission-{turn}")


async def gauges_open(connection: AsyncConnection) -> int:
    return (await gauges(connection)).moments_unanswered.total()
