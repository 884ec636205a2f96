"""The outbox: attempts to tell somebody, claimed by one sender each, and settled by whatever is heard of them.

Locks in order: the page's row, then its attempts. A claim takes attempts first, but never waits for a page: it leaves
what is locked to the next claim. Every UPDATE here is asked only where a row waits for it, because each one, even of no
row, wakes the pager.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import and_, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import AttemptState, Channel, PageState, Purpose
from store.ids import NAMESPACE, attempt_id
from store.pages import attempts, pages
from store.people import responders

COMES_BEFORE: Final[dict[AttemptState, tuple[AttemptState, ...]]] = {
    AttemptState.SENT: (AttemptState.SENDING, AttemptState.UNKNOWN),
    AttemptState.DELIVERED: (AttemptState.SENDING, AttemptState.UNKNOWN, AttemptState.SENT),
    AttemptState.UNDELIVERED: (AttemptState.SENDING, AttemptState.UNKNOWN, AttemptState.SENT),
    AttemptState.FAILED: (AttemptState.PENDING, AttemptState.SENDING, AttemptState.UNKNOWN, AttemptState.SENT),
    AttemptState.UNKNOWN: (AttemptState.SENDING,),
    AttemptState.DROPPED: (AttemptState.PENDING,),
}
"""From where an attempt may come to a state. Anything else heard of it is late: kept as a receipt, and changes nothing."""

STALE: Final = timedelta(hours=1)
"""After this an unknown outcome is left alone: the page has long moved on."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt that this sender alone may now send. `wait_seconds` is its step's; empty words where there is no page."""

    attempt: UUID
    page: UUID | None
    purpose: Purpose
    try_: int
    person: str
    mobile: str
    opted_out: bool
    channel: Channel
    claimed_at: datetime
    reference: str
    team: str
    type: str
    authority: str
    wait_seconds: float


async def add(
    connection: AsyncConnection,
    *,
    purpose: Purpose,
    person: str,
    at: datetime,
    page: UUID | None = None,
    team: str | None = None,
    about: str = "",
    step: int = 1,
    round: int = 1,  # noqa: A002 - the column's name
    channel: Channel = Channel.SMS,
) -> bool:
    """Write a first try that is due at `at`; False if it is there already. Without a page it has a team, and `about` tells it apart."""
    row = {
        "attempt": attempt_id(page or uuid5(NAMESPACE, f"about/{about}"), purpose, step, round, person, channel),
        "page": page,
        "team": team,
        "purpose": purpose,
        "step": step,
        "round": round,
        "person": person,
        "channel": channel,
        "try": 1,
        "state": AttemptState.PENDING,
        "due_at": at,
    }
    return await _insert(connection, row)


