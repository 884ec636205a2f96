"""What the auditor checks, what it may mend by itself, and of what a manager is told: one table for each."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import Clock
from store import auditing
from store.auditing import Broken


class Invariant(StrEnum):
    """A promise that is checked every fifteen seconds. Closed: it is the metric's label, and the runbook has a line for each."""

    STEP_LATE = "step-late"
    NOBODY_TOLD = "nobody-told"
    ATTEMPT_STUCK = "attempt-stuck"
    CONTACT_LATE = "contact-late"
    WINDOW_OVER = "window-over"
    NO_PAGE = "moment-without-page"
    NO_OUTCOME = "event-without-outcome"
    LANES_DIFFER = "lanes-differ"
    KAFKA_SILENT = "kafka-silent"
    PROBE_LATE = "probe-late"
    ROTA_GAP = "rota-gap"
    FEED_SILENT = "feed-silent"
    PROVIDER_FAILING = "provider-failing"
    CLOCK_SKEW = "clock-skew"
    CHAIN_BROKEN = "chain-broken"
    NOT_CHECKED = "not-checked"  # a check itself has failed


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise broken, of one thing."""

    invariant: Invariant
    of: Broken


Check = Callable[[AsyncConnection, datetime], Awaitable[list[Broken]]]

ROWS: Final[Mapping[Invariant, Check]] = {
    Invariant.STEP_LATE: auditing.late_steps,
    Invariant.NOBODY_TOLD: auditing.untold,
    Invariant.ATTEMPT_STUCK: auditing.stuck_attempts,
    Invariant.CONTACT_LATE: auditing.uncontacted,
    Invariant.WINDOW_OVER: auditing.windows_over,
    Invariant.NO_PAGE: auditing.moments_without_a_page,
    Invariant.FEED_SILENT: auditing.silent_feeds,
    Invariant.PROVIDER_FAILING: auditing.failing_providers,
}
"""What is asked of the rows in every round."""

ROTA_EVERY: Final = timedelta(minutes=1)
"""A question for each team: a rota changes on the hour, not on the second."""

PAGES_MAY_NOT_COME: Final = frozenset(
    {
        Invariant.STEP_LATE,
        Invariant.NOBODY_TOLD,
        Invariant.ATTEMPT_STUCK,
        Invariant.CONTACT_LATE,
        Invariant.NO_PAGE,
        Invariant.NO_OUTCOME,
        Invariant.KAFKA_SILENT,
        Invariant.PROBE_LATE,
        Invariant.ROTA_GAP,
        Invariant.PROVIDER_FAILING,
    }
)
"""Of these the managers on call are told as well: they can ring people, and nobody else knows whom. All ring the operator."""

TOLD_AFTER: Final[Mapping[Invariant, timedelta]] = {
    Invariant.ROTA_GAP: timedelta(minutes=15),  # while a rota is being mended or imported it has gaps
    Invariant.PROVIDER_FAILING: timedelta(minutes=5),  # three phones that are off are no provider's fault
    Invariant.PROBE_LATE: timedelta(minutes=3),  # a restart
}
"""For how long it must stand before managers are told: a false alarm at night costs the next true one its answer."""

TOLD_AT_LEAST_AFTER: Final = timedelta(seconds=10)
"""Of all others: what one round mends, the next does not find."""

SKEW: Final = timedelta(seconds=2)
"""Every deadline here is a time that one machine wrote and another reads."""


async def skewed(connection: AsyncConnection, clock: Clock) -> list[Broken]:
    """Whether our clock and the database's differ by more than can be the way there and back."""
    before = clock()
    theirs: datetime = (await connection.execute(select(text("clock_timestamp()")))).scalar_one()
    after = clock()
    return [Broken("database")] if theirs < before - SKEW or theirs > after + SKEW else []
