"""The auditor beside the pager's loops: wired from the settings, started, and stopped with them. It never takes the pager down."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

from notifiers.auditor import Auditor, Outside
from notifiers.auditor_leader import Leader
from notifiers.auditor_reader import Reader
from notifiers.auditor_repair import Repair
from notifiers.probe import Probe
from notifiers.wake import Bells
from schemas.base import Clock
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.pages import Channel
from schemas.sealing import KeyringFile
from schemas.settings import Settings
from store.database import connect

STOP_WITHIN = 2.0


@contextlib.asynccontextmanager
async def audited(
    settings: Settings,
    metrics: Metrics,
    clock: Clock,
    bells: Bells,
    *,
    channels: Collection[Channel],
    at_point: Callable[[str], None],
    kafka: Mapping[str, Any] | None,
    stop: asyncio.Event,
) -> AsyncIterator[None]:
    """Audit while the body runs. `kafka` are kafka-python's options; without them nothing is compared with the topics."""
    url = settings.need("database_url")
    engine = connect(url, pool=2)
    probe = Probe(engine, settings.gateway_url, clock) if settings.gateway_url else None
    outside = Outside(_reader(settings, kafka, clock), probe, settings.heartbeat_url)
    repair = Repair(engine, bells, at_point)
    auditor = Auditor(engine, Leader(url), repair, metrics, clock, outside, channels)
    task = asyncio.create_task(auditor.work(stop))
    task.add_done_callback(_done)
    try:
        yield
    finally:
        _, late = await asyncio.wait({task}, timeout=STOP_WITHIN)
        for each in late:
            each.cancel()
        await asyncio.wait({task})
        await engine.dispose()


def _reader(settings: Settings, kafka: Mapping[str, Any] | None, clock: Clock) -> Callable[[], Reader] | None:
    if kafka is None:
        return None
    return lambda: Reader(kafka, KeyringFile(settings.keyring_path), clock)


def _done(task: "asyncio.Task[None]") -> None:
    """Pages go on being sent without an auditor; its last round stands still, and that alarm rings."""
    if not task.cancelled() and (problem := task.exception()) is not None:
        logger().error("auditor-died", error=type(problem).__name__)
