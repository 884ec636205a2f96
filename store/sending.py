"""The outbox: attempts to tell somebody, claimed by one sender each, and settled by whatever is heard of them.

Locks in order: the page's row, then its attempts. A claim takes attempts first, but never waits for a page: it leaves
what is locked to the next claim. What is asked for every attempt is one statement each, whole by itself: a caller may
give a connection that commits each statement.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import AttemptState, Channel, Purpose
from store import links
from store.ids import NAMESPACE, attempt_id
from store.pages import attempts, pages

COMES_BEFORE: Final[dict[AttemptState, tuple[AttemptState, ...]]] = {
    AttemptState.SENT: (AttemptState.SENDING, AttemptState.UNKNOWN),
    AttemptState.DELIVERED: (AttemptState.SENDING, AttemptState.UNKNOWN, AttemptState.SENT),
    AttemptState.UNDELIVERED: (AttemptState.SENDING, AttemptState.UNKNOWN, AttemptState.SENT),
    AttemptState.FAILED: (AttemptState.PENDING, AttemptState.SENDING, AttemptState.UNKNOWN, AttemptState.SENT),
    AttemptState.UNKNOWN: (AttemptState.SENDING,),
    AttemptState.DROPPED: (AttemptState.PENDING,),
}
"""From where an attempt may come to a state. Anything else heard of it is late: kept as a receipt, and changes nothing."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt that this sender alone may now send. `wait_seconds` is its step's; empty words where there is no page.

    `token` opens the link in the text of a page; in other texts there is none. `note` is what a text about a phone or the
    rota says besides: the times of a shift, or a code.
    """

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
    token: str = field(repr=False)
    note: str = field(default="", repr=False)
    possible: bool = False
    email: str | None = field(default=None, repr=False)
    provider: str | None = None


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
    note: str | None = None,
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
        "note": note,
    }
    return await insert_new(connection, row)


# One statement, so one round trip: on a busy machine each of them waits for its turn. Each part takes what it needs from
# the one before, and that is what holds the order of the locks: the attempts, then their pages.
_CLAIM: Final = text("""
    WITH due AS (
        SELECT attempt, page, purpose, due_at FROM attempts
        WHERE state = 'pending' AND due_at <= :at AND channel <> ALL(CAST(:full AS text[]))
        ORDER BY purpose <> 'page' OR page = ANY(ARRAY(
            SELECT page FROM pages WHERE state = 'open' AND type = 'nightlight.drill.v1'
        )), due_at, attempt
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ), held AS (
        SELECT page, reference, team, type, authority, plan, state, possible FROM pages
        WHERE page IN (SELECT page FROM due)
        ORDER BY page
        FOR SHARE SKIP LOCKED
    ), taken AS (
        SELECT due.attempt, reference, team, type, authority, plan, possible, purpose = 'page' AND state <> 'open' AS moved_on,
            row_number() OVER (ORDER BY purpose <> 'page' OR type = 'nightlight.drill.v1', due_at, attempt) AS place
        FROM due LEFT JOIN held ON held.page = due.page
        WHERE due.page IS NULL OR held.page IS NOT NULL
    ), marked AS (
        UPDATE attempts AS one SET
            state = CASE WHEN moved_on THEN 'dropped' ELSE 'sending' END,
            deadline_at = CASE WHEN moved_on THEN NULL ELSE :deadline END,
            settled_at = CASE WHEN moved_on THEN :at END,
            reason = CASE WHEN moved_on THEN 'page-moved-on' END,
            provider = CASE WHEN NOT moved_on THEN
                coalesce(one.provider, CAST(:drawn AS jsonb) -> one.channel ->> CAST(place - 1 AS int)) END
        FROM taken, responders
        WHERE one.attempt = taken.attempt AND responders.person = one.person
        RETURNING one.attempt, one.page, one.purpose, one.step, one.try, one.person, one.channel, one.due_at, one.state, one.note,
            coalesce(taken.team, one.team) AS team, taken.reference, taken.type, taken.authority, taken.plan,
            taken.possible,
            one.provider, taken.place, responders.mobile, responders.email, responders.stopped_at IS NOT NULL AS opted_out
    ), linked AS (
        INSERT INTO links (digest, page, person, made_at)
        SELECT (CAST(:digests AS bytea[]))[place], page, person, :at FROM marked
        WHERE state = 'sending' AND purpose = 'page' AND channel <> 'webhook'
    )
    SELECT * FROM marked ORDER BY place
