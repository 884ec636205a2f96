"""The synthetic child's rounds: her page is opened like any other, claimed by the pager, and ends there instead of at a provider."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, Table, Text, Uuid, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.moments import Fact, Outcome
from schemas.pages import AttemptState, Channel, MomentState, PageState, Role, Step
from schemas.probe import NAME, NO_PHONE, PAGE_TYPE, PROBE
from store.columns import Instant
from store.database import TABLES, lock
from store.ids import moment_id, page_id
from store.moments import moments
from store.pages import attempts, links, open_page, pages
from store.people import Responder, responders

probes = Table(
    "probes",
    TABLES,
    Column("event_key", Text, primary_key=True),
    Column("page", Uuid, nullable=False),
    Column("asked_at", Instant, nullable=False),  # when the auditor made the event
    Column("opened_at", Instant, nullable=False),
    Column("came_at", Instant, index=True),  # when the pager would have called the provider
)

KEPT = timedelta(hours=1)
"""Her rows are kept so long: the second lane's copy, or a replay, finds how it ended."""

# Longer than from one round to the next, which takes over what the last one has left: nothing of hers ever escalates.
_PLAN = (Step(step=1, role=Role.PRIMARY, channels=(Channel.SMS,), wait_seconds=600),)
_HERSELF = Responder(person=NAME, name=NAME, mobile=NO_PHONE, email=None, teams=())


async def open_probe(connection: AsyncConnection, fact: Fact, *, at: datetime) -> Outcome:
    """A new round: its moment, its page, and one attempt that the pager claims. The same event again changes nothing.

    Nothing is written into the audit chain: it is about people. A round that never came through is ended by the next.
    Whatever is wrong with it is no child's concern: it is rolled back by itself and the event is noted, because the record
    of a real child may wait behind hers. Then she does not come through, and that is found.
    """
    try:
        async with connection.begin_nested():
            return await _open(connection, fact, at)
    except DBAPIError as problem:
        if problem.connection_invalidated:
            raise
        return Outcome.NOTED


async def _open(connection: AsyncConnection, fact: Fact, at: datetime) -> Outcome:
    await lock(connection, "child", NAME)
    if (await connection.execute(select(probes.c.page).where(probes.c.event_key == fact.event_key))).first():
        return Outcome.PAGED
    await _tidy_up(connection, at)
    moment = moment_id(NAME, fact.event_key)
    page = page_id(moment, NAME)
    whose = {"authority": NAME, "team": NAME}
    await connection.execute(
        upsert(responders)
        .values(person=NAME, name=NAME, mobile=NO_PHONE, teams=[])
        .on_conflict_do_nothing(index_elements=[responders.c.person])
    )
    await connection.execute(
        insert(moments).values(
            moment=moment, child=PROBE.child_id, **whose, state=MomentState.OPEN, opened_at=at,
            window_ends_at=at + timedelta(days=1),
        )
    )  # fmt: skip
    clocks = fact.model_dump(include={"occurred_at", "received_at", "matched_at"})
    values = {"moment": moment, **whose, **clocks, "type": PAGE_TYPE}
    await open_page(connection, page, values, plan=_PLAN, people=[_HERSELF], at=at)
    row = {"event_key": fact.event_key, "page": page, "asked_at": fact.occurred_at, "opened_at": at}
    await connection.execute(insert(probes).values(row))
    await connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))  # so that nothing of it can fail at the commit
    return Outcome.PAGED


async def came_through(connection: AsyncConnection, attempt: UUID, *, at: datetime) -> float | None:
    """The pager has this attempt in hand and would now call the provider: the round is over. Its seconds, once."""
    page = await connection.scalar(select(attempts.c.page).where(attempts.c.attempt == attempt))
    this = (probes.c.page == page) & probes.c.came_at.is_(None)
    asked_at = await connection.scalar(update(probes).where(this).values(came_at=at).returning(probes.c.asked_at))
    await _end(connection, page, at)
    sent = {"state": AttemptState.SENT, "sent_at": at, "provider": NAME, "provider_id": NAME}
    mine = (attempts.c.attempt == attempt) & (attempts.c.state == AttemptState.SENDING)
    await connection.execute(update(attempts).where(mine).values(**sent))
    return (at - asked_at).total_seconds() if asked_at else None


async def last_came(connection: AsyncConnection) -> datetime | None:
    """When a round last came through, whichever pager had it."""
    at: datetime | None = await connection.scalar(select(func.max(probes.c.came_at)))
    return at


async def _tidy_up(connection: AsyncConnection, at: datetime) -> None:
    """End what is still open of hers, and forget what is old."""
    for page in (await connection.scalars(select(probes.c.page).where(probes.c.came_at.is_(None)))).all():
        await _end(connection, page, at)
    old = (await connection.execute(select(probes).where(probes.c.opened_at < at - KEPT))).all()
    gone = [row.page for row in old]
    if not gone:
        return
    of = (await connection.scalars(select(pages.c.moment).where(pages.c.page.in_(gone)))).all()
    for table in (links, attempts, pages):
        await connection.execute(delete(table).where(table.c.page.in_(gone)))
    await connection.execute(delete(moments).where(moments.c.moment.in_(of)))
    await connection.execute(delete(probes).where(probes.c.page.in_(gone)))


async def _end(connection: AsyncConnection, page: UUID | None, at: datetime) -> None:
    values = {"state": PageState.WITHDRAWN, "next_step_at": None, "ended_at": at}
    open_ = (pages.c.page == page) & (pages.c.state == PageState.OPEN)
    moment = await connection.scalar(update(pages).where(open_).values(**values).returning(pages.c.moment))
    ended = {"state": MomentState.WITHDRAWN, "ended_at": at}
    await connection.execute(update(moments).where(moments.c.moment == moment).values(**ended))
    waiting = (attempts.c.page == page) & (attempts.c.state == AttemptState.PENDING)
    dropped = {"state": AttemptState.DROPPED, "settled_at": at, "reason": "page-moved-on"}
    await connection.execute(update(attempts).where(waiting).values(**dropped))
