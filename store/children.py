"""Watched children: the truth of the list, sealed, with a version for every change so that each worker can follow."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    text,
    union_all,
)
from sqlalchemy import Sequence as Numbers
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.child import WatchedChild
from schemas.sealing import SealBroken
from schemas.wire import Sealer
from store import audit, pairs, scans
from store.columns import Instant, Sealed
from store.csvs import Findings
from store.database import TABLES, lock
from store.formers import remember
from store.roster import Action, Change, misplaced

versions = Numbers("children_versions", metadata=TABLES)

children = Table(
    "children",
    TABLES,
    Column("child", Text, primary_key=True),
    Column("authority", Text, nullable=False, index=True),
    Column("team", Text, nullable=False, index=True),
    Column("sealed", Sealed, nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("review_on", Date, nullable=False, index=True),
    Column("expires_on", Date, nullable=False, index=True),
    Column("version", BigInteger, nullable=False, unique=True),
    Column("changed_at", Instant, nullable=False, server_default=func.now()),
    CheckConstraint("review_on <= expires_on", name="review_before_expiry"),
)

# What changed, without what it was: a removed child leaves an id here for a day, and nothing else.
children_changes = Table(
    "children_changes",
    TABLES,
    Column("version", BigInteger, primary_key=True),
    Column("child", Text, nullable=False),
    Column("changed_at", Instant, nullable=False, server_default=func.now()),
)

ROW = ("child", "authority", "team", "sealed", "starts_on", "review_on", "expires_on", "version")

# Whole columns at a time: row by row, 100,000 children would take a minute.
PUT = text("""
    INSERT INTO children (child, authority, team, sealed, starts_on, review_on, expires_on, version, changed_at)
    SELECT new.*, CAST(:at AS timestamptz)
    FROM unnest(
        CAST(:child AS text[]), CAST(:authority AS text[]), CAST(:team AS text[]), CAST(:sealed AS bytea[]),
        CAST(:starts_on AS date[]), CAST(:review_on AS date[]), CAST(:expires_on AS date[]), CAST(:version AS bigint[])
    ) AS new
    ON CONFLICT (child) DO UPDATE SET
        authority = excluded.authority, team = excluded.team, sealed = excluded.sealed, starts_on = excluded.starts_on,
        review_on = excluded.review_on, expires_on = excluded.expires_on, version = excluded.version,
        changed_at = excluded.changed_at
""")
TELL = text("""
    INSERT INTO children_changes (version, child, changed_at)
    SELECT new.*, CAST(:at AS timestamptz) FROM unnest(CAST(:version AS bigint[]), CAST(:child AS text[])) AS new
""")

BATCH = 5000
"""Rows to one statement: well within a statement's five seconds."""

AT_A_TIME = 500
"""Seals opened before the event loop has its turn: 10 ms."""

KEPT = timedelta(days=1)
"""For how long a change is told. A worker that slept longer loads the list again."""


class TooFarBehind(Exception):
    """Changes after this version are no longer all there: load the snapshot again."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry as it may be listed: nothing that says who."""

    child: str
    authority: str
    team: str
    starts_on: date
    review_on: date
    expires_on: date


@dataclass(frozen=True, slots=True)
class Difference:
    """What an import does, by id."""

    added: tuple[str, ...]
    updated: tuple[str, ...]
    removed: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.added)} added, {len(self.updated)} updated, {len(self.removed)} removed"


async def latest_version(connection: AsyncConnection) -> int:
    """The version of the newest change; 0 for a list that never had one.

    Read it before the snapshot: what changes between the two is then told once more, and never missed.
    """
    newest = union_all(select(func.max(children.c.version)), select(func.max(children_changes.c.version))).subquery()
    version: int | None = await connection.scalar(select(func.max(newest.c[0])))
    return version or 0


Broken = Callable[[str], None]
"""Told the id of each child whose seal does not open: they are left out, and the others are there."""


async def snapshot(
    connection: AsyncConnection, sealer: Sealer, *, broken: Broken | None = None
) -> AsyncIterator[tuple[str, WatchedChild]]:
    """Every child on the list, in force or not, streamed. Without `broken`, raises SealBroken at the first that does not open."""
    query = select(children.c.child, children.c.sealed)
    async with connection.stream(query, execution_options={"yield_per": AT_A_TIME}) as result:
        async for batch in result.partitions():
            for child, sealed in batch:
                if (entry := _open_or_tell(sealer, child, sealed, broken)) is not None:
                    yield child, entry


