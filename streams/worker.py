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

from prometheus_client import CollectorRegistry

from schemas.base import utc_now
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.sealing import KeyringFile, SealBroken
from schemas.settings import Settings
from schemas.web import service, serving_in_thread
from schemas.wire import Sealer
from store.database import connect
from streams import kafka
from streams.app import assigned, build, consumer_alive, crashed
from streams.book import AWAY, PostgresBook, PostgresShelf
from streams.children import AWAY as LIST_AWAY
from streams.children import Index, WatchedChildren
from streams.loop import DatabaseAway, Loop, Publish
from streams.matching import Matcher
from streams.pipeline import bind
from streams.progress import Progress
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
        self.children = WatchedChildren(self.engine, self.sealer, Matcher() if index is None else index, utc_now)
        self.progress = Progress()
        self.watchdog: Watchdog | None = None
        self.metrics.children_loaded.set_function(lambda: len(self.children))
        self.metrics.children_age_seconds.set_function(lambda: self.children.age)

    async def ready(self) -> list[str]:
        """What keeps it from working now."""
        because = [] if self.children.ready else ["The list of watched children is not loaded yet."]
        return because if self.watchdog and self.watchdog.assigned else [*because, "No partition is assigned yet."]

    async def work(self) -> None:
        """In this order: answer for our health, load the list, and only then take events; follow the list while we do."""
        title = f"Nightlight streams, lane {self.lane}"
        page = service(title, ready=self.ready, registry=self.registry, description="Recognises watched children.")
        with serving_in_thread(page, self.settings), tempfile.TemporaryDirectory() as datadir:
            await self._load()
            follow = asyncio.create_task(self.children.follow())
            consume = asyncio.create_task(self._consume(Path(datadir)))
            try:
                # Neither ever ends by itself: a list nobody follows, or a topic nobody reads, ends the process.
                await asyncio.wait({follow, consume}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                follow.cancel()
                consume.cancel()
                ended = await asyncio.gather(follow, consume, return_exceptions=True)
                await self.engine.dispose()
        raise next((each for each in ended if isinstance(each, Exception)), RuntimeError("ended by itself"))

    async def _load(self) -> None:
        while True:
            try:
                await self.children.load()
            except (*LIST_AWAY, SealBroken) as problem:
                logger().warning("children-not-loaded", error=type(problem).__name__)
                await asyncio.sleep(1)
                continue
            logger().info("children-loaded", count=len(self.children))
            return

    async def _consume(self, datadir: Path) -> None:
        app = build(self.settings, self.lane, make_loop=self._loop, datadir=datadir)
        watched = Watched(
            assigned=lambda: assigned(app),
            consumer_alive=lambda: consumer_alive(app),
            lag=self._lag,
            progress=self.progress,
        )
        self.watchdog = Watchdog(watched, registry=self.registry, limits=self.limits)
        self.watchdog.start()
        try:
            await app.start()
            await crashed(app)
        finally:
            self.watchdog.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await app.stop()
        raise RuntimeError("Faust has crashed") from app.crash_reason

    def _loop(self, publish: Publish) -> Loop:
        needs = {
            "children": self.children,
            "book": PostgresBook(self.engine, self.sealer),
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
        )

    def _lag(self, places: Collection[Place], next_offset: Mapping[Place, int]) -> Mapping[Place, int] | None:
        return asyncio.run(kafka.lag(self.settings, f"nightlight-{self.lane}", places, dict(next_offset)))
