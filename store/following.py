"""What follows on what was told: a release, a discharge, a child found, a cancellation, another identity."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Mode
from schemas.kinds import BY_TYPE
from schemas.moments import Decision, Fact, FollowedUp, Lane, Outcome
from schemas.pages import MomentState, PageState, Purpose
from schemas.wire import Sealer
from store import answers, audit, corrections, sending
from store.database import lock
from store.ids import moment_id
from store.moments import WHO, add_fact, facts, hold, known_outcome, moments, remember, reviews, settle_left
from store.pages import drop_pending, pages

LIVE = (PageState.OPEN, PageState.ACCEPTED, PageState.CONTACT)

UNMATCHED = Decision(lane=Lane.NONE, why=("follows what was told before: nobody was compared",), model="none")


async def follow_up(connection: AsyncConnection, sealer: Sealer, followed: FollowedUp, *, at: datetime) -> Outcome:
    """Act on what follows an earlier event; what has not come yet is waited for, for a day.

    A release, a discharge or a found joins the moment of its subject as a fact, and says when the child had left; outcome
    joined, or not-watched if there is no such moment, which writes down nothing but keyed hashes. What names an event
    (`of`) takes it back, and the page with it if nothing else is told of the child; outcome cancelled, or noted if there
    is no such event here.
    """
    fact = followed.fact
    if fact.mode is Mode.TEST:
        return Outcome.TEST
    about = followed.of or fact.subject_key
    await lock(connection, "event" if followed.of else "subject", about)
    if known := await known_outcome(connection, fact.event_key):
        return known
    if followed.of is None:
        return await _join(connection, sealer, fact, at)
    taken_back, withdrawn = await take_back(connection, followed.of, at=at, by=fact.event_key)
    if not taken_back:
        await hold(connection, fact, followed.of, Outcome.NOTED, at=at)
        await audit.record_all(connection, lines(withdrawn, fact.type, at))
        return Outcome.NOTED
    await remember(connection, fact.event_key, Outcome.CANCELLED, at=at)
    detail = {"type": fact.type, "feed": fact.feed, "outcome": Outcome.CANCELLED, "of": followed.of}
    decided = audit.Line(audit.What.EVENT_DECIDED, WHO, f"event/{fact.event_key}", at, detail)
    await audit.record_all(connection, [*lines(withdrawn, fact.type, at), decided])
    return Outcome.CANCELLED


async def take_back(
    connection: AsyncConnection, event_key: str, *, at: datetime, by: str, unless: str | None = None
) -> tuple[bool, list[UUID]]:
    """Take back an event, but not if it is about the child `unless`: whether there was one, and the pages withdrawn with it.

    An open review of it is withdrawn too, and so is whatever changes of its identity have told: of several, the last one, `by`,
    is right. The caller holds the event's lock, and writes the pages' `lines` into the audit chain.
    """
    there, withdrawn = await _take_back(connection, event_key, at=at, unless=unless)
    for later in await _changes_of(connection, event_key, by):
        withdrawn += (await _take_back(connection, later, at=at, unless=unless))[1]
    return there, withdrawn


async def _changes_of(connection: AsyncConnection, event_key: str, by: str) -> list[str]:
    """The changes of identity that correct this event, or one another; `by` and what corrects it left out."""
    seen, wanted = {event_key, by}, [event_key]
    found: list[str] = []
    while wanted:
        told = select(facts.c.event_key).where(facts.c.corrects.in_(wanted))
        asked = select(reviews.c.event_key).where(reviews.c.corrects.in_(wanted))
        wanted = sorted(set((await connection.scalars(union(told, asked))).all()) - seen)
        seen.update(wanted)
        found += wanted
    return found


async def _take_back(
    connection: AsyncConnection, event_key: str, *, at: datetime, unless: str | None
) -> tuple[bool, list[UUID]]:
    asked = (reviews.c.event_key == event_key) & (reviews.c.state == "open")
    ended = update(reviews).where(asked).values(state="withdrawn", decided_at=at, decided_by=WHO)
    reviewed = (await connection.execute(ended)).rowcount > 0
    told, withdrawn = await take_back_facts(connection, event_key, at=at, unless=unless)
    return reviewed or told, withdrawn


async def take_back_facts(
    connection: AsyncConnection, event_key: str, *, at: datetime, unless: str | None = None
) -> tuple[bool, list[UUID]]:
    """What was told of it, in whatever moment, but not if that is the child `unless`: whether there was anything, and the
    pages withdrawn with it.
    """
    told = select(facts.c.moment, moments.c.child).join(moments).where(facts.c.event_key == event_key)
    rows = (await connection.execute(told.order_by(facts.c.moment))).all()
    withdrawn: list[UUID] = []
    for row in rows:
        if row.child != unless:
            withdrawn += await _take_out(connection, event_key, row.moment, at)
    return bool(rows), withdrawn


async def unused(connection: AsyncConnection, child: str, event_key: str) -> UUID:
    """The id of a new moment of the child that begins with this event: another one, where it was opened before and withdrawn."""
    number = 0
    while True:
        moment = moment_id(child, f"{event_key}/{number}" if number else event_key)
        if await connection.scalar(select(func.count()).select_from(moments).where(moments.c.moment == moment)) == 0:
            return moment
        number += 1


async def _take_out(connection: AsyncConnection, event_key: str, moment: UUID, at: datetime) -> list[UUID]:
    await connection.execute(select(moments.c.moment).where(moments.c.moment == moment).with_for_update())
    this = (facts.c.event_key == event_key) & (facts.c.moment == moment) & facts.c.withdrawn_at.is_(None)
    await connection.execute(update(facts).where(this).values(withdrawn_at=at))
    live = (facts.c.moment == moment) & facts.c.withdrawn_at.is_(None) & facts.c.type.in_(BY_TYPE)
    if await connection.scalar(select(func.count()).select_from(facts).where(live)):
        await settle_left(connection, moment)
        return []
    return await withdraw(connection, moment, at)


def lines(withdrawn: Iterable[UUID], why: str, at: datetime) -> list[audit.Line]:
    """For the audit chain, which is locked last."""
    return [audit.Line(audit.What.PAGE_WITHDRAWN, WHO, f"page/{page}", at, {"why": why}) for page in withdrawn]


async def _join(connection: AsyncConnection, sealer: Sealer, fact: Fact, at: datetime) -> Outcome:
    opened = (facts.c.subject_key == fact.subject_key) & facts.c.type.in_(BY_TYPE) & facts.c.withdrawn_at.is_(None)
    latest = select(facts.c.moment).where(opened).order_by(facts.c.joined_at.desc()).limit(1)
    moment = await connection.scalar(latest)
    if moment is None:
        await hold(connection, fact, fact.subject_key, Outcome.NOT_WATCHED, at=at)
        return Outcome.NOT_WATCHED
    held = select(moments.c.left_at).where(moments.c.moment == moment).with_for_update()
    before = await connection.scalar(held)
    await add_fact(connection, sealer, moment, fact, UNMATCHED, Outcome.JOINED, at=at)
    await settle_left(connection, moment)
    if before is None and await corrections.left_at(connection, moment):
        await corrections.tell_left(connection, moment, at=at)
    detail: dict[str, Any] = {"event": fact.event_key, "type": fact.type, "feed": fact.feed}
    what, about = audit.What.FACT_JOINED, f"moment/{moment}"
    await audit.record(connection, what, who=WHO, about=about, at=at, detail=detail)
    return Outcome.JOINED


async def withdraw(connection: AsyncConnection, moment: UUID, at: datetime) -> list[UUID]:
    """End a moment of which nothing is left, if it is open: nothing more is sent, and who was told is told so."""
    still = (moments.c.moment == moment) & (moments.c.state == MomentState.OPEN)
    gone = update(moments).where(still).values(state=MomentState.WITHDRAWN, ended_at=at)
    if (await connection.execute(gone)).rowcount == 0:
        return []
    ended = (
        update(pages)
        .where((pages.c.moment == moment) & pages.c.state.in_(LIVE))
        .returning(pages.c.page, pages.c.accepted_by)
    )
    values = {"state": PageState.WITHDRAWN, "next_step_at": None, "ended_at": at}
    withdrawn = (await connection.execute(ended.values(**values))).all()
    for page, accepted_by in withdrawn:
        await drop_pending(connection, page, at=at)
        await answers.tell_the_told(connection, page, Purpose.WITHDRAWN, at=at)
        if accepted_by:  # on the way, and perhaps never texted: it may have been accepted at the desk
            await sending.add(connection, page=page, purpose=Purpose.WITHDRAWN, person=accepted_by, at=at)
    return [page for page, _ in withdrawn]
