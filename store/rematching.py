"""What the store knows of an event that is looked at again: what it was, and that it was found out too late."""

import json
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Mode
from schemas.moments import Fact, MomentFound
from schemas.wire import Sealer
from store import audit, matches
from store.database import lock_all
from store.moments import WHO, facts, known_outcome, reasons, reviews
from store.opening import events


async def original(connection: AsyncConnection, sealer: Sealer, event_key: str) -> Fact | None:
    """What an event said that was taken to be about a watched child, or that somebody was asked about; None if it was neither."""
    row = (await connection.execute(select(facts).where(facts.c.event_key == event_key).limit(1))).mappings().first()
    if row is not None:
        details = json.loads(sealer.open(row["details"], place=f"facts/{event_key}"))
        known = {name: row[name] for name in Fact.model_fields if name in row and name != "details"}
        return Fact(**known, mode=Mode.LIVE, details=details)
    sealed = await connection.scalar(select(reviews.c.fact).where(reviews.c.event_key == event_key))
    if sealed is None:
        return None
    return Fact.model_validate_json(sealer.open(sealed, place=f"reviews/{event_key}/fact"))


async def report_late(connection: AsyncConnection, found: MomentFound, *, at: datetime) -> bool:
    """It was this child, and the window was over when that came out: written down, and nobody is paged. False if it is known."""
    fact = found.fact
    await lock_all(connection, *events(fact))
    if await known_outcome(connection, fact.event_key) or await matches.of_event(connection, fact.event_key):
        return False
    row = matches.row(
        fact.event_key,
        found.child,
        matches.Link.LATE,
        found.decision,
        marks=found.marks,
        list_version=found.list_version,
        at=at,
    )
    await matches.add(connection, [row])
    detail = {**reasons(fact, found.decision, matches.Link.LATE), "child": found.child}
    await audit.record(
        connection, audit.What.EVENT_DECIDED, who=WHO, about=f"event/{fact.event_key}", at=at, detail=detail
    )
    return True
