"""The auditor, every fifteen seconds, in the pager that leads: is everything as it must be?

1. Look: the rows, what Kafka has told, the synthetic child, the rota, the clocks, the audit chain.
2. Mend what can be mended: redo the step.
3. What was there in the round before as well, a manager is told of.
4. Show it, by promise; and only if nothing was found, tell the outside that all is well.
5. Begin the synthetic child's next round, if it is due.

What goes wrong in a check is a finding. The auditor itself is watched by its own metric, and by whoever waits for the ping.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from notifiers.auditor_invariants import ROTA_EVERY, ROWS, TOLD_AFTER, TOLD_AT_LEAST_AFTER, Finding, Invariant, skewed
from notifiers.auditor_leader import Leader
from notifiers.auditor_reader import Reader
from notifiers.auditor_repair import Repair, tell_managers
from notifiers.heartbeat import ping
from notifiers.probe import Probe
from schemas.base import Clock
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.pages import Channel
from store import auditing, probing
from store.auditing import Broken

EVERY: Final = 15.0
"""Seconds from one round to the next."""

SHOWN: Final = 5
"""So many of each promise are named in the log; the metric has how many there are."""


@dataclass(frozen=True)
class Outside:
    """What the auditor reaches besides the database; each may be missing. `reader` makes one: it is begun by whoever leads."""

    reader: Callable[[], Reader] | None = None
    probe: Probe | None = None
    heartbeat_url: str | None = None
    ping: Callable[[str], Awaitable[bool]] = ping


class Auditor:
    """One round at a time."""

    def __init__(
        self,
        engine: AsyncEngine,
        leader: Leader,
        repair: Repair,
        metrics: Metrics,
        clock: Clock,
        outside: Outside,
        channels: Collection[Channel] = (Channel.SMS,),
    ) -> None:
        """`channels` are those that are set up here: by these a manager can be told."""
        self._engine = engine
        # Each statement by itself: a check that fails does not spoil the next, and no lock is held while others are asked.
        self._asking = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._leader = leader
        self._repair = repair
        self._metrics = metrics
        self._clock = clock
        self._outside = outside
        self._channels = channels
        self._reader: Reader | None = None
        self._since: dict[Finding, datetime] = {}
        self._gaps: list[Broken] = []
        self._gaps_at: datetime | None = None
        self._link: Any = None
        self._linked = False

    async def work(self, stop: asyncio.Event) -> None:
        """Round after round, until `stop`. What goes wrong with the database is logged, and tried again in the next."""
        try:
            while not stop.is_set():
                try:
                    await self.round()
                except (SQLAlchemyError, OSError) as problem:
                    logger().error("auditor-interrupted", error=type(problem).__name__)
                await _wait(stop, EVERY)
        finally:
            await self.close()

    async def close(self) -> None:
        """Let another pager lead."""
        await self._stand_by()
        await self._leader.close()

    async def round(self) -> list[Finding] | None:
        """One round: what was found, before it was mended; None if another pager audits."""
        if not await self._leader.leads():
            await self._stand_by()
            return None
        self._listen()
        at = self._clock()
        findings = await self.look(at)
        await self._repair.mend(findings, at)
        self._since = {finding: self._since.get(finding, at) for finding in findings}
        await self._tell([finding for finding in findings if self._stands(finding, at)], at)
        self._show(findings)
        if not findings and self._outside.heartbeat_url is not None:
            await self._outside.ping(self._outside.heartbeat_url)
        self._metrics.auditor_last_run_timestamp_seconds.set(self._clock().timestamp())
        if self._outside.probe is not None:
            await self._outside.probe.begin_if_due()
        return findings

    async def look(self, at: datetime) -> list[Finding]:
        """Check every promise. Raises SQLAlchemyError only if the database cannot be reached at all."""
        found: list[Finding] = []
        async with self._asking.connect() as connection:
            for invariant, check in ROWS.items():
                found += await self._check(invariant, check(connection, at))
            found += await self._check(Invariant.ROTA_GAP, self._gaps_now(connection, at))
            found += await self._check(Invariant.CLOCK_SKEW, skewed(connection, self._clock))
            found += await self._check(Invariant.CHAIN_BROKEN, self._chain(connection))
            found += await self._check(Invariant.PROBE_LATE, self._probe(connection))
        return [*found, *self._heard()]

    async def _check(self, invariant: Invariant, asked: Awaitable[list[Broken]]) -> list[Finding]:
        try:
            return [Finding(invariant, broken) for broken in await asked]
        except (SQLAlchemyError, ValueError) as problem:
            logger().error("auditor-check-failed", reason=invariant.value, error=type(problem).__name__)
            return [Finding(Invariant.NOT_CHECKED, Broken(invariant.value))]

    async def _gaps_now(self, connection: AsyncConnection, at: datetime) -> list[Broken]:
        if self._gaps_at is None or at >= self._gaps_at + ROTA_EVERY:
            self._gaps = await auditing.gaps_now(connection, at)
            self._gaps_at = at
        return self._gaps

    async def _chain(self, connection: AsyncConnection) -> list[Broken]:
        """What has been written since the last round; the whole of it is the business of `nightlight audit verify`."""
        if not self._linked:
            self._link, self._linked = await auditing.chain_end(connection), True
        broken, self._link = await auditing.broken_chain(connection, self._link)
        return [Broken(broken)] if broken else []

    async def _probe(self, connection: AsyncConnection) -> list[Broken]:
        if self._outside.probe is None:
            return []
        last = await probing.last_came(connection)
        if last is not None:
            self._metrics.probe_last_success_timestamp_seconds.set(last.timestamp())
        return [Broken("probe")] if self._outside.probe.late(last) else []

    def _heard(self) -> list[Finding]:
        if self._reader is None:
            return []
        if self._reader.silent():
            return [Finding(Invariant.KAFKA_SILENT, Broken("kafka"))]
        lost = [Finding(Invariant.NO_OUTCOME, Broken(key)) for key in self._reader.without_outcome()]
        return [*lost, *(Finding(Invariant.LANES_DIFFER, Broken(key)) for key in self._reader.in_one_lane())]

    def _stands(self, finding: Finding, at: datetime) -> bool:
        return at - self._since[finding] >= TOLD_AFTER.get(finding.invariant, TOLD_AT_LEAST_AFTER)

    async def _tell(self, findings: list[Finding], at: datetime) -> None:
        if not findings:
            return
        async with self._engine.begin() as connection:
            told = await tell_managers(connection, findings, self._channels, at)
        if told:
            logger().error("auditor-told-managers", count=told)

    def _show(self, findings: list[Finding]) -> None:
        for invariant in Invariant:
            these = [finding for finding in findings if finding.invariant is invariant]
            self._metrics.auditor_findings.labels(invariant=invariant.value).set(len(these))
            for finding in these[:SHOWN]:
                logger().error("auditor-finding", reason=invariant.value, reference=finding.of.about)

    def _listen(self) -> None:
        if self._reader is None and self._outside.reader is not None:
            self._reader = self._outside.reader()
            self._reader.start()

    async def _stand_by(self) -> None:
        """Whoever does not audit shows nothing: two pagers must not contradict each other for ever."""
        if self._reader is not None:
            reader, self._reader = self._reader, None
            await asyncio.to_thread(reader.stop)
        self._since = {}
        self._linked = False
        for invariant in Invariant:
            self._metrics.auditor_findings.labels(invariant=invariant.value).set(0)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
