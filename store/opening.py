"""A fact about a watched child becomes part of their open moment, or opens one, with its page and first attempts (promise 2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Mode
from schemas.events import EventCancelled, IdentityChanged
from schemas.kinds import BY_TYPE
from schemas.london import today
from schemas.moments import Decision, Fact, MomentFound, Outcome
from schemas.pages import MomentState, PageState
from schemas.wire import Sealer, event_key
from store import audit, expiry, following
from store.children import children
from store.database import lock
from store.ids import moment_id, page_id, references
from store.moments import (
    WHO,
    add_fact,
    facts,
    held_follow_ups,
    hold,
    known_outcome,
    moments,
    reasons,
    remember,
    settle_left,
)
from store.pages import begin_step, pages
from store.people import plan_for


@dataclass(frozen=True, slots=True)
class Watch:
    """Who answers for a child on the list."""

    child: str
    authority: str
    team: str


async def open_or_join(connection: AsyncConnection, sealer: Sealer, found: MomentFound, *, at: datetime) -> Outcome:
    """In order, in the caller's one transaction:

    1. an event in mode `test` ends here, and nothing is written;
    2. one that has ended before (a replay, the other lane) ends the same way again;
    3. one that was cancelled before it came is cancelled;
    4. what an identity change corrects is taken back, if that was another child;
    5. a child who is no longer on the list, or whose entry is not in force, is not watched;
    6. the child's open moment gains a fact, and its page does not change; or else a moment opens, with its page, the
       team's plan frozen on it, and the attempts of its first step.
    """
    fact = found.fact
    if fact.mode is Mode.TEST:
        return Outcome.TEST
    corrected = corrects(sealer, fact)
    await lock_events(connection, fact, corrected)
    if known := await known_outcome(connection, fact.event_key):
        return known
    if await was_taken_back(connection, fact.event_key, found.child):
        return await end_here(connection, fact, found.decision, Outcome.CANCELLED, at=at)
    withdrawn = await correct(connection, fact, corrected, found.child, at)
    watch = await in_force(connection, [found.child], at)
    if watch is None:
        await following.write_down(connection, withdrawn, fact.type, at)
        return await end_here(connection, fact, found.decision, Outcome.NOT_WATCHED, at=at)

    await lock(connection, "child", watch.child)
    over = await expiry.end_if_over(connection, watch.child, at)
    moment = await _join(connection, sealer, found, at)
    page = None if moment else await _open(connection, sealer, found, watch, at)
    if page:
        await begin_step(connection, page, step=1, round=1, at=at)
    await expiry.write_down(connection, over, at)
    await following.write_down(connection, withdrawn, fact.type, at)
    outcome = Outcome.PAGED if page else Outcome.JOINED
    await write_decided(connection, fact, found.decision, outcome, at)
    what, about = (audit.What.PAGE_OPENED, f"page/{page}") if page else (audit.What.FACT_JOINED, f"moment/{moment}")
    await audit.record(connection, what, who=WHO, about=about, at=at, detail={"event": fact.event_key})
    return outcome


def corrects(sealer: Sealer, fact: Fact) -> str | None:
    """The key of the earlier event that a change of identity is about."""
    if fact.type != IdentityChanged.type:
        return None
    of = fact.details["of"]
    return event_key(sealer, of["source"], of["id"])


async def lock_events(connection: AsyncConnection, fact: Fact, corrected: str | None = None) -> None:
    """First the events, in one order for all, then the subject: a cancellation never slips in between looking and writing."""
    for key in sorted({fact.event_key, corrected or fact.event_key}):
        await lock(connection, "event", key)
    await lock(connection, "subject", fact.subject_key)


async def was_taken_back(connection: AsyncConnection, key: str, child: str) -> bool:
    """Whether this event was cancelled before it came, or it has come out since that it is about another child."""
    corrected = select(moments.c.child).join(facts).where(facts.c.event_key == held_follow_ups.c.event_key)
    held = select(held_follow_ups.c.type, corrected.scalar_subquery().label("child"))
    rows = await connection.execute(held.where(held_follow_ups.c.about == key))
    return any(row.type == EventCancelled.type or row.child != child for row in rows)


async def in_force(connection: AsyncConnection, ids: Iterable[str], at: datetime) -> Watch | None:
    """The first of these children who is watched on this day in London; None if no one is any more."""
    day = today(at)
    now = (children.c.starts_on <= day) & (day <= func.least(children.c.review_on, children.c.expires_on))
    for child in ids:
        query = select(children.c.child, children.c.authority, children.c.team).where((children.c.child == child) & now)
        if row := (await connection.execute(query)).first():
            return Watch(*row)
    return None


async def end_here(
    connection: AsyncConnection, fact: Fact, decision: Decision, outcome: Outcome, *, at: datetime
) -> Outcome:
    """The event ends without a page or a review; the decision not to tell is written down too (domain page, L8)."""
    await remember(connection, fact.event_key, outcome, at=at)
    await write_decided(connection, fact, decision, outcome, at)
    return outcome


async def write_decided(
    connection: AsyncConnection, fact: Fact, decision: Decision, outcome: Outcome, at: datetime
) -> None:
    detail, about = reasons(fact, decision, outcome), f"event/{fact.event_key}"
    await audit.record(connection, audit.What.EVENT_DECIDED, who=WHO, about=about, at=at, detail=detail)


async def correct(
    connection: AsyncConnection, fact: Fact, corrected: str | None, child: str, at: datetime
) -> list[UUID]:
    """Take back what was told of another child. If it has not come yet, it is stopped when it does."""
    if corrected is None:
        return []
    there, withdrawn = await following.take_back(connection, corrected, at=at, unless=child)
    if not there:
        await hold(connection, fact, corrected, Outcome.NOTED, at=at)
    return withdrawn


async def _join(connection: AsyncConnection, sealer: Sealer, found: MomentFound, at: datetime) -> UUID | None:
    """Add the fact to the child's open moment, if there is one. The page stays as it is: same reference, same clocks."""
    mine = (moments.c.child == found.child) & (moments.c.state == MomentState.OPEN)
    moment: UUID | None = await connection.scalar(select(moments.c.moment).where(mine).with_for_update())
    if moment is None:
        return None
    await add_fact(connection, sealer, moment, found.fact, found.decision, Outcome.JOINED, at=at)
    longer = func.greatest(moments.c.window_ends_at, at + BY_TYPE[found.fact.type].window)
    await connection.execute(update(moments).where(moments.c.moment == moment).values(window_ends_at=longer))
    await settle_left(connection, moment)
    return moment


