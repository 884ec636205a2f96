"""The watched children in this worker: a snapshot of PostgreSQL in the matching index, and every change within a second.

Only who is in force today is in the index: nothing about a child before their first day, after their last, or after
removal. Of the rest the worker holds an id and two dates.
"""

import asyncio
import queue
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from typing import Protocol

import psycopg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

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
from streams.matching import Question

CHANNEL = "nightlight_children"
POLL_SECONDS = 1.0
AT_ONCE = 500  # children handed to the index together while loading: one by one, handing over cost as much as indexing
AHEAD = 2  # such handfuls unsealed but not yet indexed: bounds the memory
SLICE = 50  # changes taken in between two turns of everybody else: 5 ms

AWAY = (SQLAlchemyError, psycopg.Error, OSError)
"""The database cannot be asked now: ask again."""


Read = AsyncIterator[tuple[str, WatchedChild]]
"""The list as it lies in the database, by id."""


class Index(Protocol):
    """The matching index. `load` may take long and is called from a thread; the others are quick."""

    def load(self, children: Iterable[WatchedChild]) -> None: ...
    def put(self, child: WatchedChild) -> None: ...
    def remove(self, child_id: str) -> None: ...
    def decide_all(self, questions: Sequence[Question], *, without: Collection[str] = ()) -> list[Decision]: ...
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
        self._foreseen: dict[int, tuple[Question, Decision]] = {}  # by the person's id() while a batch lasts
        self.unreadable: set[str] = set()  # on the list, and in no index: their seal does not open

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

    @property
    def version(self) -> int:
        """Of the list, as far as it is in the index."""
        return self._version

    def decide(
        self, person: Person, door: str | None, *, sensitive: bool = False, without: frozenset[str] = frozenset()
    ) -> Decision:
        """The matcher's answer, over the children who are in force at this moment and not in `without`."""
        if self._clock() >= self._tomorrow:
            self._turn_day()
        question = Question(person, door, sensitive)
        foreseen = self._foreseen.pop(id(person), None)
        if foreseen is not None and foreseen[0][1:] == question[1:] and not without:
            return foreseen[1]
        return self._index.decide_all([question], without=without)[0]

    @contextmanager
    def foreseeing(self, questions: Sequence[Question]) -> Iterator[None]:
        """All decided at once, at a fraction of what they cost one by one: while this lasts `decide` hands each answer out, once.

        Nothing is kept beyond it, and a change of the list in between makes all of it void.
        """
        if len(questions) < 2:
            yield
            return
        if self._clock() >= self._tomorrow:
            self._turn_day()
        answers = self._index.decide_all(questions)
        self._foreseen = {id(each.person): (each, answer) for each, answer in zip(questions, answers, strict=True)}
        try:
            yield
        finally:
            self._foreseen = {}

    async def load(self) -> None:
        """Read the whole list; who cannot be read is left out, and counted.

        Raises one of AWAY, or SealBroken if nobody on it can be read: then these are not its keys, and an empty index would lie.
        """
        at, broken = self._clock(), set[str]()
        async with self._engine.connect() as connection:
            # The version first: what changes meanwhile is told once more, and never missed.
            version = await store.children.latest_version(connection)
            read = store.children.snapshot(connection, self._sealer, broken=broken.add)
            await (self._reload(read, broken, at) if self.ready else self._first_load(read, at))
        self._leave_out(broken)
        if broken and not self._dates:
            raise SealBroken("nobody on the list can be read")
        self._version, self._agreed, self._tomorrow = version, at, _midnight_after(at)

    async def _first_load(self, read: Read, at: datetime) -> None:
        """Index in a thread while reading: never the whole list twice in memory, and the event loop goes on."""
        today = _day(at)
        waiting: Waiting = queue.Queue(maxsize=AHEAD)
        handful: list[WatchedChild] = []
        loading = asyncio.create_task(asyncio.to_thread(self._index.load, _drain(waiting)))
        try:
            async for _, child in read:
                self._note(child)
                if child.in_force(today):
                    handful.append(child)
                if len(handful) == AT_ONCE:
                    await _put(waiting, handful, loading)
                    handful = []
            await _put(waiting, handful, loading)
        finally:
            await _put(waiting, None, loading)
            await loading

    async def _reload(self, read: Read, broken: set[str], at: datetime) -> None:
        """The index is in use, by this very loop: child by child, and never empty in between. What was known of a child who
        cannot be read any more is better than nothing: they are still on the list.
        """
        seen = set()
        async for child_id, child in read:
            seen.add(child_id)
            self._take_in(child_id, child, at)
        for child_id in self._dates.keys() - seen - broken:
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
                logger().error("children-not-followed", error=SealBroken.__name__)
            await notices.wait(POLL_SECONDS)

    async def catch_up(self) -> None:
        """Take what has changed since the last time. Raises one of AWAY, or SealBroken, as `load` does."""
        at, broken = self._clock(), set[str]()
        if at >= self._tomorrow:
            self._turn_day()
        async with self._engine.connect() as connection:
            try:
                changes = await store.children.changes_since(connection, self._sealer, self._version, broken=broken.add)
            except store.children.TooFarBehind:
                changes = None
            begun = [
                (each, await store.children.find(connection, self._sealer, each, broken=broken.add))
                for each in sorted(self._awaited)
            ]
        if changes is None:
            await self.load()
            return
        for child_id, child in begun:
            if child_id not in broken:
                self._take_in(child_id, child, at)
        for place, (version, child_id, child) in enumerate(changes):
            if place % SLICE == SLICE - 1:
                await asyncio.sleep(0)  # events are waiting while a list of thousands comes in
            if child_id not in broken:
                self._take_in(child_id, child, self._clock())
            self._version = version
        self._awaited.difference_update(child_id for child_id, _ in begun)
        again = {child_id for child_id, _ in begun} | {child_id for _, child_id, _ in changes}
        self._leave_out((self.unreadable - again) | broken)
        self._agreed = at

    def _leave_out(self, broken: set[str]) -> None:
        """One entry that nobody can read must not keep the others from being recognised. Its alarm is the metric."""
        if broken - self.unreadable:
            logger().error("children-not-readable", count=len(broken))
        self.unreadable = broken

    def _take_in(self, child_id: str, child: WatchedChild | None, at: datetime) -> None:
        self._foreseen = {}
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
        at, self._foreseen = self._clock(), {}
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


Waiting = queue.Queue[list[WatchedChild] | None]
"""Handfuls of children, then None."""


def _drain(waiting: Waiting) -> Iterator[WatchedChild]:
    while (handful := waiting.get()) is not None:
        yield from handful


async def _put(waiting: Waiting, handful: list[WatchedChild] | None, reader: "asyncio.Task[None]") -> None:
    while waiting.full():
        if reader.done():  # it failed: awaiting it says how
            return
        await asyncio.sleep(0.001)
    waiting.put_nowait(handful)
