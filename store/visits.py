"""Hospital visits that have been told of, for two days: what a cancellation, a merge or a late message must know of them.

Nothing here says who: names are not kept, numbers are keyed hashes or sealed (domain page, L3).
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Table, Text, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.sealing import SealBroken
from schemas.wire import Sealer
from store.columns import Instant, Sealed
from store.database import TABLES

visits = Table(
    "visits",
    TABLES,
    Column("visit", Text, primary_key=True),
    Column("state", Sealed, nullable=False),
    Column("heard_at", Instant, nullable=False, index=True),
    Column("written_at", Instant, nullable=False, server_default=func.clock_timestamp(), index=True),
    Column("writer", Text, nullable=False),
)

# Whole columns at a time: row by row, a thousand visits a second would keep a processor busy.
PUT = text("""
    INSERT INTO visits (visit, state, heard_at, writer)
    SELECT new.*, :writer
    FROM unnest(CAST(:visits AS text[]), CAST(:states AS bytea[]), CAST(:heard AS timestamptz[])) AS new
    ON CONFLICT (visit) DO UPDATE SET
        state = excluded.state, heard_at = excluded.heard_at, written_at = clock_timestamp(), writer = excluded.writer
""")

KEPT = timedelta(days=2)
"""After the last message about it. The longest stay in an A&E department is a day; a correction may come the day after."""


async def write(
    connection: AsyncConnection, sealer: Sealer, told: Iterable[tuple[str, dict[str, Any], datetime]], *, writer: str
) -> None:
    """Keep these, as (visit, state, when it was heard of). `writer`: the process, which need not read them again."""
    # In one order for all processes: two that write the same visits never wait for one another.
    rows = sorted(told, key=lambda row: row[0])
    if not rows:
        return
    columns = {
        "visits": [visit for visit, _, _ in rows],
        "states": [sealer.seal(json.dumps(state).encode(), place=f"visits/{visit}") for visit, state, _ in rows],
        "heard": [at for _, _, at in rows],
    }
    await connection.execute(PUT, {**columns, "writer": writer})


async def clock(connection: AsyncConnection) -> datetime:
    """The database's clock, which says when a visit was written."""
    now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    return now


async def since(
    connection: AsyncConnection,
    sealer: Sealer,
    *,
    heard: datetime,
    reader: str,
    written: datetime | None = None,
    had: Mapping[str, datetime] | None = None,
) -> AsyncIterator[tuple[str, dict[str, Any], datetime]]:
    """Visits heard of since `heard` and written since `written` by others than `reader`, as (visit, state, when it was
    written); the oldest first.

    Those that were `had`, as they were written then, are not opened again. One that was sealed with a key that we no longer
    hold is passed over: it is at most two days of comfort.
    """
    wanted = select(visits).where(visits.c.heard_at >= heard, visits.c.writer != reader)
    if written is not None:
        wanted = wanted.where(visits.c.written_at >= written)
    for row in await connection.execute(wanted.order_by(visits.c.written_at)):
        if had and had.get(row.visit) == row.written_at:
            continue
        try:
            yield row.visit, json.loads(sealer.open(bytes(row.state), place=f"visits/{row.visit}")), row.written_at
        except SealBroken:
            continue


async def forget(connection: AsyncConnection, *, at: datetime) -> None:
    """Purge those that nothing has been heard of for `KEPT`."""
    await connection.execute(delete(visits).where(visits.c.heard_at < at - KEPT))
