"""The pager's process: two loops, each woken by PostgreSQL or by its own tick.

`send`, the moment something is due: claim it and send it, at most twenty at a time, so that a slow provider holds up
nobody else.

`look`, when something has changed, but no more than four times a second:
1. What was sent and never answered becomes unknown: it is looked up, and tried once more. What was taken, and no receipt
   came of it, is asked after.
2. Pages whose step is over, or whose people cannot be reached, go on to the next step; those that were accepted and
   have no contact in time are asked about.
3. Moments whose window is over end, and are reported (once a second); what is kept for a day is forgotten.
4. The gauges are set (every five seconds).
5. The rota's own rounds: who comes on call, drills, phones (`notifiers/rounds.py`).

Two pagers may run at once: every claim is one row's update, and a page is held by one of them. So may the two loops: a
look that waits for a lock does not hold up a text.
"""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from notifiers import contact, escalate, failover
from notifiers.auditor_process import audited
from notifiers.channel import Notifier
from notifiers.gauges import Gauges
from notifiers.providers import Providers, set_up
from notifiers.rounds import Rounds
from notifiers.send import DEADLINE, Sender
from notifiers.wake import Bell, Bells, listen
from schemas.base import Clock, utc_now
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.settings import Settings
from schemas.web import service, serving_in_thread
from store import escalating, expiry, unsettled
from store.database import connect

TICK = 1.0
LOOK_EVERY = 0.25
"""Seconds from one look to the next, however many receipts come in: that long at most a failed one waits."""
AT_ONCE = 20
MOST_FAILURES = 3
GAUGES_EVERY = timedelta(seconds=5)
PROVIDERS_EVERY = timedelta(seconds=1)
LOOK_FOR_QUIET_EVERY = timedelta(seconds=5)
QUIET_FOR, ASK_EVERY, ASKED_UNTIL = timedelta(seconds=15), timedelta(seconds=20), timedelta(seconds=90)
"""A text without a receipt is asked after: a provider's callback may have been lost on its way, or may never be sent."""
EXPIRE_EVERY = timedelta(seconds=1)
PURGE_EVERY = timedelta(hours=1)
STALE = timedelta(seconds=10)
STOP_WITHIN = 4.0


def nothing(_: str) -> None:
    """At every named point of the way: go on. A chaos test gives something that kills the process instead."""


class Pager:
    """What the two loops do. Time, notifiers and the points at which to die are handed in."""

    def __init__(
        self,
        engine: AsyncEngine,
        sender: Sender,
        metrics: Metrics,
        clock: Clock,
        bells: Bells,
        keep: timedelta = expiry.KEEP,
    ) -> None:
        self._keep = keep
        self._engine = engine
        self._sender = sender
        self._gauges = Gauges(metrics)
        self._rounds = Rounds(engine, metrics)
        self._clock = clock
        self._bells = bells
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking_up: set[UUID] = set()
        self._asked: dict[UUID, datetime] = {}
        self._crowded = False
        self._last: dict[str, datetime] = {}

    async def round(self) -> None:
        """Everything that is due now, once: to send, and to look."""
        await self.send()
        await self.look()

    async def send(self) -> None:
        """Claim what is due, and begin to send it. Raises SQLAlchemyError while the database is away."""
        room = self._sender.providers.room()
        self._crowded = bool(room.full)  # then whoever finishes rings the bell
        free = room.limit or (0 if room.full else AT_ONCE)
        ready = await self._sender.claim(free, room) if free else []
        for one in ready:
            self._start(self._sender.deliver(one))
        if free and len(ready) == free:
            self._bells.due.ring()
        self._last["sent"] = self._clock()

    async def look(self) -> None:
        """All the rest that is due now. Raises SQLAlchemyError while the database is away."""
        if self._is_time("providers", PROVIDERS_EVERY):
            async with self._engine.begin() as connection:
                await failover.refresh(connection, self._sender.providers, at=self._clock())
        if self._is_time("quiet", LOOK_FOR_QUIET_EVERY):
            await self._ask_after()
        await self._settle_silence()
        await self._escalate()
        if self._is_time("expire", EXPIRE_EVERY):
            async with self._engine.begin() as connection:
                await expiry.expire(connection, self._clock())
        if self._is_time("purge", PURGE_EVERY):
            async with self._engine.begin() as connection:
                await expiry.purge(connection, self._clock(), keep=self._keep)
        if self._is_time("gauges", GAUGES_EVERY):
            async with self._engine.connect() as connection:
                await self._gauges.refresh(connection, self._clock())
        await self._rounds.look(self._clock())
        # A claim leaves alone what somebody else holds at that instant; whatever has happened since, it is free now.
        self._bells.due.ring()
        self._last["looked"] = self._clock()

    def is_fresh(self) -> bool:
        """Have both loops got round lately?"""
        now = self._clock()
        return all(name in self._last and now - self._last[name] <= STALE for name in ("sent", "looked"))

    async def idle(self) -> None:
        """Until nothing that was started is still under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """Let what is with the provider finish, but not for long: its deadline settles the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_WITHIN)
        for task in self._tasks:
            task.cancel()

    async def _settle_silence(self) -> None:
        now = self._clock()
        async with self._sender.by_statement.connect() as connection:
            await unsettled.give_up_waiting(connection, at=now)
            lost = await unsettled.unknown(connection, patience=DEADLINE, at=now)
        for one in lost:
            if one.attempt not in self._looking_up:
                self._looking_up.add(one.attempt)
                self._start(self._look_up(one))

    async def _ask_after(self) -> None:
        now = self._clock()
        async with self._sender.by_statement.connect() as connection:
            quiet = await unsettled.quiet(connection, after=QUIET_FOR, until=ASKED_UNTIL, patience=DEADLINE, at=now)
        self._asked = {one.attempt: self._asked[one.attempt] for one in quiet if one.attempt in self._asked}
        overdue = [one for one in quiet if now - self._asked.get(one.attempt, now - ASK_EVERY) >= ASK_EVERY]
        for one in overdue[:AT_ONCE]:
            self._asked[one.attempt] = now
            self._start(self._sender.ask_after(one))

    async def _look_up(self, one: unsettled.Unknown) -> None:
        try:
            await self._sender.resolve(one)
        finally:
            self._looking_up.discard(one.attempt)

    async def _escalate(self) -> None:
        now = self._clock()
        async with self._sender.by_statement.connect() as connection:
            due = await escalating.waiting(
                connection, at=now, receipt_within=escalate.RECEIPT_WITHIN, limit=AT_ONCE * 10
            )
            silent = await escalating.without_contact(connection, at=now, limit=AT_ONCE * 10)
        await self._each(due, escalate.carry_out, now)
        await self._each(silent, contact.carry_out, now)

    async def _each(self, chosen: Sequence[UUID], act: Callable[..., Awaitable[object]], now: datetime) -> None:
        """Each page in a transaction of its own: one that cannot be decided about does not keep the others waiting.

        Raises SQLAlchemyError if it goes wrong for every one of several: then it is the database, and not the page.
        """
        failed = 0
        for page in chosen:
            try:
                async with self._engine.begin() as connection:
                    await act(connection, page, at=now, at_point=self._sender.at_point)
            except (SQLAlchemyError, ValueError) as problem:
                logger().error("page-interrupted", page=str(page), error=type(problem).__name__)
                failed += 1
                if failed == MOST_FAILURES:
                    raise

    def _is_time(self, what: str, every: timedelta) -> bool:
        now = self._clock()
        if what in self._last and now < self._last[what] + every:
            return False
        self._last[what] = now
        return True

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._crowded:
            self._bells.due.ring()
        if task.cancelled():
            return
        problem = task.exception()
        if problem is None:
            return
        logger().error("attempt-interrupted", error=type(problem).__name__)
        if not isinstance(problem, SQLAlchemyError):
            raise problem


