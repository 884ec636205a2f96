"""What providers and phones told us, as they told it: callbacks and replies, each once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Identity,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import AttemptState, Purpose
from store.columns import Instant, Sealed
from store.database import TABLES
from store.pages import attempts, pages
from store.sending import COMES_BEFORE, clock_of, hold_page_of

# No foreign key to the attempt: a callback may come before our own row is committed.
receipts = Table(
    "receipts",
    TABLES,
    Column("receipt", Integer, Identity(), primary_key=True),
    Column("provider", Text, nullable=False),
    Column("provider_id", Text, nullable=False, index=True),
    Column("status", Text, nullable=False),
    Column("code", Text),
    Column("attempt", Uuid, index=True),
    Column("received_at", Instant, nullable=False),
    Column("settled_at", Instant),
    UniqueConstraint("provider", "provider_id", "status"),
)

replies = Table(
    "replies",
    TABLES,
    Column("provider", Text, primary_key=True),
    Column("provider_id", Text, primary_key=True),
    Column("person", Text),
    Column("body", Sealed, nullable=False),
    Column("understood_as", Text, nullable=False),
    Column("page", Uuid),
    Column("answer", Text),
    Column("received_at", Instant, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider says of one message. `attempt` is our own id, which came back with it; None if it did not."""

    provider: str
    provider_id: str
    status: str
    code: str | None = None
    attempt: UUID | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """An attempt that a receipt has moved. `received_at` only where this stopped the page's first clock."""

    attempt: UUID
    channel: str
    state: AttemptState
    sent_at: datetime
    type: str
    authority: str
    received_at: datetime | None


async def keep(connection: AsyncConnection, receipt: Receipt, *, at: datetime) -> bool:
    """Write down what was said. False if the same was said before."""
    values = {
        "provider": receipt.provider,
        "provider_id": receipt.provider_id,
        "status": receipt.status,
        "code": receipt.code,
        "attempt": receipt.attempt,
        "received_at": at,
    }
    kept = await connection.execute(
        insert(receipts).values(values).on_conflict_do_nothing().returning(receipts.c.receipt)
    )
    return kept.first() is not None


async def orphans(connection: AsyncConnection, *, attempt: UUID, provider: str, provider_id: str) -> list[Receipt]:
    """Receipts of this message that came before we knew it was ours, in the order in which they came."""
    mine = or_(receipts.c.attempt == attempt, receipts.c.provider_id == provider_id)
    waiting = (receipts.c.provider == provider) & receipts.c.settled_at.is_(None) & mine
    rows = await connection.execute(select(receipts).where(waiting).order_by(receipts.c.receipt))
    return [Receipt(row.provider, row.provider_id, row.status, row.code, attempt) for row in rows]


async def settle(
    connection: AsyncConnection, receipt: Receipt, *, to: AttemptState, reason: str | None, at: datetime
) -> Settled | None:
    """Move the attempt that this receipt is about to state `to`. None if there is none, or it is further on already.

    An attempt has one message: a receipt that names our attempt but another message than the one we know changes nothing.
    """
    found = await _attempt_of(connection, receipt)
    if found is None:
        return None
    await hold_page_of(connection, found.attempt)
    received_at = None
    if to in (AttemptState.SENT, AttemptState.DELIVERED):
        received_at = await clock_of(connection, found.attempt, at)
    if to is AttemptState.DELIVERED and found.purpose == Purpose.PAGE:
        first = (pages.c.page == found.page) & pages.c.delivered_at.is_(None)
        await connection.execute(update(pages).where(first).values(delivered_at=at))
    moved = (
        await connection.execute(
            update(attempts)
            .where((attempts.c.attempt == found.attempt) & attempts.c.state.in_(COMES_BEFORE[to]))
            .values(**_values(receipt, to, reason, at))
            .returning(attempts.c.channel, attempts.c.sent_at)
        )
    ).first()
    said = (receipts.c.provider == receipt.provider) & (receipts.c.provider_id == receipt.provider_id)
    this = said & (receipts.c.status == receipt.status) & receipts.c.settled_at.is_(None)
    await connection.execute(update(receipts).where(this).values(settled_at=at))
    if moved is None:
        return None
    return Settled(
        found.attempt, moved.channel, to, moved.sent_at or at, found.type or "", found.authority or "", received_at
    )


async def _attempt_of(connection: AsyncConnection, receipt: Receipt) -> Any | None:
    mine: ColumnElement[bool] = (attempts.c.provider == receipt.provider) & (
        attempts.c.provider_id == receipt.provider_id
    )
    if receipt.attempt is not None:
        asked = func.coalesce(attempts.c.provider, receipt.provider) == receipt.provider
        nameless = (attempts.c.attempt == receipt.attempt) & attempts.c.provider_id.is_(None) & asked
        mine = or_(mine, nameless)
    columns = (attempts.c.attempt, attempts.c.page, attempts.c.purpose, pages.c.type, pages.c.authority)
    query = select(*columns).outerjoin(pages, pages.c.page == attempts.c.page).where(mine)
    return (await connection.execute(query)).first()


def _values(receipt: Receipt, to: AttemptState, reason: str | None, at: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {"state": to, "provider": receipt.provider, "provider_id": receipt.provider_id}
    if to in (AttemptState.SENT, AttemptState.DELIVERED):
        values |= {"sent_at": func.coalesce(attempts.c.sent_at, at)}
        values |= {"settled_at": None, "reason": None, "provider_code": None}
    if to is AttemptState.DELIVERED:
        values |= {"delivered_at": at}
    if to in (AttemptState.UNDELIVERED, AttemptState.FAILED):
        values |= {"settled_at": at, "reason": reason, "provider_code": receipt.code}
    return values