""")


async def claim(
    connection: AsyncConnection,
    *,
    at: datetime,
    deadline: datetime,
    limit: int,
    full: Sequence[Channel] = (),
    drawn: Mapping[Channel, Sequence[str]] = MappingProxyType({}),
    random: Callable[[int], bytes] = os.urandom,
) -> tuple[list[Claimed], int]:
    """Take up to `limit` due attempts, pages first and drills after them, mark them sending until `deadline`, and make their links.

    None of the channels in `full`; `drawn` has, for each channel, the provider of the first, the second … of them all. What
    is tried again has its provider already.

    Returns those to send, and how many were dropped because their page is no longer open. A page that is being answered
    at this moment is left for the next claim: nobody is texted in the same instant in which somebody accepts.
    """
    tokens = [links.draw(random) for _ in range(limit)]
    given = {"at": at, "deadline": deadline, "limit": limit, "digests": [links.digest(token) for token in tokens]}
    given |= {"full": list(full), "drawn": json.dumps({channel: list(names) for channel, names in drawn.items()})}
    rows = (await connection.execute(_CLAIM, given)).all()
    going = [row for row in rows if row.state == AttemptState.SENDING]
    return [_claimed(row, tokens[row.place - 1], at) for row in going], len(rows) - len(going)


@dataclass(frozen=True, slots=True)
class Sent:
    """`received_at`: when the page was received, if this is the first text of it. `receipts`: some of it have come before."""

    received_at: datetime | None
    receipts: bool


# The page's row before the attempt's, as everybody does who writes both: the count makes the second wait for the first.
_SETTLE_SENT: Final = text("""
    WITH held AS (
        SELECT page FROM pages
        WHERE page = (SELECT page FROM attempts WHERE attempt = :attempt)
        FOR UPDATE
    ), moved AS (
        UPDATE attempts
        SET state = 'sent', sent_at = :at, provider = :provider, provider_id = :provider_id,
            settled_at = NULL, reason = NULL, provider_code = NULL
        WHERE attempt = :attempt AND state IN ('sending', 'unknown') AND (SELECT count(*) FROM held) < 2
    ), stopped AS (
        UPDATE pages SET sent_at = :at FROM held, attempts AS one
        WHERE pages.page = held.page AND pages.sent_at IS NULL AND one.attempt = :attempt AND one.purpose = 'page'
        RETURNING pages.received_at
    )
    SELECT (SELECT received_at FROM stopped), EXISTS (
        SELECT FROM receipts
        WHERE provider = :provider AND settled_at IS NULL AND (attempt = :attempt OR provider_id = :provider_id)
    )
""")


async def settle_sent(
    connection: AsyncConnection, attempt: UUID, *, provider: str, provider_id: str, at: datetime
) -> Sent:
    """The provider has taken it; its page's clock stops if this is the first text of it.

    A receipt may have come before this: then the attempt is further on already, and stays there.
    """
    given = {"attempt": attempt, "provider": provider, "provider_id": provider_id, "at": at}
    return Sent(*(await connection.execute(_SETTLE_SENT, given)).one())


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


async def shorten(
    connection: AsyncConnection, attempt: UUID, *, deadline: datetime, reason: str, code: str | None
) -> None:
    """The answer leaves it open, for this reason: wait only until `deadline` for a receipt."""
    waiting = (attempts.c.attempt == attempt) & (attempts.c.state == AttemptState.SENDING)
    values = {"deadline_at": deadline, "reason": reason, "provider_code": code}
    await connection.execute(update(attempts).where(waiting).values(**values))


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


async def insert_new(connection: AsyncConnection, row: dict[str, Any]) -> bool:
    """Write an attempt; False if it is there already."""
    done = await connection.execute(insert(attempts).values(row).on_conflict_do_nothing().returning(attempts.c.attempt))
    return done.first() is not None


def _claimed(row: Any, token: str, at: datetime) -> Claimed:
    return Claimed(
        attempt=row.attempt,
        page=row.page,
        purpose=Purpose(row.purpose),
        try_=getattr(row, "try"),
        person=row.person,
        mobile=row.mobile,
        opted_out=row.opted_out,
        channel=Channel(row.channel),
        claimed_at=at,
        reference=row.reference or "",
        team=row.team,
        type=row.type or "",
        authority=row.authority or "",
        wait_seconds=_wait_of(row.plan or (), row.step),
        token=token if row.purpose == Purpose.PAGE and row.channel != Channel.WEBHOOK else "",
        note=row.note or "",
        possible=bool(row.possible),
        email=row.email,
        provider=row.provider,
    )


def _wait_of(plan: Sequence[dict[str, Any]], step: int) -> float:
    return next((float(part["wait_seconds"]) for part in plan if part["step"] == step), 0)