async def run(
    settings: Settings,
    *,
    notifiers: Sequence[Notifier] | None = None,
    clock: Clock = utc_now,
    at_point: Callable[[str], None] = nothing,
    stop: asyncio.Event | None = None,
    kafka: Mapping[str, Any] | None = None,
) -> None:
    """The process, until SIGTERM, SIGINT or `stop`. Raises BadSettings.

    `kafka` are kafka-python's options, for the auditor: how it hears which events were accepted, and how each ended.
    """
    url = settings.need("database_url")
    registry = CollectorRegistry()
    metrics = Metrics.build(registry)
    # A statement that meets a dead connection is asked again, here and in the loops: no need to ask before each of them.
    engine = connect(url, ping=False)
    providers = Providers(set_up(settings) if notifiers is None else notifiers)
    bells = Bells()
    sender = Sender(engine, providers, settings.base_url, metrics, clock, at_point)
    pager = Pager(engine, sender, metrics, clock, bells, timedelta(days=settings.keep_days))
    stop = stop or asyncio.Event()

    async def unready() -> list[str]:
        because = (
            [] if providers else ["No channel is set up: set NIGHTLIGHT_TWILIO_ACCOUNT_SID, _AUTH_TOKEN and _FROM."]
        )
        if not pager.is_fresh():
            because.append("The database does not answer: see NIGHTLIGHT_DATABASE_URL.")
        return because

    app = service("Nightlight pager", ready=unready, registry=registry, description="Tells people, until one accepts.")
    with serving_in_thread(app, settings), _stopped_by_signals(stop, bells):
        listener = asyncio.create_task(listen(url, bells))
        try:
            watched = {"channels": providers.channels, "at_point": at_point, "kafka": kafka, "stop": stop}
            async with audited(settings, metrics, clock, bells, **watched), asyncio.TaskGroup() as loops:  # type: ignore[arg-type]
                loops.create_task(_again_and_again(pager.send, bells.due, stop))
                loops.create_task(_again_and_again(pager.look, bells.heard, stop, pause=LOOK_EVERY))
        finally:
            listener.cancel()
            await pager.stop()
            await providers.close()
            await engine.dispose()


async def _again_and_again(
    work: Callable[[], Awaitable[None]], bell: Bell, stop: asyncio.Event, pause: float = 0
) -> None:
    """At each ring and each tick, but `pause` seconds apart. A ring while it works, or pauses, is one more time."""
    while not stop.is_set():
        try:
            await work()
        except SQLAlchemyError as problem:
            logger().error("round-interrupted", error=type(problem).__name__)
            await asyncio.sleep(TICK)
        await asyncio.sleep(pause)
        await bell.wait(TICK - pause)


@contextlib.contextmanager
def _stopped_by_signals(stop: asyncio.Event, bells: Bells) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def leave() -> None:
        stop.set()
        bells.ring()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
