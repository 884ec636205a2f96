"""Attempts whose outcome is not known: given up waiting for, looked up at the provider, and tried once more."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import AttemptState, Channel
from store import sending
from store.ids import NAMESPACE
from store.pages import attempts

STALE: Final = timedelta(hours=1)
"""After this an unknown outcome is left alone: the page has long moved on."""

_SAME: Final = ("page", "team", "purpose", "step", "round", "person", "channel", "note")

_GIVE_UP: Final = text("""
    UPDATE attempts SET state = 'unknown', settled_at = :at, reason = coalesce(reason, 'no-answer')
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

    `since` is before it was claimed; `known` are the provider's ids of the person's other texts; `provider` was asked, and
    calls it `provider_id`, where it has said so.
    """

    attempt: UUID
    channel: Channel
    provider: str | None
    mobile: str
    reference: str | None
    since: datetime
    known: frozenset[str]
    provider_id: str | None = None


_UNKNOWN: Final = text("""
    SELECT one.attempt, one.channel, one.provider, mobile, reference, one.deadline_at,
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
        Unknown(attempt, Channel(channel), provider, mobile, reference, deadline - patience, frozenset(ids or ()))
        for attempt, channel, provider, mobile, reference, deadline, ids in await connection.execute(
            _UNKNOWN, {"since": at - STALE}
        )
    ]


_QUIET: Final = text("""
    SELECT one.attempt, one.channel, one.provider, mobile, reference, one.sent_at, one.provider_id,
        (SELECT array_agg(provider_id) FROM attempts AS other
            WHERE other.person = one.person AND other.sent_at > one.sent_at - interval '10 minutes'
                AND other.provider_id <> one.provider_id)
    FROM attempts AS one JOIN responders USING (person) LEFT JOIN pages ON pages.page = one.page
    WHERE one.state = 'sent' AND one.channel = 'sms' AND one.sent_at BETWEEN :earliest AND :latest
""")


async def quiet(
    connection: AsyncConnection, *, after: timedelta, until: timedelta, patience: timedelta, at: datetime
) -> list[Unknown]:
    """Texts that were taken so long ago, and of which no receipt has said how they ended: whoever took them may know."""
    given = {"earliest": at - until, "latest": at - after}
    return [
        Unknown(attempt, Channel(channel), provider, mobile, reference, sent_at - patience, frozenset(ids or ()), own)
        for attempt, channel, provider, mobile, reference, sent_at, own, ids in await connection.execute(_QUIET, given)
    ]


async def try_again(connection: AsyncConnection, attempt: UUID, *, at: datetime, provider: str | None = None) -> bool:
    """Write its second and last try, due at `at`, through this provider; False if there is one."""
    row = (await connection.execute(select(attempts).where(attempts.c.attempt == attempt))).mappings().one()
    same = {name: row[name] for name in _SAME}
    number = uuid5(NAMESPACE, f"again/{attempt}")
    values = {**same, "attempt": number, "try": 2, "due_at": at, "provider": provider}
    return await sending.insert_new(connection, {**values, "state": AttemptState.PENDING})
