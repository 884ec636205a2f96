"""The one way into Kafka: sealed, acks=all, and a receipt for each event before anybody is told that we have it."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from connectors.topics import LARGEST_RECORD, connection
from schemas.envelope import Envelope
from schemas.settings import Settings
from schemas.wire import Record, Sealer, event_record

PATIENCE: Final = 4.5
"""Seconds until we say that Kafka is away: a sender hears it within five (reliability page, R6)."""

MOST_WAITING: Final = 20_000
"""Events without a receipt yet. More are refused at once: a queue that only grows helps nobody."""

RENEW_SECONDS: Final = 1.0
"""A producer is made at most this often. One for each request once took a large system down for a night (R15)."""

DELIVERY: Final = {
    "acks": "all",
    # Not idempotent: in kafka-python 3.0.12 a broker that stands still for longer than the delivery timeout leaves an
    # idempotent producer without an id for ever, and nothing it is given is sent or fails (tests/test_publish.py).
    # Its duplicates are harmless here: all that follows goes by source and id. One request at a time keeps the order.
    "enable_idempotence": False,
    "max_in_flight_requests_per_connection": 1,
    "allow_auto_create_topics": False,  # a mistyped topic must fail, not be made with one partition
    "max_request_size": LARGEST_RECORD,
    "max_block_ms": 1_000,
    "request_timeout_ms": 3_000,
    "delivery_timeout_ms": 4_000,
    "batch_size": 128 * 1024,  # bytes: a partition has one request under way, so what waits for the next goes together
    "bootstrap_timeout_ms": 2_000,
    "retry_backoff_ms": 50,
    "metrics_enabled": False,
}


class NotPublished(Exception):
    """Kafka has not confirmed it in time: tell the sender to come again. Sending it twice is harmless."""


class Publisher:
    """One producer for the whole process.

    A batch is at least once, and not one transaction: a transaction would take one batch at a time through the process,
    and every reader would have to wait for its end. If part of a batch was confirmed before Kafka went away, that part
    is in Kafka, and is handled: it is true, and it was sent. The sender is told 503, sends the whole again, and the
    second copy changes nothing, since everything after this point goes by source and id (promise 7).
    """

    def __init__(
        self, settings: Settings, sealer: Sealer, make: Callable[..., Any] = KafkaProducer, patience: float = PATIENCE
    ) -> None:
        self._options = {**connection(settings), **DELIVERY}
        self._sealer = sealer
        self._make = make
        self._patience = patience
        # kafka-python may wait for the broker inside `send`: one thread of our own waits, and the door stays open.
        self._hand = ThreadPoolExecutor(max_workers=1, thread_name_prefix="publish")
        self._producer: Any = None
        self._made_at = float("-inf")
        self._waiting = 0

    async def publish(self, *envelopes: Envelope) -> None:
        """Return once Kafka has confirmed every one of them; in the order given where they share a subject.

        Raises:
            NotPublished: it has not, within PATIENCE.
        """
        if self._waiting + len(envelopes) > MOST_WAITING:
            raise NotPublished("too many events wait for Kafka")
        records = [event_record(envelope, self._sealer) for envelope in envelopes]
        self._waiting += len(records)
        try:
            async with asyncio.timeout(self._patience):
                await self._deliver(records)
        except (TimeoutError, KafkaError) as problem:
            raise NotPublished(f"no receipt ({type(problem).__name__})") from problem
        finally:
            self._waiting -= len(records)

    async def close(self) -> None:
        """Let what is under way end, for two seconds."""
        await asyncio.get_running_loop().run_in_executor(self._hand, self._drop)
        self._hand.shutdown(wait=False)

    async def _deliver(self, records: Sequence[Record]) -> None:
        deadline = monotonic() + self._patience
        while True:
            receipts = _Receipts(asyncio.get_running_loop(), records)
            try:
                await receipts.loop.run_in_executor(self._hand, self._send, receipts, deadline)
                await receipts.all_in
            except KafkaTimeoutError:
                raise
            except KafkaError:
                # Whatever spoilt it: a new producer, and what has no receipt yet once more.
                await receipts.loop.run_in_executor(self._hand, self._renew)
                await asyncio.sleep(0.1)
                records = receipts.missing
                continue
            return

    def _send(self, receipts: "_Receipts", deadline: float) -> None:
        """In the hand's thread: give the records to the producer, unless their sender has been told 503 by now."""
        for place, record in enumerate(receipts.records):
            if monotonic() > deadline:
                raise KafkaTimeoutError("too late to be sent")
            sent = self._ready_producer().send(
                record.topic, value=record.value, key=record.key, headers=list(record.headers)
            )
            sent.add_callback(receipts.confirm, place)
            sent.add_errback(receipts.fail)

    def _ready_producer(self) -> Any:
        if self._producer is None:
            self._made_at = monotonic()
            self._producer = self._make(**self._options)
        return self._producer

    def _renew(self) -> None:
        if monotonic() - self._made_at >= RENEW_SECONDS:
            self._drop()

    def _drop(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            with contextlib.suppress(KafkaError):  # something was still under way: whoever waits for it hears it too
                producer.close(timeout=2)


class _Receipts:
    """What Kafka says of the records of one request. It says so in its own thread; the request hears it in the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, records: Sequence[Record]) -> None:
        self.loop = loop
        self.records = records
        self.all_in: asyncio.Future[None] = loop.create_future()
        self._open = set(range(len(records)))
        if not records:
            self.all_in.set_result(None)

    @property
    def missing(self) -> list[Record]:
        """Those without a receipt, in their order."""
        return [self.records[place] for place in sorted(self._open)]

    def confirm(self, place: int, _: Any) -> None:
        # A word to the loop wakes it up, so it hears of the last one alone.
        self._open.discard(place)
        if not self._open:
            self._tell(self._settle)

    def fail(self, problem: BaseException) -> None:
        self._tell(self._give_up, problem)

    def _tell(self, what: Callable[..., None], *about: Any) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(what, *about)

    def _settle(self) -> None:
        if not self.all_in.done():
            self.all_in.set_result(None)

    def _give_up(self, problem: BaseException) -> None:
        if not self.all_in.done():
            self.all_in.set_exception(problem)
