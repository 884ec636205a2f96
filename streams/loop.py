"""The one loop's body: open, run the step, publish and wait for the receipts; or bury a pointer; or say that it must be tried again."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Protocol

from schemas.base import Clock
from schemas.envelope import Envelope
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.moments import Decided, Ended, Lane, Message, MomentFound, ReviewAsked
from schemas.probe import NAME as PROBE
from schemas.wire import Record, Sealer, message_record
from streams.facts import Result
from streams.incoming import LANE, Incoming
from streams.pipeline import Step
from streams.pointers import Pointer, Reason, outcome_for, pointer_record, reason_for
from streams.progress import Progress

STEP_SECONDS = 20.0
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 5.0


class NotPublished(Exception):
    """Kafka has not confirmed a record. `permanent`: it never will, this record does not fit."""

    def __init__(self, because: str, *, permanent: bool = False) -> None:
        super().__init__(because)
        self.permanent = permanent


class DatabaseAway(Exception):
    """PostgreSQL cannot be reached now. Nothing is wrong with the record: stay on it."""


class Shelf(Protocol):
    """Where a pointer goes that Kafka would not take, and the database that the steps depend on."""

    async def keep(self, pointer: Pointer) -> None:
        """Write it to PostgreSQL; writing it twice is once. Raises DatabaseAway."""

    async def answers(self) -> bool:
        """Whether PostgreSQL answers now, within seconds; never raises."""


Publish = Callable[[Sequence[Record]], Awaitable[None]]
"""Send all, then wait for every receipt (acks=all). Raises NotPublished."""


Foresee = Callable[[Sequence[Envelope | Message]], AbstractContextManager[None]]
"""What the steps of a batch are about to ask, answered together while it lasts."""


@dataclass
class Loop:
    """Settles one record after another. `away` are the errors that mean "the database is away"."""

    steps: Mapping[type[Any], Step]
    publish: Publish
    shelf: Shelf
    sealer: Sealer
    metrics: Metrics
    progress: Progress
    clock: Clock
    lane: str
    away: tuple[type[Exception], ...] = (DatabaseAway,)
    limit: float = STEP_SECONDS
    foresee: Foresee = lambda _: nullcontext()

    def __post_init__(self) -> None:
        # Looking a label up takes longer than counting: once for each type and lane, not for each event.
        timed, counted = self.metrics.received_to_matched_seconds, self.metrics.events_decided
        self._timed = cache(lambda type_: timed.labels(type=type_))
        self._decided = cache(lambda type_, lane: counted.labels(type=type_, lane=lane.value))

    async def settle(self, letters: Sequence[Incoming]) -> None:
        """Come back only once every record is published or buried. Those of one partition follow one another.

        Together if all goes well: one round trip to Kafka for all of them. Else one by one, from the first on.
        """
        if await _caught(self._handle(letters)) is not None:
            for letter in letters:
                await self._stay_on(letter)
            return
        for letter in letters:
            self.progress.settled(letter.topic, letter.partition, letter.offset)

    async def _stay_on(self, letter: Incoming) -> None:
        """Going on without having settled it would lose it (faust-streaming#606)."""
        pause = FIRST_PAUSE
        while not await self.settled(letter):
            self.progress.waiting(letter.topic, letter.partition)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        self.progress.settled(letter.topic, letter.partition, letter.offset)

    async def settled(self, letter: Incoming) -> bool:
        """One attempt. True: published, buried, or for the other lane. False: try again. Raises nothing but cancellation."""
        problem = await _caught(self._handle([letter]))
        if problem is None:
            return True
        reason = await self._verdict(problem)
        if reason is None:
            return self._held(letter, problem)
        refused = await _caught(self._bury(letter, problem, reason))
        return refused is None or self._held(letter, refused)

    async def _handle(self, letters: Sequence[Incoming]) -> None:
        ours = [letter.read(self.sealer) for letter in letters if letter.is_for(self.lane)]
        led_to = await self._led_to(ours)
        at = self.clock()
        await self.publish(self._records([result for results in led_to for result in results], at))
        self._count(ours, led_to, at)

    async def _verdict(self, problem: Exception) -> Reason | None:
        """Why to bury it; None to stay on it."""
        if isinstance(problem, self.away):
            return None
        if isinstance(problem, NotPublished):
            return Reason.TOO_LARGE if problem.permanent else None
        # A step that hangs on a database that is gone is an outage; one that hangs beside it is a bug.
        if isinstance(problem, TimeoutError) and not await self.shelf.answers():
            return None
        return reason_for(problem)

    async def _led_to(self, ours: Sequence[Envelope | Message]) -> list[list[Result]]:
        """Run the step of each. Raises TimeoutError for one that hangs: alone, it will hang again, and is known then.

        The limit is renewed for each message, which may wait for the database, and not for events, which wait for
        nothing: setting a timer took as long as deciding.
        """
        led_to = []
        async with asyncio.timeout(self.limit) as end:
            with self.foresee(ours):
                for said in ours:
                    if isinstance(said, Envelope):
                        led_to.append(await self.steps[type(said.event)](said))
                        continue
                    end.reschedule(asyncio.get_running_loop().time() + self.limit)
                    led_to.append(await self.steps[type(said)](said))
        return led_to

    def _records(self, results: Sequence[Result], at: datetime) -> list[Record]:
        """Every message by itself; all that has ended in one, because nearly every event ends here and a record costs more than a line."""
        messages: list[Message] = [result for result in results if isinstance(result, Message)]
        if ended := tuple([result for result in results if isinstance(result, Ended)]):
            messages.append(Decided(ended=ended, worker_lane=self.lane, decided_at=at))
        return [self._signed(message) for message in messages]

    def _signed(self, message: Message) -> Record:
        record = message_record(message, self.sealer)
        return Record(record.topic, record.key, record.value, (*record.headers, (LANE, self.lane.encode())))

    async def _bury(self, letter: Incoming, problem: Exception, reason: Reason) -> None:
        at = self.clock()
        pointer = Pointer.to(letter, problem, reason=reason, lane=self.lane, at=at)
        outcome = outcome_for(letter, sealer=self.sealer)
        await self._keep(pointer)
        await self.publish(self._records([outcome] if outcome else [], at))
        self.metrics.dead_letters.labels(topic=letter.topic, reason=reason.value).inc()
        logger().error("event-buried", **_where(letter), reason=reason.value, error=pointer.error)

    async def _keep(self, pointer: Pointer) -> None:
        try:
            await self.publish([pointer_record(pointer, self.sealer)])
        except NotPublished:
            await self.shelf.keep(pointer)

    def _held(self, letter: Incoming, problem: Exception) -> bool:
        logger().warning("event-held", **_where(letter), error=type(problem).__name__)
        return False

    def _count(self, ours: Sequence[Envelope | Message], led_to: Sequence[Sequence[Result]], at: datetime) -> None:
        decided: Counter[tuple[str, Lane]] = Counter()
        for said, results in zip(ours, led_to, strict=True):
            if isinstance(said, Envelope) and said.feed != PROBE:
                self._timed(said.type).observe(max((at - said.received_at).total_seconds(), 0.0))
                decided[said.type, lane_of(results)] += 1
        for (type_, lane), count in decided.items():
            self._decided(type_, lane).inc(count)


async def _caught(work: Awaitable[None]) -> Exception | None:
    try:
        await work
    except Exception as problem:  # the one place: whatever a record does, its neighbours go on
        return problem
    return None


LANES: Mapping[type[Result], Lane] = {MomentFound: Lane.PAGE, ReviewAsked: Lane.REVIEW}


def lane_of(results: Sequence[Result]) -> Lane:
    """What matching decided, for the metric: seen by what it led to. A follow-up was not matched: none."""
    return next((lane for result in results if (lane := LANES.get(type(result)))), Lane.NONE)


def _where(letter: Incoming) -> dict[str, Any]:
    return {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
