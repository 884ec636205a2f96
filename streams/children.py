"""The watched children in this worker: a snapshot of PostgreSQL in the matching index, and every change within a second.

Only who is in force today is in the index: nothing about a child before their first day, after their last, or after
removal. Of the rest the worker holds an id and two dates.
"""

import asyncio
import queue
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Protocol

import psycopg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

import store.children
from schemas.base import Clock
from schemas.child import WatchedChild
from schemas.logs import logger
from schemas.london import LONDON
from schemas.moments import Decision
from schemas.person import Person
from schemas.sealing import SealBroken
from schemas.wire import Sealer
from store.database import libpq_url

CHANNEL = "nightlight_children"
POLL_SECONDS = 1.0
AHEAD = 1000  # children unsealed but not yet indexed while loading: bounds the memory

AWAY = (SQLAlchemyError, psycopg.Error, OSError)
"""The database cannot be asked now: ask again."""


class Index(Protocol):
    """The matching index. `load` may take long and is called from a thread; the others are quick."""

    def load(self, children: Iterable[WatchedChild]) -> None: ...
    def put(self, child: WatchedChild) -> None: ...
    def remove(self, child_id: str) -> None: ...
    def decide(self, person: Person, *, door: str | None = None) -> Decision: ...
    def __len__(self) -> int: ...


class WatchedChildren:
    """The list, in memory. `load` once, then `follow` for as long as the process lives."""

    def __init__(self, engine: AsyncEngine, sealer: Sealer, index: Index, clock: Clock) -> None:
        self._engine = engine
        self._sealer = sealer
        self._index = index
        self._clock = clock
        self._started = clock()
        self._agreed: datetime | None = None
        self._version = 0
        self._dates: dict[str, tuple[date, date]] = {}  # of everybody on the list: first and last day
        self._known: dict[tuple[date, date], tuple[date, date]] = {}  # many children share their dates
        self._tomorrow = _midnight_after(self._started)
        self._awaited: set[str] = set()  # in force since midnight, and still to be read

    @property
    def ready(self) -> bool:
        """Whether the whole list has been loaded."""
        return self._agreed is not None

    @property
    def age(self) -> float:
        """Seconds since the index was last known to agree with the database; since the start, until it has loaded."""
        return max(0.0, (self._clock() - (self._agreed or self._started)).total_seconds())

    def __len__(self) -> int:
        return len(self._index)

    def decide(self, person: Person, door: str | None) -> Decision:
        """The matcher's answer, over the children who are in force at this moment."""
        if self._clock() >= self._tomorrow:
            self._turn_day()
        return self._index.decide(person, door=door)

    async def load(self) -> None:
        """Read the whole list. Raises one of AWAY, or SealBroken: half a list is not a list."""
        at = self._clock()
        async with self._engine.connect() as connection:
            # The version first: what changes meanwhile is told once more, and never missed.
            version = await store.children.latest_version(connection)
            await (self._reload(connection, at) if self.ready else self._first_load(connection, at))
        self._version, self._agreed, self._tomorrow = version, at, _midnight_after(at)

    async def _first_load(self, connection: AsyncConnection, at: datetime) -> None:
        """Index in a thread while reading: never the whole list twice in memory, and the event loop goes on."""
        today = _day(at)
        waiting: queue.Queue[WatchedChild | None] = queue.Queue(maxsize=AHEAD)
        loading = asyncio.create_task(asyncio.to_thread(self._index.load, _drain(waiting)))
        try:
            async for _, child in store.children.snapshot(connection, self._sealer):
                self._note(child)
                if child.in_force(today):
                    await _put(waiting, child, loading)
        finally:
            await _put(waiting, None, loading)
            await loading

    async def _reload(self, connection: AsyncConnection, at: datetime) -> None:
        """The index is in use, by this very loop: child by child, and never empty in between."""
        seen = set()
        async for child_id, child in store.children.snapshot(connection, self._sealer):
            seen.add(child_id)
            self._take_in(child_id, child, at)
        for child_id in self._dates.keys() - seen:
            self._forget(child_id)

    async def follow(self) -> None:
        """Stay in step with the database for ever. Woken by its notices; asks each second in case one is missed."""
        notices = Notices(self._engine)
        while True:
            try:
                await self.catch_up()
            except AWAY as problem:
                logger().warning("children-not-followed", error=type(problem).__name__)
            except SealBroken:
                # Somebody is on the list whom we cannot read: the age of the list grows, and its alarm rings.
                logger().error("children-not-readable")
            await notices.wait(POLL_SECONDS)

    async def catch_up(self) -> None:
        """Take what has changed since the last time. Raises one of AWAY, or SealBroken."""
        at = self._clock()
        if at >= self._tomorrow:
            self._turn_day()
        async with self._engine.connect() as connection:
            try:
                changes = await store.children.changes_since(connection, self._sealer, self._version)
            except store.children.TooFarBehind:
                changes = None
            begun = [
                (each, await store.children.find(connection, self._sealer, each)) for each in sorted(self._awaited)
            ]
        if changes is None:
            await self.load()
            return
        for child_id, child in begun:
            self._take_in(child_id, child, at)
        for version, child_id, child in changes:
            self._take_in(child_id, child, at)
            self._version = version
        self._awaited.difference_update(child_id for child_id, _ in begun)
        self._agreed = at

    def _take_in(self, child_id: str, child: WatchedChild | None, at: datetime) -> None:
        if child is None:
            self._forget(child_id)
            return
        self._note(child)
        if child.in_force(_day(at)):
            self._index.put(child)
            return
        self._index.remove(child_id)

    def _note(self, child: WatchedChild) -> None:
        dates = (child.starts_on, min(child.review_on, child.expires_on))
        self._dates[child.child_id] = self._known.setdefault(dates, dates)

    def _forget(self, child_id: str) -> None:
        self._dates.pop(child_id, None)
        self._awaited.discard(child_id)
        self._index.remove(child_id)

    def _turn_day(self) -> None:
        """Midnight in London: whose last day has passed goes at once; whose first day has come is read within a second."""
        at = self._clock()
        today, yesterday = _day(at), _day(self._tomorrow) - timedelta(days=1)
        for child_id, (first, last) in self._dates.items():
            if last < today:
                self._index.remove(child_id)
            elif yesterday < first <= today:
                self._awaited.add(child_id)
        self._tomorrow = _midnight_after(at)


