"""A child who was added or changed is looked for in the events of the last 72 hours, beside the hot path and without haste.

The request is a row that is deleted when it is done (`store.scans`): a worker that is killed loses none, and begins again.
Everything is read before anything is opened, because a release or a cancellation may lie behind what it is about.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from time import perf_counter

from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.base import Clock
from schemas.child import WatchedChild
from schemas.envelope import Envelope, Mode
from schemas.events import AboutPerson, EventCancelled, IdentityChanged
from schemas.kinds import BY_TYPE
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.moments import Decision, Fact, Lane, MomentFound, ReviewAsked
from schemas.person import Person
from schemas.sealing import SealBroken
from schemas.settings import Settings
from schemas.wire import Sealer, event_key
from store import children as listed
from store import rematching, scans
from store.pairs import marks
from store.scans import Scan
from streams import window
from streams.children import AWAY as DATABASE_AWAY
from streams.facts import fact_of
from streams.incoming import Incoming, Unreadable
from streams.match import Children, Pairs, decide
from streams.open import Book, Originals
from streams.window import Window, open_window

BACK = timedelta(hours=72)
"""As long as events are kept."""

SETTLED = timedelta(seconds=5)
"""After the change: by then every worker has it, and decides with it what comes in from now on."""

GLANCED_AT = 2000
"""Children of one pass for whom a quick look is made first. With more, a look would be as long as a decision."""

EVERY = 1.0
PAUSE_AFTER_TROUBLE = 5.0
SLICE = 20
"""Events between two turns of everybody else."""

SHARE = 2.0
"""Seconds of rest for each second of work: the worker has events to decide that are happening now."""

RENEW_EVERY = 30.0

Glance = Callable[[Iterable[WatchedChild]], Callable[[Person], bool]]
Near = Callable[[Person], bool]


@dataclass
class Seen:
    """What a pass has read: events that may be about one of the children, and what followed on any event."""

    events: int = 0
    unreadable: int = 0
    candidates: list[tuple[Envelope, Decision]] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)  # cancelled, or about somebody else than it said
    left: dict[str, datetime] = field(default_factory=dict)


@dataclass
class Rematch:
    """`follow` for as long as the process lives. `me` names this worker; `glance` is the index's quick look, if it has one."""

    settings: Settings
    engine: AsyncEngine
    sealer: Sealer
    children: Children
    pairs: Pairs
    book: Book
    originals: Originals
    metrics: Metrics
    clock: Clock
    me: str
    glance: Glance | None = None
    open: Callable[[], AbstractAsyncContextManager[Window]] | None = None

    async def follow(self) -> None:
        """Look for whoever is waiting, one pass after another, for ever."""
        while True:
            try:
                while await self.once():
                    pass
                pause = EVERY
            except (*DATABASE_AWAY, *window.AWAY, SealBroken) as problem:
                logger().warning("window-not-read", error=type(problem).__name__)
                pause = PAUSE_AFTER_TROUBLE
            await asyncio.sleep(pause)

    async def once(self) -> bool:
        """One pass, if anybody is waiting and this worker gets them. Raises one of the two AWAYs, or SealBroken."""
        at = self.clock()
        async with self.engine.begin() as connection:
            self.metrics.children_to_look_for.set(await scans.waiting(connection))
            scan = await scans.take(connection, self.me, known=self.children.version, before=at - SETTLED, at=at)
        if scan is None:
            return False
        began = perf_counter()
        logger().info("window-begun", count=len(scan.children), version=scan.version)
        seen = await self._read(scan, await self._near(scan), at)
        opened = await self._open(seen)
        async with self.engine.begin() as connection:
            await scans.done(connection, self.me, scan)
            self.metrics.children_to_look_for.set(await scans.waiting(connection))
        seconds = round(perf_counter() - began, 1)
        logger().info("window-read", count=seen.events, outcome=f"{opened} acted on", seconds=seconds)
        if seen.unreadable:
            logger().warning("window-not-all-readable", count=seen.unreadable)
        return True

    async def _near(self, scan: Scan) -> Near | None:
        if self.glance is None or len(scan.children) > GLANCED_AT:
            return None
        entries = []
        async with self.engine.connect() as connection:
            for child in sorted(scan.children):
                entry = await listed.find(
                    connection, self.sealer, child, broken=lambda _: None
                )  # it is in no index either
                if entry is not None:
                    entries.append(entry)
        return self.glance(entries)

    async def _read(self, scan: Scan, near: Near | None, at: datetime) -> Seen:
        seen, renewed = Seen(), perf_counter()
        async with (self.open or partial(open_window, self.settings))() as events:
            end = await events.end()
            async for batch in events.records(await events.back(end), end):
                for first in range(0, len(batch), SLICE):
                    worked = perf_counter()
                    for letter in batch[first : first + SLICE]:
                        if letter.arrived_at() >= at - BACK:  # a broker keeps whole segments, and so some events longer
                            self._look(letter, scan, near, seen)
                    await asyncio.sleep((perf_counter() - worked) * SHARE)
                if perf_counter() - renewed > RENEW_EVERY:
                    renewed = perf_counter()
                    logger().info("window-being-read", count=seen.events)
                    async with self.engine.begin() as connection:
                        await scans.renew(connection, self.me, at=self.clock())
        return seen

    def _look(self, letter: Incoming, scan: Scan, near: Near | None, seen: Seen) -> None:
        seen.events += 1
        try:
            envelope = letter.read(self.sealer)
        except (SealBroken, Unreadable):
            seen.unreadable += 1
            return
        if not isinstance(envelope, Envelope) or envelope.mode is Mode.TEST:
            return
        event = envelope.event
        if isinstance(event, EventCancelled | IdentityChanged):
            seen.withdrawn.add(event_key(self.sealer, event.of.source, event.of.id))
        if not isinstance(event, AboutPerson):
            subject = self.sealer.mark("subject", event.subject)
            seen.left[subject] = max(envelope.time, seen.left.get(subject, envelope.time))
        elif near is None or near(event.person):
            decision = decide(event, self.children, self.pairs)
            if _is_about(decision, scan):
                seen.candidates.append((envelope, decision))

    async def _open(self, seen: Seen) -> int:
        """Act on what was found, the oldest first; returns on how many. Each is a transaction, and safe to repeat."""
        opened = 0
        for envelope, decision in sorted(seen.candidates, key=lambda each: each[0].received_at):
            fact = fact_of(envelope, sealer=self.sealer, at=self.clock())
            if fact.event_key in seen.withdrawn:
                continue
            until = None
            if isinstance(envelope.event, IdentityChanged):
                fact, until = await self.originals.told(fact)
            until = until or envelope.received_at + BY_TYPE[fact.type].window
            left = seen.left.get(fact.subject_key)
            over = until <= self.clock() or (left is not None and left >= fact.occurred_at)
            outcome = await self._act(fact, _person(envelope), decision, until, over=over)
            self.metrics.events_rematched.labels(outcome=outcome).inc()
            opened += 1
        return opened

    async def _act(self, fact: Fact, person: Person, decision: Decision, until: datetime, *, over: bool) -> str:
        at, version = self.clock(), self.children.version
        child = decision.child or decision.candidates[0].child
        found = MomentFound(
            fact=fact,
            child=child,
            decision=decision,
            marks=marks(self.sealer, person),
            list_version=version,
            until=until,
        )
        if over:
            async with self.engine.begin() as connection:
                reported = await rematching.report_late(connection, found, at=at)
            return "late" if reported else "known"
        if decision.lane is Lane.PAGE:
            return (await self.book.open_or_join(found, at=at)).value
        asked = ReviewAsked(fact=fact, person=person, decision=decision, list_version=version, until=until)
        return (await self.book.ask_review(asked, at=at)).value


def _person(envelope: Envelope) -> Person:
    if not isinstance(envelope.event, AboutPerson):
        raise TypeError("only an event about a person can be matched")
    return envelope.event.person


def _is_about(decision: Decision, scan: Scan) -> bool:
    """A page is about its child alone; a question is about every child who comes into it."""
    if decision.lane is Lane.NONE:
        return False
    if decision.lane is Lane.PAGE:
        return decision.child in scan.children
    return any(each.child in scan.children for each in decision.candidates)