async def changes_since(
    connection: AsyncConnection, sealer: Sealer, version: int, *, broken: Broken | None = None
) -> list[tuple[int, str, WatchedChild | None]]:
    """What changed after `version`, in order: the child as it is now, or None if it is no longer on the list, or cannot be
    read and `broken` has been told.

    Raises TooFarBehind, and without `broken` SealBroken. A child that changed twice is told twice, the same both times.
    """
    oldest: int | None = await connection.scalar(select(func.min(children_changes.c.version)))
    newer = select(children_changes.c.version, children_changes.c.child, children.c.sealed)
    joined = newer.join(children, children.c.child == children_changes.c.child, isouter=True)
    after = joined.where(children_changes.c.version > version).order_by(children_changes.c.version)
    rows = (await connection.execute(after)).all()
    if rows and oldest is not None and version < oldest - 1:
        raise TooFarBehind(f"changes after version {version} begin at {oldest}")
    changes: list[tuple[int, str, WatchedChild | None]] = []
    for number, child, sealed in rows:
        changes.append((number, child, _open_or_tell(sealer, child, sealed, broken) if sealed else None))
        if len(changes) % AT_A_TIME == 0:
            await asyncio.sleep(0)  # an import of thousands: events are waiting meanwhile
    return changes


async def find(
    connection: AsyncConnection, sealer: Sealer, child_id: str, *, broken: Broken | None = None
) -> WatchedChild | None:
    """One entry, or None if it is not on the list, or cannot be read and `broken` has been told. Else raises SealBroken."""
    sealed: bytes | None = await connection.scalar(select(children.c.sealed).where(children.c.child == child_id))
    return _open_or_tell(sealer, child_id, sealed, broken) if sealed else None


async def ids(connection: AsyncConnection) -> set[str]:
    """Everybody on the list, in force or not."""
    return set((await connection.scalars(select(children.c.child))).all())


async def listing(connection: AsyncConnection) -> list[Listed]:
    """The whole list without anything that says who, by authority, team and id."""
    return await _listed(connection, children.c.child.is_not(None))


async def due(connection: AsyncConnection, today: date, *, within: int = 14) -> list[Listed]:
    """Entries whose review or expiry has passed, or will within so many days: decide on them, or they stop matching."""
    return await _listed(connection, children.c.review_on <= today + timedelta(days=within))


async def difference(connection: AsyncConnection, changes: Sequence[Change]) -> Difference:
    """What an import of these rows would do. Raises BadFile: added though on the list, updated or removed though not."""
    here = await ids(connection)
    findings = Findings()
    for change in changes:
        if wrong := misplaced(change, here):
            findings.add(change.line, *wrong)
    findings.stop()
    added, updated, removed = (tuple(c.child_id for c in changes if c.action is action) for action in Action)
    return Difference(added=added, updated=updated, removed=removed)


async def apply_import(
    connection: AsyncConnection, sealer: Sealer, changes: Sequence[Change], *, at: datetime, who: str
) -> Difference:
    """Take all the rows, or raise BadFile and take none. Workers hear of it when the caller commits.

    What an update replaces is kept beside the new (`store.formers`), and whoever is added or changed is looked for in the
    events of the last 72 hours (`store.scans`).
    """
    await lock(connection, "children", "list")
    done = await difference(connection, changes)
    changes = await _with_formers(connection, sealer, changes)
    numbers = await _take_versions(connection, len(changes))
    numbered = zip(changes, numbers, strict=True)
    rows = [_row(sealer, change.child, number) for change, number in numbered if change.child]
    for batch in _batches(rows):
        await connection.execute(PUT, {"at": at, **dict(zip(ROW, map(list, zip(*batch, strict=True)), strict=True))})
    for gone in _batches(done.removed):
        await _forget(connection, gone)
    await _follow(connection, sealer, changes, numbers, at)
    for start in range(0, len(changes), BATCH):
        ids = [change.child_id for change in changes[start : start + BATCH]]
        told = {"at": at, "version": numbers[start : start + BATCH], "child": ids}
        await connection.execute(TELL, told)
    by_action = {"added": done.added, "updated": done.updated, "removed": done.removed}
    detail = {
        "counts": {what: len(found) for what, found in by_action.items()},
        "ids": {what: list(found) for what, found in by_action.items()},
    }
    await audit.record(connection, audit.What.CHILDREN_IMPORTED, who=who, about="children", at=at, detail=detail)
    return done


