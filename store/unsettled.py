"""Attempts whose outcome is not known: given up waiting for, looked up at the provider, and tried once more."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import AttemptState
from store import sending
from store.ids import NAMESPACE
from store.pages import attempts

STALE: Final = timedelta(hours=1)
"""After this an unknown outcome is left alone: the page has long moved on."""

_SAME: Final = ("page", "team", "purpose", "step", "round", "person", "channel")

_GIVE_UP: Final = text("""
    UPDATE attempts SET state = 'unknown', settled_at = :at, reason = 'no-answer'
    WHERE attempt IN (
        SELECT attempt FROM attempts WHERE state = 'sending' AND deadline_at <= :at FOR UPDATE SKIP LOCKED
    )
""")


async def give_up_waiting(connection: AsyncConnection, *, at: datetime) -> int:
    """Whatever is still sending past its deadline is unknown. Returns how many."""
    return (await connection.execute(_GIVE_UP, {"at": at})).rowcount


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


_UNKNOWN: Final = text("""
    SELECT one.attempt, mobile, reference, one.deadline_at,
        (SELECT array_agg(provider_id) FROM attempts WHERE person = one.person AND provider_id IS NOT NULL)
    FROM attempts AS one JOIN responders USING (person) LEFT JOIN pages ON pages.page = one.page
    WHERE one.state = 'unknown' AND one.try = 1 AND one.settled_at > :since AND NOT EXISTS (
        SELECT FROM attempts AS again
        WHERE again.page IS NOT DISTINCT FROM one.page
            AND (again.purpose, again.step, again.round, again.person, again.channel)
                = (one.purpose, one.step, one.round, one.person, one.channel)
            AND again.try = 2
    )
""")


async def unknown(connection: AsyncConnection, *, patience: timedelta, at: datetime) -> list[Unknown]:
    """First tries without a known outcome that nobody has tried again yet. `patience` is how long a claim lasts at most."""
    return [
        Unknown(attempt, mobile, reference, deadline - patience, frozenset(ids or ()))
        for attempt, mobile, reference, deadline, ids in await connection.execute(_UNKNOWN, {"since": at - STALE})
    ]


async def try_again(connection: AsyncConnection, attempt: UUID, *, at: datetime) -> bool:
    """Write its second and last try, due at `at`; False if there is one."""
    row = (await connection.execute(select(attempts).where(attempts.c.attempt == attempt))).mappings().one()
    same = {name: row[name] for name in _SAME}
    number = uuid5(NAMESPACE, f"again/{attempt}")
    values = {**same, "attempt": number, "try": 2, "due_at": at}
    return await sending.insert_new(connection, {**values, "state": AttemptState.PENDING})
