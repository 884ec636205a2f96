"""What must always be so of pages, attempts, moments, the rota and the feeds, asked of the rows: what comes back is not so.

Every query here is answered from an index and stops after `MOST` rows: it is asked every fifteen seconds, and an auditor
that was switched off because it was slow is how another system lost its pages (paging page, 1.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import Channel, Role
from store import audit, feeds
from store.audit import first_broken
from store.people import on_call, plan_for

MOST: Final = 200

STEP_LATE: Final = timedelta(seconds=10)
"""The pager takes up what is due within a quarter of a second; even a provider that answers in 5 s leaves it free."""
UNTOLD: Final = timedelta(seconds=30)
ATTEMPT_LATE: Final = timedelta(seconds=60)
"""Twenty at a time, 5 s each at the worst: three hundred pages of one minute are through before this."""
CONTACT_LATE: Final = timedelta(seconds=30)
WINDOW_LATE: Final = timedelta(seconds=60)
PROVIDER_OVER: Final = timedelta(minutes=15)
FEWEST_FAILURES: Final = 3


@dataclass(frozen=True, slots=True)
class Broken:
    """One thing that is not as it must be. `about` names it by an id, a team, a feed or a provider; never a person."""

    about: str
    page: UUID | None = None
    team: str | None = None


_LATE = text("""
    SELECT page::text AS about, page, team FROM pages
    WHERE state = 'open' AND next_step_at < :late ORDER BY next_step_at LIMIT :most
""")

_UNTOLD = text("""
    SELECT page::text AS about, page, team FROM pages AS open
    WHERE state = 'open' AND next_step_at > :soon AND greatest(opened_at, reopened_at) < :recent AND NOT EXISTS (
        SELECT FROM attempts AS one
        WHERE (one.page, one.purpose, one.step, one.round) = (open.page, 'page', open.step, open.round) AND (
            one.state IN ('pending', 'sending', 'sent', 'delivered') OR (one.state = 'unknown' AND one.try = 1)
            OR greatest(one.due_at, one.settled_at) > :recent
        )
    )
    LIMIT :most
""")

_STUCK = text("""
    SELECT one.attempt::text AS about, one.page, coalesce(pages.team, one.team) AS team FROM (
        (SELECT attempt, page, team FROM attempts WHERE state = 'pending' AND due_at < :late ORDER BY due_at LIMIT :most)
        UNION ALL
        (SELECT attempt, page, team FROM attempts WHERE state = 'sending' AND deadline_at < :past LIMIT :most)
    ) AS one LEFT JOIN pages USING (page)
""")

_UNCONTACTED = text("""
    SELECT page::text AS about, page, team FROM pages
    WHERE state = 'accepted' AND contact_due_at < :late ORDER BY contact_due_at LIMIT :most
""")

_OVER = text("""
    SELECT moment::text AS about, NULL::uuid AS page, team FROM moments
    WHERE state = 'open' AND window_ends_at < :late LIMIT :most
""")

_PAGELESS = text("""
    SELECT moment::text AS about, NULL::uuid AS page, team FROM moments
    WHERE state = 'open' AND opened_at < :late AND NOT EXISTS (SELECT FROM pages WHERE pages.moment = moments.moment)
    LIMIT :most
""")

# A failure has a time at which it was settled; a text that is sent or delivered has the time at which it was.
_FAILING = text("""
    WITH lately AS (
        SELECT channel, provider, 1 AS failed FROM attempts
        WHERE settled_at > :since AND state IN ('failed', 'undelivered', 'unknown')
        UNION ALL
        SELECT channel, provider, 0 FROM attempts WHERE sent_at > :since AND state IN ('sent', 'delivered')
    )
    SELECT channel || '/' || provider AS about, NULL::uuid AS page, NULL::text AS team FROM lately
    WHERE provider IS NOT NULL
    GROUP BY channel, provider HAVING sum(failed) >= :fewest AND sum(failed) * 2 > count(*)
    ORDER BY 1
""")

# From one team to the next by the index: a list of 400,000 children is not read to find 150 teams.
_TEAMS = text("""
    WITH RECURSIVE teams AS (
        (SELECT team FROM children ORDER BY team LIMIT 1)
        UNION ALL
        SELECT (SELECT team FROM children WHERE team > teams.team ORDER BY team LIMIT 1) FROM teams WHERE team IS NOT NULL
    )
    SELECT team FROM teams WHERE team IS NOT NULL