async def claim(
    connection: AsyncConnection, *, at: datetime, deadline: datetime, limit: int
) -> tuple[list[Claimed], int]:
    """Take up to `limit` due attempts, pages first, and mark them sending until `deadline`.

    Returns those to send, and how many were dropped because their page is no longer open. A page that is being answered
    at this moment is left for the next claim: nobody is texted in the same instant in which somebody accepts.
    """
    due = (
        select(attempts)
        .where((attempts.c.state == AttemptState.PENDING) & (attempts.c.due_at <= at))
        .order_by(attempts.c.purpose != Purpose.PAGE, attempts.c.due_at, attempts.c.attempt)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = (await connection.execute(due)).all()
    if not rows:
        return [], 0
    held = await _hold_pages(connection, {row.page for row in rows if row.page})
    known = select(responders).where(responders.c.person.in_({row.person for row in rows}))
    people = {row.person: row for row in await connection.execute(known)}
    free = [row for row in rows if row.page is None or row.page in held]
    gone = [row for row in free if _moved_on(row, held.get(row.page))]
    going = [row for row in free if row not in gone]
    await _mark(connection, gone, state=AttemptState.DROPPED, settled_at=at, reason="page-moved-on")
    await _mark(connection, going, state=AttemptState.SENDING, deadline_at=deadline)
    return [_claimed(row, held.get(row.page), people[row.person], at) for row in going], len(gone)


async def settle_sent(
    connection: AsyncConnection, attempt: UUID, *, provider: str, provider_id: str, at: datetime
) -> datetime | None:
    """The provider has taken it. Returns when its page was received if this is the first text of it, for the clock.

    A receipt may have come before this: then the attempt is further on already, and stays there.
    """
    await hold_page_of(connection, attempt)
    first = await clock_of(connection, attempt, at)
    known = (attempts.c.attempt == attempt) & attempts.c.state.in_(COMES_BEFORE[AttemptState.SENT])
    sent = {"state": AttemptState.SENT, "sent_at": at, "provider": provider, "provider_id": provider_id}
    await connection.execute(update(attempts).where(known).values(**sent, settled_at=None, reason=None))
    return first


async def settle_failed(
    connection: AsyncConnection, attempt: UUID, *, reason: str, code: str | None, provider: str | None, at: datetime
) -> bool:
    """It will not arrive. False if more is known of it by now."""
    await hold_page_of(connection, attempt)
    known = (attempts.c.attempt == attempt) & attempts.c.state.in_(COMES_BEFORE[AttemptState.FAILED])
    failed = {
        "state": AttemptState.FAILED,
        "settled_at": at,
        "reason": reason,
        "provider_code": code,
        "provider": provider,
    }
    return (await connection.execute(update(attempts).where(known).values(**failed))).rowcount == 1


async def shorten(connection: AsyncConnection, attempt: UUID, *, deadline: datetime) -> None:
    """There will be no answer any more: wait only until `deadline` for a receipt."""
    waiting = (attempts.c.attempt == attempt) & (attempts.c.state == AttemptState.SENDING)
    await connection.execute(update(attempts).where(waiting).values(deadline_at=deadline))


async def give_up_waiting(connection: AsyncConnection, *, at: datetime) -> int:
    """Whatever is still sending past its deadline is unknown. Returns how many."""
    late = select(attempts.c.attempt).where((attempts.c.state == AttemptState.SENDING) & (attempts.c.deadline_at <= at))
    rows = (await connection.execute(late.with_for_update(skip_locked=True))).all()
    await _mark(connection, rows, state=AttemptState.UNKNOWN, settled_at=at, reason="no-answer")
    return len(rows)


@dataclass(frozen=True, slots=True)
class Unknown:
    """An attempt whose outcome is not known, to be looked up at the provider or tried again.

    `since` is before it was claimed; `known` are the provider's ids of the person's other texts.
    """

    attempt: UUID
    mobile: str
    reference: str | None
    since: datetime
    known: frozenset[str]


async def unknown(connection: AsyncConnection, *, patience: timedelta, at: datetime) -> list[Unknown]:
    """First tries without a known outcome that nobody has tried again yet. `patience` is how long a claim lasts at most."""
    again, other = attempts.alias(), attempts.alias()
    alike = (again.c[name] == attempts.c[name] for name in ("purpose", "step", "round", "person", "channel"))
    second = exists().where(and_(again.c.page.is_not_distinct_from(attempts.c.page), *alike, again.c["try"] == 2))
    known = (
        select(func.array_agg(other.c.provider_id))
        .where((other.c.person == attempts.c.person) & other.c.provider_id.is_not(None))
        .scalar_subquery()
    )
    query = (
        select(attempts.c.attempt, responders.c.mobile, pages.c.reference, attempts.c.deadline_at, known)
        .join(responders, responders.c.person == attempts.c.person)
        .outerjoin(pages, pages.c.page == attempts.c.page)
        .where(
            (attempts.c.state == AttemptState.UNKNOWN)
            & (attempts.c["try"] == 1)
            & (attempts.c.settled_at > at - STALE)
            & ~second
        )
    )
    return [
        Unknown(attempt, mobile, reference, deadline - patience, frozenset(ids or ()))
        for attempt, mobile, reference, deadline, ids in await connection.execute(query)
    ]


async def try_again(connection: AsyncConnection, attempt: UUID, *, at: datetime) -> bool:
    """Write its second and last try, due at `at`; False if there is one."""
    row = (await connection.execute(select(attempts).where(attempts.c.attempt == attempt))).mappings().one()
    same = {name: row[name] for name in _SAME}
    number = uuid5(NAMESPACE, f"again/{attempt}")
    values = {**same, "attempt": number, "try": 2, "due_at": at}
    return await _insert(connection, {**values, "state": AttemptState.PENDING})


async def hold_page_of(connection: AsyncConnection, attempt: UUID) -> None:
    """Lock the attempt's page before the attempt itself, as everybody does who writes both."""
    page = select(attempts.c.page).where(attempts.c.attempt == attempt).scalar_subquery()
    await connection.execute(select(pages.c.page).where(pages.c.page == page).with_for_update())


async def clock_of(connection: AsyncConnection, attempt: UUID, at: datetime) -> datetime | None:
    """Stop the page's clock if this is its first text: when it was received, or None if another text stopped it before."""
    page = select(attempts.c.page).where((attempts.c.attempt == attempt) & (attempts.c.purpose == Purpose.PAGE))
    first = (pages.c.page == page.scalar_subquery()) & pages.c.sent_at.is_(None)
    if (await connection.execute(select(pages.c.page).where(first))).first() is None:
        return None
    stopped = await connection.execute(update(pages).where(first).values(sent_at=at).returning(pages.c.received_at))
    received_at: datetime | None = stopped.scalar_one_or_none()
    return received_at


async def _insert(connection: AsyncConnection, row: dict[str, Any]) -> bool:
    done = await connection.execute(insert(attempts).values(row).on_conflict_do_nothing().returning(attempts.c.attempt))
    return done.first() is not None


async def _mark(connection: AsyncConnection, rows: Sequence[Any], **values: Any) -> None:
    if rows:
        chosen = attempts.c.attempt.in_([row.attempt for row in rows])
        await connection.execute(update(attempts).where(chosen).values(**values))


async def _hold_pages(connection: AsyncConnection, wanted: Iterable[UUID]) -> dict[UUID, Any]:
    query = select(pages).where(pages.c.page.in_(wanted)).order_by(pages.c.page)
    rows = await connection.execute(query.with_for_update(read=True, skip_locked=True))
    return {row.page: row for row in rows}


def _moved_on(row: Any, page: Any | None) -> bool:
    return page is not None and row.purpose == Purpose.PAGE and page.state != PageState.OPEN


def _claimed(row: Any, page: Any | None, person: Any, at: datetime) -> Claimed:
    return Claimed(
        attempt=row.attempt,
        page=row.page,
        purpose=Purpose(row.purpose),
        try_=row[_TRY],
        person=row.person,
        mobile=person.mobile,
        opted_out=person.stopped_at is not None,
        channel=Channel(row.channel),
        claimed_at=at,
        reference=page.reference if page else "",
        team=page.team if page else row.team,
        type=page.type if page else "",
        authority=page.authority if page else "",
        wait_seconds=_wait_of(page.plan, row.step) if page else 0,
    )


def _wait_of(plan: Sequence[dict[str, Any]], step: int) -> float:
    return next((float(part["wait_seconds"]) for part in plan if part["step"] == step), 0)


_TRY: Final = list(attempts.c.keys()).index("try")
_SAME: Final = ("page", "team", "purpose", "step", "round", "person", "channel")