async def remove(connection: AsyncConnection, child_id: str, *, at: datetime, who: str, why: str) -> bool:
    """Take one child off the list: the row is deleted, and every worker forgets it. False if it was not on it."""
    await lock(connection, "children", "list")
    if not await _forget(connection, [child_id]):
        return False
    (number,) = await _take_versions(connection, 1)
    await connection.execute(insert(children_changes).values(version=number, child=child_id, changed_at=at))
    detail = {"why": why}
    await audit.record(connection, audit.What.CHILD_REMOVED, who=who, about=f"child/{child_id}", at=at, detail=detail)
    return True


async def forget_changes(connection: AsyncConnection, at: datetime) -> None:
    """Purge changes older than a day. The newest one stays: it tells a worker that slept that it has missed some."""
    newest = select(func.max(children_changes.c.version)).scalar_subquery()
    old = (children_changes.c.changed_at < at - KEPT) & (children_changes.c.version < newest)
    await connection.execute(delete(children_changes).where(old))


async def _with_formers(connection: AsyncConnection, sealer: Sealer, changes: Sequence[Change]) -> list[Change]:
    """The same rows, each update with what it replaces. An entry that cannot be read any more is replaced whole."""
    before: dict[str, WatchedChild] = {}
    for batch in _batches([change.child_id for change in changes if change.action is Action.UPDATE]):
        rows = await connection.execute(select(children.c.child, children.c.sealed).where(children.c.child.in_(batch)))
        for child, sealed in rows:
            with contextlib.suppress(SealBroken, ValueError):
                before[child] = _open(sealer, child, sealed)
    return [
        replace(change, child=remember(change.child, before[change.child_id]))
        if change.child and change.child_id in before
        else change
        for change in changes
    ]


async def _follow(
    connection: AsyncConnection, sealer: Sealer, changes: Sequence[Change], numbers: Sequence[int], at: datetime
) -> None:
    """What must be done for a child that is new or has changed, beside writing it down."""
    wanted = [(change, number) for change, number in zip(changes, numbers, strict=True) if change.child]
    for batch in _batches([(change.child_id, number) for change, number in wanted]):
        await scans.ask(connection, batch, at=at)
    for start in range(0, len(wanted), BATCH):
        part = {change.child_id: change.child for change, _ in wanted[start : start + BATCH]}
        for child_id in sorted(await pairs.having(connection, list(part))):
            if entry := part[child_id]:
                await pairs.follow_child(connection, sealer, entry, at=at)


async def _forget(connection: AsyncConnection, gone: Sequence[str]) -> int:
    """Off the list, with everything that is known for it alone. Returns how many were on it."""
    await pairs.forget_children(connection, gone)
    await scans.forget(connection, gone)
    return (await connection.execute(delete(children).where(children.c.child.in_(gone)))).rowcount


async def _take_versions(connection: AsyncConnection, count: int) -> list[int]:
    """Numbers for the caller's changes. Only under the lock: else a reader could step past a lower one not yet committed."""
    each = select(versions.next_value()).select_from(func.generate_series(1, count).alias("each"))
    return sorted((await connection.scalars(each)).all())


async def _listed(connection: AsyncConnection, which: Any) -> list[Listed]:
    columns = [children.c[field] for field in Listed.__dataclass_fields__]
    ordered = select(*columns).where(which).order_by(children.c.authority, children.c.team, children.c.child)
    return [Listed(**row) for row in (await connection.execute(ordered)).mappings()]


def _row(sealer: Sealer, child: WatchedChild, version: int) -> tuple[Any, ...]:
    """In the order of ROW."""
    sealed = sealer.seal(child.model_dump_json(exclude_defaults=True).encode(), place=_place(child.child_id))
    dates = child.starts_on, child.review_on, child.expires_on
    return child.child_id, child.authority, child.team, sealed, *dates, version


def _open(sealer: Sealer, child: str, sealed: bytes) -> WatchedChild:
    return WatchedChild.model_validate_json(sealer.open(sealed, place=_place(child)))


def _open_or_tell(sealer: Sealer, child: str, sealed: bytes, broken: Broken | None) -> WatchedChild | None:
    try:
        return _open(sealer, child, sealed)
    except (SealBroken, ValueError):
        if broken is None:
            raise
        broken(child)
        return None


def _place(child: str) -> str:
    return f"children/{child}"


def _batches(rows: Sequence[Any]) -> list[Sequence[Any]]:
    return [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
