"""What the desk shows: the live board and one page in full, for the teams of whoever is looking and for nobody else."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.child import WatchedChild
from schemas.moments import Decision
from schemas.pages import Purpose, Role
from schemas.probe import NAME as PROBE
from schemas.wire import Sealer
from store import children
from store.agencies import agencies
from store.moments import facts, moments, reviews
from store.pages import attempts, pages
from store.people import responders, shifts


@dataclass(frozen=True)
class Page:
    """A page as its team may see it without saying why: nothing about the child."""

    page: UUID
    moment: UUID
    reference: str
    possible: bool
    team: str
    authority: str
    type: str
    state: str
    step: int
    next_step_at: datetime | None
    window_ends_at: datetime
    left_at: datetime | None
    occurred_at: datetime
    received_at: datetime
    matched_at: datetime
    opened_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    accepted_at: datetime | None
    contact_at: datetime | None
    ended_at: datetime | None
    accepted_by: str | None
    accepted_name: str | None
    accepted_via: str | None


@dataclass(frozen=True)
class Tried:
    """One attempt to reach somebody."""

    page: UUID
    name: str
    purpose: str
    step: int
    channel: str
    state: str
    reason: str | None
    due_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    passed_at: datetime | None


@dataclass(frozen=True)
class OnCall:
    team: str
    role: str
    name: str
    ends: datetime
    reachable: bool


@dataclass(frozen=True)
class Feed:
    name: str
    last_seen_at: datetime | None


@dataclass(frozen=True)
class Told:
    """One thing an agency said, with its own clock readings and why it was taken to be about this child."""

    type: str
    feed: str
    occurred_at: datetime
    received_at: datetime
    matched_at: datetime
    withdrawn_at: datetime | None
    details: dict[str, Any]
    decision: Decision


async def live_pages(connection: AsyncConnection, teams: Sequence[str]) -> list[Page]:
    """Pages of these teams that have not ended, the oldest first."""
    live = pages.c.team.in_(teams) & pages.c.ended_at.is_(None)
    ordered = _pages(live).order_by(pages.c.opened_at, pages.c.page)
    return [Page(**row) for row in (await connection.execute(ordered)).mappings()]


async def find(connection: AsyncConnection, page: UUID, teams: Sequence[str]) -> Page | None:
    """One page, if it is one of theirs. Whether it is another team's, or nobody's, cannot be told from the answer."""
    row = (await connection.execute(_pages(pages.c.team.in_(teams) & (pages.c.page == page)))).mappings().first()
    return Page(**row) if row else None


async def anyone(connection: AsyncConnection, page: UUID) -> Page:
    """One page, whoever asks: for a link, which is its own permission."""
    return Page(**(await connection.execute(_pages(pages.c.page == page))).mappings().one())


async def attempts_of(connection: AsyncConnection, chosen: Sequence[UUID]) -> list[Tried]:
    """Every attempt for these pages, in order of time."""
    columns = (attempts.c[field] for field in Tried.__dataclass_fields__ if field != "name")
    query = select(*columns, responders.c.name).join(responders, responders.c.person == attempts.c.person)
    ordered = query.where(attempts.c.page.in_(chosen)).order_by(attempts.c.due_at, attempts.c.step, attempts.c.attempt)
    return [Tried(**row) for row in (await connection.execute(ordered)).mappings()]


async def passed_at(connection: AsyncConnection, page: UUID, person: str) -> datetime | None:
    """When this person last said that they cannot."""
    mine = (attempts.c.page == page) & (attempts.c.person == person) & (attempts.c.purpose == Purpose.PAGE)
    at: datetime | None = await connection.scalar(select(func.max(attempts.c.passed_at)).where(mine))
    return at


async def on_call(connection: AsyncConnection, teams: Sequence[str], *, at: datetime) -> list[OnCall]:
    """Who is on call for these teams at this instant, in the order in which they are asked."""
    now = shifts.c.team.in_(teams) & (shifts.c.starts <= at) & (shifts.c.ends > at)
    query = select(shifts.c.team, shifts.c.role, shifts.c.ends, responders.c.name, responders.c.stopped_at)
    rows = await connection.execute(query.join(responders).where(now))
    order = list(Role)
    found = [OnCall(row.team, row.role, row.name, row.ends, row.stopped_at is None) for row in rows]
    return sorted(found, key=lambda who: (who.team, order.index(Role(who.role)), who.name))


async def reviews_waiting(connection: AsyncConnection, teams: Sequence[str]) -> int:
    waiting = reviews.c.team.in_(teams) & (reviews.c.state == "open")
    return await connection.scalar(select(func.count()).select_from(reviews).where(waiting)) or 0


async def feeds(connection: AsyncConnection) -> list[Feed]:
    """Every agency's feed and when it last sent anything: a silent feed is everybody's business."""
    real = select(agencies.c.agency, agencies.c.last_seen_at).where(agencies.c.agency != PROBE)
    rows = await connection.execute(real.order_by(agencies.c.agency))
    return [Feed(row.agency, row.last_seen_at) for row in rows]


async def facts_of(connection: AsyncConnection, sealer: Sealer, moment: UUID) -> list[Told]:
    """What agencies said, in the order in which it happened. Opens the seals: write down who looks before showing it."""
    rows = await connection.execute(select(facts).where(facts.c.moment == moment).order_by(facts.c.occurred_at))
    return [
        Told(
            type=row.type,
            feed=row.feed,
            occurred_at=row.occurred_at,
            received_at=row.received_at,
            matched_at=row.matched_at,
            withdrawn_at=row.withdrawn_at,
            details=json.loads(sealer.open(row.details, place=f"facts/{row.event_key}")),
            decision=Decision.model_validate(row.decision),
        )
        for row in rows
    ]


async def child_of(connection: AsyncConnection, sealer: Sealer, moment: UUID) -> WatchedChild | None:
    """Who it is about; None if they are no longer on the list. Opens a seal, as above."""
    child = await connection.scalar(select(moments.c.child).where(moments.c.moment == moment))
    return await children.find(connection, sealer, child) if child else None


def _pages(where: ColumnElement[bool]) -> Select[Any]:
    columns = (pages.c[field] for field in Page.__dataclass_fields__ if field in pages.c)
    elsewhere = (moments.c.window_ends_at, moments.c.left_at, responders.c.name.label("accepted_name"))
    joined = pages.join(moments).join(responders, responders.c.person == pages.c.accepted_by, isouter=True)
    return select(*columns, *elsewhere).select_from(joined).where(where)
