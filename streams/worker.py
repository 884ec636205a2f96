"""A worker process of one lane: the list first, then Kafka; health and metrics beside it; gone within 5 s of being told."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from uuid import uuid4

from prometheus_client import CollectorRegistry

from schemas.base import utc_now
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.probe import PROBE
from schemas.sealing import KeyringFile, SealBroken
from schemas.settings import BadSettings, Settings
from schemas.web import service, serving_in_thread
from schemas.wire import Sealer
from store.database import connect
from streams import kafka
from streams.app import assigned, build, consumer_alive, crashed
from streams.book import AWAY, PostgresBook, PostgresShelf
from streams.children import AWAY as LIST_AWAY
from streams.children import Index, WatchedChildren
from streams.doubts import Doubts
from streams.loop import DatabaseAway, Loop, Publish
from streams.match import questions
from streams.matching import Matcher
from streams.matching.model import Model, ModelRefused
from streams.originals import Originals
from streams.pairs import Pairs
from streams.pipeline import bind
from streams.progress import Progress
from streams.rematch import Rematch
from streams.watchdog import Limits, Place, Watchdog, Watched

STOP_SECONDS = 4.5
"""After that it leaves as it stands: what was not acknowledged comes again, and a polite stop may wait for what is away."""


def run(settings: Settings, lane: str, *, limits: Limits | None = None, index: Index | None = None) -> None:
    """Work until SIGTERM or SIGINT. Exits 1 if it breaks, 70 if the watchdog finds it stuck.

    Raises ValueError, one sentence, for a keyring that cannot be read, and BadSettings for a setting that is missing.
    """
    broken = asyncio.run(_until_told(Worker(settings, lane, limits=limits, index=index)))
    if broken:
        sys.exit(1)


async def _until_told(worker: "Worker") -> bool:
    told = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, told.set)
    work, wait = asyncio.create_task(worker.work()), asyncio.create_task(told.wait())
    await asyncio.wait({work, wait}, return_when=asyncio.FIRST_COMPLETED)

    end = threading.Timer(STOP_SECONDS, os._exit, (0 if told.is_set() else 1,))
    end.daemon = True
    end.start()
    wait.cancel()
    work.cancel()
    (problem,) = await asyncio.gather(work, return_exceptions=True)
    if told.is_set():
        return False
    logger().error("worker-broken", error=type(problem).__name__)
    return True


def _matcher(settings: Settings, metrics: Metrics) -> Matcher:
    """With the model of the settings. Raises BadSettings if it is none."""

    def skipped(block: str) -> None:
        metrics.index_blocks_skipped.labels(block=block).inc()

    if settings.matcher_file is None:
        return Matcher(on_overflow=skipped)
    try:
        return Matcher(Model.load(settings.matcher_file), on_overflow=skipped)
    except ModelRefused as problem:
        raise BadSettings(f"NIGHTLIGHT_MATCHER_FILE: {problem}.") from problem


class Worker:
    """Everything one process holds, wired. `work` returns only by raising."""

    def __init__(self, settings: Settings, lane: str, *, limits: Limits | None, index: Index | None) -> None:
        self.settings = settings
        self.lane = lane
        self.limits = limits
        self.registry = CollectorRegistry()
        self.metrics = Metrics.build(self.registry)
        self.sealer: Sealer = KeyringFile(settings.keyring_path)
        self.engine = connect(settings.need("database_url"), ping=False)  # every step is tried again
        self.index = _matcher(settings, self.metrics) if index is None else index
        self.children = WatchedChildren(self.engine, self.sealer, self.index, utc_now)
        self.pairs = Pairs(self.engine, self.sealer, utc_now)
        self.book = PostgresBook(self.engine, self.sealer)
        self.originals = Originals(settings, self.engine, self.sealer, utc_now)
        self.progress = Progress()
        self.watchdog: Watchdog | None = None
        self.metrics.children_loaded.set_function(lambda: max(0, len(self.children) - 1))
        self.metrics.children_age_seconds.set_function(lambda: self.children.age)
        self.metrics.children_unreadable.set_function(lambda: len(self.children.unreadable))

    async def ready(self) -> list[str]:
        """What keeps it from working now."""
        because = [] if self.children.ready else ["The list of watched children is not loaded yet."]
        return because if self.watchdog and self.watchdog.assigned else [*because, "No partition is assigned yet."]

    def notes(self) -> list[str]:
        """What is wrong, and keeps nobody else from being recognised."""
        if not (count := len(self.children.unreadable)):
            return []
        who = (
            "1 child on the list cannot be read and is"
            if count == 1
            else f"{count} children on the list cannot be read and are"
        )
        return [f"{who} not recognised: 'nightlight children check' names them."]

    async def work(self) -> None:
        """In this order: answer for our health, load the list, and only then take events; follow the list while we do."""
        title = f"Nightlight streams, lane {self.lane}"
        page = service(
            title,
            ready=self.ready,
            notes=self.notes,
            registry=self.registry,
            description="Recognises watched children.",
        )
        with serving_in_thread(page, self.settings), tempfile.TemporaryDirectory() as datadir:
            await self._load()
            work = (self.children.follow(), self.pairs.follow(), self._rematch().follow(), self._doubts().follow())
            tasks = [asyncio.create_task(each) for each in (*work, self._consume(Path(datadir)))]
            try:
                # None ever ends by itself: a list nobody follows, or a topic nobody reads, ends the process.
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
                await self.engine.dispose()
        raise next((each for each in ended if isinstance(each, Exception)), RuntimeError("ended by itself"))

    async def _load(self) -> None:
        while True:
            try:
                await self.children.load()
                await self.pairs.load()
            except (*LIST_AWAY, SealBroken) as problem:
                logger().warning("children-not-loaded", error=type(problem).__name__)
                await asyncio.sleep(1)
                continue
            self.index.put(PROBE)  # the synthetic child is on no list, and is found like any other
            logger().info("children-loaded", count=len(self.children) - 1)
            return

    async def _consume(self, datadir: Path) -> None:
        app = build(self.settings, self.lane, make_loop=self._loop, datadir=datadir)
        watched = Watched(
            assigned=lambda: assigned(app),
            consumer_alive=lambda: consumer_alive(app),
            lag=self._lag,
            progress=self.progress,
        )
        self.watchdog = Watchdog(watched, stalled=self.metrics.worker_stalled_seconds, limits=self.limits)
        self.watchdog.start()
        try:
            await app.start()
            await crashed(app)
        finally:
            self.watchdog.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await app.stop()
        raise RuntimeError("Faust has crashed") from app.crash_reason

    def _rematch(self) -> Rematch:
        return Rematch(
            settings=self.settings,
            engine=self.engine,
            sealer=self.sealer,
            children=self.children,
            pairs=self.pairs,
            book=self.book,
            originals=self.originals,
            metrics=self.metrics,
            clock=utc_now,
            me=f"{self.lane}-{uuid4()}",
            glance=getattr(self.index, "glance", None),
        )

    def _doubts(self) -> Doubts:
        return Doubts(self.engine, self.sealer, utc_now)

    def _loop(self, publish: Publish) -> Loop:
        needs = {
            "children": self.children,
            "pairs": self.pairs,
            "originals": self.originals,
            "book": self.book,
            "sealer": self.sealer,
            "clock": utc_now,
        }
        return Loop(
            steps=bind(needs),
            publish=publish,
            shelf=PostgresShelf(self.engine),
            sealer=self.sealer,
            metrics=self.metrics,
            progress=self.progress,
            clock=utc_now,
            lane=self.lane,
            away=(DatabaseAway, *AWAY),
            foresee=lambda batch: self.children.foreseeing(questions(batch)),
        )

    def _lag(self, places: Collection[Place], next_offset: Mapping[Place, int]) -> Mapping[Place, int] | None:
        return asyncio.run(kafka.lag(self.settings, f"nightlight-{self.lane}", places, dict(next_offset)))