class Notices:
    """The database's notices of a changed list, over a connection of their own that is made again whenever it breaks."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._address = libpq_url(engine.url.render_as_string(hide_password=False))
        self._connection: psycopg.AsyncConnection[tuple[object, ...]] | None = None

    async def wait(self, seconds: float) -> None:
        """Until a notice comes, or so many seconds have passed. Never raises for a database that is away."""
        try:
            connection = await self._listening()
            async for _ in connection.notifies(timeout=seconds, stop_after=1):
                pass
        except (psycopg.Error, OSError):
            await self.close()
            await asyncio.sleep(seconds)

    async def _listening(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(self._address, autocommit=True, connect_timeout=5)
            await self._connection.execute(f"LISTEN {CHANNEL}")
        return self._connection

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


def _day(at: datetime) -> date:
    return at.astimezone(LONDON).date()


def _midnight_after(at: datetime) -> datetime:
    """The next midnight in London, on the day the clocks change too."""
    return datetime.combine(_day(at) + timedelta(days=1), time(), LONDON)


def _drain(waiting: "queue.Queue[WatchedChild | None]") -> Iterator[WatchedChild]:
    while (child := waiting.get()) is not None:
        yield child


async def _put(
    waiting: "queue.Queue[WatchedChild | None]", child: WatchedChild | None, reader: "asyncio.Task[None]"
) -> None:
    while waiting.full():
        if reader.done():  # it failed: awaiting it says how
            return
        await asyncio.sleep(0.001)
    waiting.put_nowait(child)
