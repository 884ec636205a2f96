"""The inbox process: wiring, looking at the folder, and taking the files of each agency one after the other."""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import monotonic, time
from typing import Final

from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from connectors.door import Door
from connectors.doorkeeper import Doorkeeper
from connectors.gateway import KafkaWatch
from connectors.inbox.folder import REJECTED, SUMMARY, Dropped, Watch
from connectors.inbox.mapping import BadMapping
from connectors.inbox.sftp import Fetches
from connectors.inbox.take import Changed, Take
from connectors.publish import Publisher
from connectors.topics import Look
from schemas.base import utc_now
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.sealing import KeyringFile
from schemas.settings import Settings
from schemas.web import server, service
from store.database import connect

LOOK_SECONDS: Final = 0.5
TIDY_SECONDS: Final = 3600
LOCK: Final = ".lock"


@dataclass
class Inbox:
    """The folder, and the files that are being taken: of one agency one at a time and in order, of several beside one another,
    so that one arrest never waits for another agency's hundred thousand rows."""

    root: Path
    door: Door
    engine: AsyncEngine
    keep: timedelta
    because: str = "the inbox has not been looked at yet"
    _busy: dict[str | None, "asyncio.Task[None]"] = field(default_factory=dict)
    _said: dict[Path, str] = field(default_factory=dict)

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        watch, tidied = Watch(self.root), float("-inf")
        try:
            while True:
                await self._look(watch)
                if monotonic() - tidied >= TIDY_SECONDS:
                    tidied = monotonic()
                    await asyncio.to_thread(tidy, self.root, before=time() - self.keep.total_seconds())
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _look(self, watch: Watch) -> None:
        try:
            found = await asyncio.to_thread(watch.look, monotonic())
        except OSError as problem:
            self.because = (
                f"the inbox cannot be read ({problem.strerror}): look at NIGHTLIGHT_INBOX and its permissions"
            )
            return
        self.because = ""
        if not self.door.doorkeeper.ready:
            return
        for file in found:
            busy = self._busy.get(file.agency)
            if busy is None or busy.done():
                self._busy[file.agency] = asyncio.create_task(self._take(file, watch))

    async def _take(self, file: Dropped, watch: Watch) -> None:
        try:
            await Take(file, self.door, self.engine, self.door.doorkeeper.agencies).run()
            self._said.pop(file.path.parent, None)
        except Changed:
            watch.forget(file.path)
        except (BadMapping, OSError) as problem:
            watch.forget(file.path)
            self._say_once(file, type(problem).__name__)

    def _say_once(self, file: Dropped, problem: str) -> None:
        """It is tried again each second; once is enough for the log. The name of a file may be a child's: it stays out."""
        if self._said.get(file.path.parent) != problem:
            logger().error("file-cannot-be-taken", feed=file.agency, error=problem)
        self._said[file.path.parent] = problem


def tidy(root: Path, *, before: float) -> None:
    """Remove rejects and summaries last changed before then (seconds since 1970): rows that nobody has mended in so long tell
    of moments that are over, and are about children whom nobody may be watching."""
    for path in [*root.glob("*"), *root.glob("*/*")]:
        with contextlib.suppress(OSError):
            ours = path.name.endswith((REJECTED, SUMMARY))
            if ours and path.is_file() and not path.is_symlink() and path.lstat().st_mtime < before:
                path.unlink()


@contextlib.contextmanager
def alone(root: Path) -> Iterator[Callable[[], bool]]:
    """Whether this process is the only one with the folder: asked again until it is. A second inbox stands by."""
    descriptor = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    def mine() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        yield mine
    finally:
        os.close(descriptor)


async def run(settings: Settings) -> None:
    """Take files until SIGTERM or SIGINT; a file that is under way then is begun again at the next start.

    Raises:
        BadSettings: a setting that it needs is missing.
        ValueError: the keyring cannot be read, or the folder cannot be made; one sentence.
    """
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    root = settings.inbox_path
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise ValueError(f"NIGHTLIGHT_INBOX: {root} cannot be made ({problem.strerror})") from None
    registry = CollectorRegistry()
    metrics = Metrics.build(registry)
    engine = connect(settings.need("database_url"))
    sealer = KeyringFile(settings.keyring_path)
    publisher = Publisher(settings, sealer)
    doorkeeper = Doorkeeper(engine, metrics, utc_now, mode=settings.mode)
    look = Look(settings)
    kafka = KafkaWatch(look)
    door = Door(doorkeeper, publisher, metrics, utc_now, settings.mode, sealer)
    inbox = Inbox(root, door, engine, timedelta(days=settings.inbox_keep_days))

    async def ready() -> list[str]:
        keys = "" if doorkeeper.ready else "The agencies' keys have not been read from the database yet."
        return [reason for reason in (kafka.because, keys, inbox.because) if reason]

    app = service("Nightlight inbox", ready=ready, registry=registry, description="Takes files dropped in a folder.")
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(
            each, lambda: None
        )  # as in the gateway: the server stops at these, then raises them again
    http = server(app, settings)
    with alone(root) as mine:
        watching = asyncio.create_task(_watch_alone(inbox, mine))
        # A watcher that has broken must not leave a process behind that lives and takes nothing: whoever started it begins it again.
        watching.add_done_callback(lambda _: setattr(http, "should_exit", True))
        background = [asyncio.create_task(doorkeeper.keep()), asyncio.create_task(kafka.keep()), watching]
        try:
            await http.serve()
            if watching.done():
                await watching
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            with contextlib.suppress(SQLAlchemyError, OSError):
                await doorkeeper.write()
            look.close()
            await publisher.close()
            await engine.dispose()


async def _watch_alone(inbox: Inbox, mine: Callable[[], bool]) -> None:
    while not mine():
        inbox.because = "another inbox process has the folder: this one stands by"
        await asyncio.sleep(1)
    async with asyncio.TaskGroup() as group:
        group.create_task(inbox.watch())
        group.create_task(Fetches(inbox.root).keep())
