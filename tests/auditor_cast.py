"""The auditor's own cast: a database with people on call and a watched child, a clock that stands, and an outside that remembers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from notifiers.auditor import Auditor, Outside
from notifiers.auditor_invariants import Finding, Invariant
from notifiers.auditor_leader import Leader
from notifiers.auditor_repair import Repair
from notifiers.pager import nothing
from notifiers.wake import Bells
from schemas.metrics import Metrics
from schemas.moments import Outcome
from schemas.pages import Channel
from store.opening import open_or_join
from tests.store_cast import NOON, SEALER, found, house
from tests.watch import Watch


@dataclass
class Heard:
    """What Kafka has told, as a test says it."""

    lost: list[str] = field(default_factory=list)
    differ: list[str] = field(default_factory=list)
    away: bool = False
    running: bool = False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def without_outcome(self) -> list[str]:
        return self.lost

    def in_one_lane(self) -> list[str]:
        return self.differ

    def silent(self) -> bool:
        return self.away


@dataclass
class Scene:
    """One database, one auditor, and what came of it. The database's own clock is real: it always differs from `watch`."""

    engine: AsyncEngine
    url: str
    watch: Watch
    registry: CollectorRegistry
    metrics: Metrics
    heard: Heard
    pinged: list[str]
    auditor: Auditor

    async def round(self) -> list[Finding]:
        findings = await self.auditor.round()
        assert findings is not None
        return [finding for finding in findings if finding.invariant is not Invariant.CLOCK_SKEW]

    async def found(self) -> list[Invariant]:
        return [finding.invariant for finding in await self.round()]

    def shown(self, invariant: Invariant) -> float | None:
        return self.registry.get_sample_value("nightlight_auditor_findings", {"invariant": invariant.value})

    async def arrest(self, name: str = "arrest", **more: Any) -> Outcome:
        async with self.engine.begin() as connection:
            return await open_or_join(connection, SEALER, found(name, **more), at=self.watch())

    async def break_(self, statement: str, **given: Any) -> None:
        """Something happens to the rows that must not: as their owner, past every trigger."""
        async with self.engine.begin() as connection:
            await connection.execute(text("SET LOCAL ROLE NONE"))
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            for each in statement.split(";"):
                await connection.execute(text(each), given)

    async def rows(self, statement: str) -> list[Any]:
        async with self.engine.connect() as connection:
            return list(await connection.execute(text(statement)))


@asynccontextmanager
async def scene(
    database_url: str, *, channels: Sequence[Channel] = (Channel.SMS,), heartbeat: str | None = None
) -> AsyncIterator[Scene]:
    watch, registry, heard = Watch(NOON), CollectorRegistry(), Heard()
    metrics, pinged = Metrics.build(registry), []

    async def ping(url: str) -> bool:
        pinged.append(url)
        return True

    async with house(database_url) as engine:
        outside = Outside(lambda: heard, None, heartbeat, ping)  # type: ignore[arg-type,return-value]
        repair = Repair(engine, Bells(), nothing)
        auditor = Auditor(engine, Leader(database_url), repair, metrics, watch, outside, channels)
        try:
            yield Scene(engine, database_url, watch, registry, metrics, heard, pinged, auditor)
        finally:
            await auditor.close()