""")

_CHAIN = select(audit.audit).order_by(audit.audit.c.entry)


async def late_steps(connection: AsyncConnection, at: datetime) -> list[Broken]:
    """Open pages whose next step should have begun."""
    return await _ask(connection, _LATE, late=at - STEP_LATE)


async def untold(connection: AsyncConnection, at: datetime) -> list[Broken]:
    """Open pages of which no attempt lives, and whose next step is not soon: nobody is being told."""
    return await _ask(connection, _UNTOLD, soon=at + STEP_LATE + UNTOLD, recent=at - UNTOLD)


async def stuck_attempts(connection: AsyncConnection, at: datetime) -> list[Broken]:
    """Attempts that nobody claims, or that were claimed and never settled."""
    return await _ask(connection, _STUCK, late=at - ATTEMPT_LATE, past=at - STEP_LATE)


async def uncontacted(connection: AsyncConnection, at: datetime) -> list[Broken]:
    """Accepted pages that should have been asked about, or given back to the team."""
    return await _ask(connection, _UNCONTACTED, late=at - CONTACT_LATE)


async def windows_over(connection: AsyncConnection, at: datetime) -> list[Broken]:
    """Moments that should have ended: nobody has been told that their time is over."""
    return await _ask(connection, _OVER, late=at - WINDOW_LATE)


async def moments_without_a_page(connection: AsyncConnection, at: datetime) -> list[Broken]:
    """Open moments that nobody was ever paged for."""
    return await _ask(connection, _PAGELESS, late=at - STEP_LATE)


async def silent_feeds(connection: AsyncConnection, at: datetime) -> list[Broken]:
    """Feeds that say nothing, at an hour when they usually do."""
    return [Broken(one.agency) for one in await feeds.silent(connection, at)][:MOST]


async def failing_providers(connection: AsyncConnection, at: datetime) -> list[Broken]:
    """Providers of which, in the last quarter of an hour, three attempts or more failed, and more than half."""
    rows = await connection.execute(_FAILING, {"since": at - PROVIDER_OVER, "fewest": FEWEST_FAILURES})
    return [Broken(**row) for row in rows.mappings()]


async def gaps_now(connection: AsyncConnection, at: datetime) -> list[Broken]:
    """Teams of watched children whose last step, the one that repeats until somebody accepts, finds nobody at this instant.

    A gap before it costs no time, for the next step begins at once, and is the business of `rota check`.
    """
    found = []
    for team in (await connection.scalars(_TEAMS)).all():
        plan = await plan_for(connection, team)
        last = plan[-1]
        if not await _reaches(connection, team, last.role, last.channels, at):
            found.append(Broken(about=team, team=team))
    return found


async def chain_end(connection: AsyncConnection, *, back: int = MOST) -> Any:
    """The entry so far before the end from which the chain is checked onwards; None is the beginning."""
    rows = (await connection.execute(_CHAIN.order_by(None).order_by(audit.audit.c.entry.desc()).limit(back + 1))).all()
    return rows[-1] if len(rows) > back else None


async def broken_chain(connection: AsyncConnection, after: Any) -> tuple[str | None, Any]:
    """Check what has been written since the entry `after`, a batch of it: what is wrong, and the last entry that is right."""
    since = _CHAIN if after is None else _CHAIN.where(audit.audit.c.entry >= after.entry)
    rows = (await connection.execute(since.limit(audit.BATCH))).all()
    if after is not None and (not rows or rows[0].hash != after.hash):
        return f"entry {after.entry} is missing or was changed", after
    new: Sequence[Any] = rows if after is None else rows[1:]
    broken = first_broken(new, after=after)
    return broken, after if broken else (new[-1] if new else after)


async def _reaches(
    connection: AsyncConnection, team: str, role: Role, channels: Sequence[Channel], at: datetime
) -> bool:
    return any(who.first_of(channels) for who in await on_call(connection, team, role, at))


async def _ask(connection: AsyncConnection, query: Any, **given: Any) -> list[Broken]:
    rows = await connection.execute(query, {"most": MOST, **given})
    return [Broken(**row) for row in rows.mappings()]
