"""What must still be looked for in the events of the last 72 hours: each child added or changed, remembered until it is done."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Column, Integer, Table, Text, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.columns import Instant
from store.database import TABLES

scans = Table(
    "scans",
    TABLES,
    Column("child", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),  # of the list, with the entry as it is now
    Column("asked_at", Instant, nullable=False, index=True),
    Column("held_by", Text),
    Column("held_until", Instant),
    Column("tries", Integer, nullable=False, server_default="0"),
)

AT_ONCE = 100_000
"""Children looked for in one pass over the events: within a statement's five seconds; a first import of the country is five passes."""

HOLD = timedelta(minutes=2)
"""Renewed while it goes on: a worker that was killed holds nobody up for longer."""


@dataclass(frozen=True, slots=True)
class Scan:
    """These children, as far as version `version` of the list. `since`: when the first of them was asked for."""

    children: frozenset[str]
    version: int
    since: datetime


async def ask(connection: AsyncConnection, children: Sequence[tuple[str, int]], *, at: datetime) -> None:
    """Remember to look for these (child, version of the list). One that waits already waits on; one under way starts anew."""
    if not children:
        return
    new = insert(scans).values(asked_at=at)
    again = {"version": new.excluded.version, "asked_at": new.excluded.asked_at, "held_by": None, "held_until": None}
    rows = [{"child": child, "version": version} for child, version in children]
    await connection.execute(new.on_conflict_do_update(index_elements=["child"], set_=again), rows)


async def forget(connection: AsyncConnection, children: Collection[str]) -> None:
    """They are not on the list any more."""
    await connection.execute(delete(scans).where(scans.c.child.in_(children)))


async def waiting(connection: AsyncConnection) -> int:
    """How many children are still to be looked for."""
    return await connection.scalar(select(func.count()).select_from(scans)) or 0


async def take(connection: AsyncConnection, worker: str, *, known: int, before: datetime, at: datetime) -> Scan | None:
    """The children longest waiting, for this worker alone until HOLD has passed; None if there are none.

    Only those whose entry `worker` has in its own list (`known` is its version), and asked for before `before`: by then
    the other workers have it too, and what they decide from now on they decide with it.
    """
    free = or_(scans.c.held_until.is_(None), scans.c.held_until <= at)
    ripe = free & (scans.c.version <= known) & (scans.c.asked_at <= before)
    first = select(scans.c.child).where(ripe).order_by(scans.c.asked_at, scans.c.child).limit(AT_ONCE)
    mine = first.with_for_update(skip_locked=True).scalar_subquery()
    held = {"held_by": worker, "held_until": at + HOLD, "tries": scans.c.tries + 1}
    taken = update(scans).where(scans.c.child.in_(mine)).values(**held)
    rows = (await connection.execute(taken.returning(scans.c.child, scans.c.version, scans.c.asked_at))).all()
    if not rows:
        return None
    children = frozenset(row.child for row in rows)
    return Scan(children, max(row.version for row in rows), min(row.asked_at for row in rows))


async def renew(connection: AsyncConnection, worker: str, *, at: datetime) -> int:
    """Still at it. Returns how many are still held: none, if somebody else has taken them meanwhile."""
    held = update(scans).where(scans.c.held_by == worker).values(held_until=at + HOLD)
    return (await connection.execute(held)).rowcount


async def done(connection: AsyncConnection, worker: str, scan: Scan) -> None:
    """Found or not, they have been looked for. One that was changed meanwhile waits anew."""
    mine = (scans.c.held_by == worker) & scans.c.child.in_(bindparam("those", expanding=True))
    await connection.execute(
        delete(scans).where(mine & (scans.c.version <= scan.version)), {"those": sorted(scan.children)}
    )
