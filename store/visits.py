"""Hospital visits that have been told of, for two days: what a cancellation, a merge or a late message must know of them.

Nothing here says who: names are not kept, numbers are keyed hashes or sealed (domain page, L3).
"""

import json
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Table, Text, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.sealing import SealBroken
from schemas.wire import Sealer
from store.columns import Instant, Sealed
from store.database import TABLES

hl7_visits = Table(
    "hl7_visits",
    TABLES,
    Column("visit", Text, primary_key=True),
    Column("state", Sealed, nullable=False),
    Column("heard_at", Instant, nullable=False, index=True),
    Column("written_at", Instant, nullable=False, server_default=func.clock_timestamp(), index=True),
)

KEPT = timedelta(days=2)
"""After the last message about it. The longest stay in an A&E department is a day; a correction may come the day after."""


async def write(
    connection: AsyncConnection, sealer: Sealer, visits: Iterable[tuple[str, dict[str, Any], datetime]]
) -> None:
    """Keep these, as (visit, state, when it was heard of)."""
    rows = [
        {"visit": visit, "state": sealer.seal(json.dumps(state).encode(), place=f"hl7_visits/{visit}"), "heard_at": at}
        for visit, state, at in sorted(visits, key=lambda row: row[0])
    ]
    if not rows:
        return
    statement = upsert(hl7_visits)
    new = statement.excluded
    values = {"state": new.state, "heard_at": new.heard_at, "written_at": func.clock_timestamp()}
    await connection.execute(statement.on_conflict_do_update(index_elements=["visit"], set_=values), rows)


async def since(
    connection: AsyncConnection, sealer: Sealer, *, heard: datetime, written: datetime | None = None
) -> AsyncIterator[tuple[dict[str, Any], datetime]]:
    """The states of visits heard of since `heard` and written since `written`, with when they were written; the oldest first.

    One that was sealed with a key that we no longer hold is passed over: it is at most two days of comfort.
    """
    wanted = select(hl7_visits).where(hl7_visits.c.heard_at >= heard).order_by(hl7_visits.c.written_at)
    if written is not None:
        wanted = wanted.where(hl7_visits.c.written_at >= written)
    for row in await connection.execute(wanted):
        try:
            yield json.loads(sealer.open(bytes(row.state), place=f"hl7_visits/{row.visit}")), row.written_at
        except SealBroken:
            continue


async def forget(connection: AsyncConnection, *, at: datetime) -> None:
    """Purge those that nothing has been heard of for `KEPT`."""
    await connection.execute(delete(hl7_visits).where(hl7_visits.c.heard_at < at - KEPT))
