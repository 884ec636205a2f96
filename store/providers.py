"""How much of each channel each provider has now, why, and how it came to that: the same for every process."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Identity,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import Channel
from store.columns import Instant, one_of
from store.database import TABLES

providers = Table(
    "providers",
    TABLES,
    Column("channel", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("weight", Integer, nullable=False),  # of 100
    Column("failures", Integer, nullable=False),  # one after the other
    Column("faulted_at", Instant),
    Column("changed_at", Instant),
    Column("reason", Text),  # of the last fault
    PrimaryKeyConstraint("channel", "provider"),
    CheckConstraint(one_of("channel", Channel), name="channel_known"),
    CheckConstraint("weight BETWEEN 0 AND 100", name="weight_is_of_a_hundred"),
)

changes = Table(
    "provider_changes",
    TABLES,
    Column("change", Integer, Identity(), primary_key=True),
    Column("channel", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("was", Integer, nullable=False),
    Column("weight", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False, index=True),
)

FIELDS: Final = ("provider", "weight", "failures", "faulted_at", "changed_at", "reason")


async def read(connection: AsyncConnection) -> dict[Channel, list[Mapping[str, Any]]]:
    """What is known of every provider, by channel: `FIELDS` of each."""
    found: dict[Channel, list[Mapping[str, Any]]] = {}
    for row in (await connection.execute(select(providers))).mappings():
        found.setdefault(Channel(row["channel"]), []).append({name: row[name] for name in FIELDS})
    return found


async def hold(
    connection: AsyncConnection, channel: Channel, beginning: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The same of one channel, locked until the transaction ends. Providers that are not there yet begin as in `beginning`."""
    rows = [{**row, "channel": channel} for row in beginning]
    await connection.execute(upsert(providers).on_conflict_do_nothing(), rows)
    chosen = select(providers).where(providers.c.channel == channel).order_by(providers.c.provider).with_for_update()
    found = (await connection.execute(chosen)).mappings()
    return [{name: row[name] for name in FIELDS} for row in found]


async def write(
    connection: AsyncConnection,
    channel: Channel,
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
    *,
    because: str,
    at: datetime,
) -> int:
    """Write what has changed, and keep each change of a weight with why. Returns how many weights have changed."""
    was = {row["provider"]: row for row in before}
    changed = [row for row in after if row != was.get(row["provider"])]
    for row in changed:
        this = (providers.c.channel == channel) & (providers.c.provider == row["provider"])
        await connection.execute(update(providers).where(this).values(**row))
    moved = [
        {
            "channel": channel,
            "provider": row["provider"],
            "was": was[row["provider"]]["weight"],
            "weight": row["weight"],
            "reason": because,
            "at": at,
        }
        for row in changed
        if row["weight"] != was[row["provider"]]["weight"]
    ]
    if moved:
        await connection.execute(insert(changes), moved)
    return len(moved)


async def history(connection: AsyncConnection, *, since: datetime) -> list[Mapping[str, Any]]:
    """Every change of a weight since then, the oldest first: channel, provider, was, weight, reason, at."""
    asked = select(changes).where(changes.c.at >= since).order_by(changes.c.change)
    return [dict(row) for row in (await connection.execute(asked)).mappings()]