async def _open(connection: AsyncConnection, sealer: Sealer, found: MomentFound, watch: Watch, at: datetime) -> UUID:
    """A new moment with its page, which has still to begin its first step."""
    fact = found.fact
    moment = moment_id(watch.child, fact.event_key)
    page = page_id(moment, watch.team)
    ours = {"moment": moment, "authority": watch.authority, "team": watch.team, "opened_at": at}
    window_ends_at = at + BY_TYPE[fact.type].window
    opened = {**ours, "child": watch.child, "state": MomentState.OPEN, "window_ends_at": window_ends_at}
    await connection.execute(insert(moments).values(**opened))
    await add_fact(connection, sealer, moment, fact, found.decision, Outcome.PAGED, at=at)
    await settle_left(connection, moment)
    plan = await plan_for(connection, watch.team)
    await connection.execute(
        insert(pages).values(
            **ours,
            page=page,
            reference=await _free_reference(connection, page),
            state=PageState.OPEN,
            plan=[step.model_dump(mode="json") for step in plan],
            step=1,
            round=1,
            next_step_at=at,
            **fact.model_dump(include={"type", "occurred_at", "received_at", "matched_at"}),
        )
    )
    return page


async def _free_reference(connection: AsyncConnection, page: UUID) -> str:
    """The first of the page's references that no live page has: a text must never name two children."""
    for reference in references(page):
        await lock(connection, "reference", reference)
        taken = select(pages.c.page).where((pages.c.reference == reference) & pages.c.ended_at.is_(None))
        if (await connection.execute(taken)).first() is None:
            return reference
    raise AssertionError("references never end")
