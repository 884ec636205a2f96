"""The pager's process: two loops, each woken by PostgreSQL or by its own tick.

`send`, the moment something is due: claim it and send it, at most twenty at a time, so that a slow provider holds up
nobody else.

`look`, when something has changed, but no more than four times a second:
1. What was sent and never answered becomes unknown: it is looked up, and tried once more.
2. Pages whose step is over, or whose people cannot be reached, go on to the next step.
3. Moments whose window is over end, and are reported (once a second); what is kept for a day is forgotten.
4. The gauges are set (every five seconds).

Two pagers may run at once: every claim is one row's update, and a page is held by one of them. So may the two loops: a
look that waits for a lock does not hold up a text.
"""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from notifiers import escalate
from notifiers.channel import Notifier
from notifiers.gauges import Gauges
from notifiers.send import DEADLINE, Sender
from notifiers.sms import Twilio
from notifiers.wake import Bell, Bells, listen
from schemas.base import Clock, utc_now
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.pages import Channel
from schemas.settings import Settings
from schemas.web import service, serving_in_thread
from store import escalating, expiry, unsettled
from store.database import connect

TICK = 1.0
LOOK_EVERY = 0.25
"""Seconds from one look to the next, however many receipts come in: that long at most a failed one waits."""
AT_ONCE = 20
GAUGES_EVERY = timedelta(seconds=5)
EXPIRE_EVERY = timedelta(seconds=1)
PURGE_EVERY = timedelta(hours=1)
STALE = timedelta(seconds=10)
STOP_WITHIN = 4.0


def nothing(_: str) -> None:
    """At every named point of the way: go on. A chaos test gives something that kills the process instead."""


class Pager:
    """What the two loops do. Time, notifiers and the points at which to die are handed in."""

    def __init__(self, engine: AsyncEngine, sender: Sender, metrics: Metrics, clock: Clock, bells: Bells) -> None:
        self._engine = engine
        self._sender = sender
        self._gauges = Gauges(metrics)
        self._clock = clock
        self._bells = bells
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking_up: set[UUID] = set()
        self._last: dict[str, datetime] = {}

    async def round(self) -> None:
        """Everything that is due now, once: to send, and to look."""
        await self.send()
        await self.look()

    async def send(self) -> None:
        """Claim what is due, and begin to send it. Raises SQLAlchemyError while the database is away."""
        free = AT_ONCE - len(self._tasks)
        if free <= 0:
            return  # whoever finishes rings the bell
        ready = await self._sender.claim(free)
        for one in ready:
            self._start(self._sender.deliver(one))
        if len(ready) == free:
            self._bells.due.ring()
        self._last["sent"] = self._clock()

    async def look(self) -> None:
        """All the rest that is due now. Raises SQLAlchemyError while the database is away."""
        await self._settle_silence()
        await self._escalate()
        if self._is_time("expire", EXPIRE_EVERY):
            async with self._engine.begin() as connection:
                await expiry.expire(connection, self._clock())
        if self._is_time("purge", PURGE_EVERY):
            async with self._engine.begin() as connection:
                await expiry.purge(connection, self._clock())
        if self._is_time("gauges", GAUGES_EVERY):
            async with self._engine.connect() as connection:
                await self._gauges.refresh(connection)
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
        for page in due:
            async with self._engine.begin() as connection:
                await escalate.carry_out(connection, page, at=now, at_point=self._sender.at_point)

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
        if len(self._tasks) >= AT_ONCE:
            self._bells.due.ring()
        self._tasks.discard(task)
        if task.cancelled():
            return
        problem = task.exception()
        if problem is None:
            return
        logger().error("attempt-interrupted", error=type(problem).__name__)
        if not isinstance(problem, SQLAlchemyError):
            raise problem


def set_up(settings: Settings) -> dict[Channel, Notifier]:
    """The channels that can be used with these settings. Raises BadSettings if one is only half set."""
    if settings.twilio_account_sid is None:
        logger().warning("channel-not-set-up", channel=Channel.SMS.value)
        return {}
    return {Channel.SMS: Twilio(settings)}


async def run(
    settings: Settings,
    *,
    notifiers: Mapping[Channel, Notifier] | None = None,
    clock: Clock = utc_now,
    at_point: Callable[[str], None] = nothing,
    stop: asyncio.Event | None = None,
) -> None:
    """The process, until SIGTERM, SIGINT or `stop`. Raises BadSettings."""
    url = settings.need("database_url")
    registry = CollectorRegistry()
    metrics = Metrics.build(registry)
    # A statement that meets a dead connection is asked again, here and in the loops: no need to ask before each of them.
    engine = connect(url, ping=False)
    channels = set_up(settings) if notifiers is None else notifiers
    bells = Bells()
    sender = Sender(engine, channels, settings.base_url, metrics, clock, at_point)
    pager = Pager(engine, sender, metrics, clock, bells)
    stop = stop or asyncio.Event()

    async def unready() -> list[str]:
        because = (
            [] if channels else ["No channel is set up: set NIGHTLIGHT_TWILIO_ACCOUNT_SID, _AUTH_TOKEN and _FROM."]
        )
        if not pager.is_fresh():
            because.append("The database does not answer: see NIGHTLIGHT_DATABASE_URL.")
        return because

    app = service("Nightlight pager", ready=unready, registry=registry, description="Tells people, until one accepts.")
    with serving_in_thread(app, settings), _stopped_by_signals(stop, bells):
        listener = asyncio.create_task(listen(url, bells))
        try:
            async with asyncio.TaskGroup() as loops:
                loops.create_task(_again_and_again(pager.send, bells.due, stop))
                loops.create_task(_again_and_again(pager.look, bells.heard, stop, pause=LOOK_EVERY))
        finally:
            listener.cancel()
            await pager.stop()
            for notifier in channels.values():
                await notifier.close()
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
