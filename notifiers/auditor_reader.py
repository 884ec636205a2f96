"""The auditor's ear at Kafka: every event's headers and every outcome, read in a thread of its own into the ledger.

It reads what anybody may see of an event, its source and id; the sealed part stays sealed. It belongs to no consumer group:
it moves nobody's offsets, and the workers do not know of it.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from notifiers.auditor_ledger import MOST, Ledger
from schemas.base import Clock
from schemas.events import EVENT_TOPICS
from schemas.logs import logger
from schemas.moments import OUTCOMES, Decided
from schemas.sealing import SealBroken
from schemas.wire import Sealer, event_key, read_message

POLL_MS: Final = 500
GATHERED: Final = 256 * 1024
AT_ONCE: Final = 1000
BACK: Final = timedelta(minutes=2)
"""So far back it begins, where the broker can say which record that was: what was under way when a pager stopped is heard."""
SILENT_AFTER: Final = timedelta(seconds=60)
AGAIN_SECONDS: Final = 2.0
ASK_EVERY: Final = timedelta(seconds=10)
ANSWERS_WITHIN_MS: Final = 5_000


class Reader:
    """`start` and `stop` from any thread; what it has heard is asked for under its lock, so ask by its own functions."""

    def __init__(
        self, options: Mapping[str, Any], sealer: Sealer, clock: Clock, make: Callable[..., Any] = KafkaConsumer
    ) -> None:
        """`options` are kafka-python's: where the brokers are, and how to sign in there."""
        self._options = dict(options)
        self._sealer = sealer
        self._clock = clock
        self._make = make
        self._ledger = Ledger()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="auditor-reader", daemon=True)
        self._heard_at = self._asked_at = clock()
        self.begun = False  # whether every partition has a place from which it is read

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits two seconds at the most."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def without_outcome(self) -> list[str]:
        """As `Ledger.without_outcome`, now."""
        with self._lock:
            return self._ledger.without_outcome(self._clock())

    def in_one_lane(self) -> list[str]:
        """As `Ledger.in_one_lane`, now; forgets what was shown for long enough."""
        now = self._clock()
        with self._lock:
            self._ledger.forget(now)
            return self._ledger.in_one_lane(now)

    def silent(self) -> bool:
        """Whether the broker has not answered for a minute: then nothing here says that all is well."""
        return self._heard_at < self._clock() - SILENT_AFTER

    def hear(self, topic: str, value: bytes | None, headers: Mapping[str, bytes]) -> None:
        """Enter one record. What is not ours to read is passed over: it has no place in these topics."""
        now = self._clock()
        if topic != OUTCOMES:
            with contextlib.suppress(KeyError, UnicodeDecodeError):
                key = event_key(self._sealer, headers["ce_source"].decode(), headers["ce_id"].decode())
                with self._lock:
                    self._ledger.accepted(key, now)
            return
        try:
            message = read_message(OUTCOMES, value or b"", headers, self._sealer)
        except (SealBroken, ValueError):
            return
        if isinstance(message, Decided):
            with self._lock:
                for one in message.ended:
                    self._ledger.ended(one.event_key, message.worker_lane, one.outcome.value, now)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except (KafkaError, OSError) as problem:
                logger().warning("auditor-hears-nothing", error=type(problem).__name__)
            self._stopping.wait(AGAIN_SECONDS)

    def _listen(self) -> None:
        consumer = self._make(
            **self._options,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            fetch_min_bytes=GATHERED,  # else the broker answers for each record by itself, which cost more than paging
            fetch_max_wait_ms=POLL_MS,
            max_poll_records=AT_ONCE,
        )
        try:
            places = self._begin(consumer)
            while not self._stopping.is_set():
                if not self._alive(consumer, places):
                    return  # a topic has grown, or was not there yet: begin again with all of them
                self._begin_again_if_full(consumer)
                batches = consumer.poll(timeout_ms=POLL_MS)
                for place, records in batches.items():
                    for record in records:
                        self.hear(place.topic, record.value, dict(record.headers))
        finally:
            consumer.close(autocommit=False)

    def _begin(self, consumer: Any) -> list[TopicPartition]:
        """Every partition, from two minutes ago on where the broker keeps times, else from now on."""
        places = _places(consumer)
        consumer.assign(places)
        since = int((self._clock() - BACK).timestamp() * 1000)
        found = consumer.offsets_for_times(dict.fromkeys(places, since)) if places else {}
        for place, known in found.items():
            # Where nothing has come since, Kafka says that there is none, and the embedded broker names its very first record:
            # read again without their outcomes, events of hours ago would all be missed.
            if known is not None and known.timestamp >= since:
                consumer.seek(place, known.offset)
        for place in places:
            consumer.position(place)  # asked now, so that nothing is missed between here and the first poll
        self._asked_at = self._clock()
        self.begun = bool(places)
        return places

    def _alive(self, consumer: Any, places: list[TopicPartition]) -> bool:
        """Ask the broker something now and then: a poll of one that is away only comes back empty. Raises KafkaError."""
        now = self._clock()
        if now < self._asked_at + ASK_EVERY:
            return bool(places)
        self._asked_at = now
        consumer.end_offsets(places[:1], timeout_ms=ANSWERS_WITHIN_MS)
        self._heard_at = now
        return bool(places) and _places(consumer) == places

    def _begin_again_if_full(self, consumer: Any) -> None:
        """So many events without an outcome mean that the lanes are far behind, and that has been found by now. To go on
        reading would fill the memory, and to read outcomes alone would part them from their events: start from here."""
        with self._lock:
            if not self._ledger.full:
                return
            self._ledger = Ledger()
        logger().error("auditor-lost-count", count=MOST)
        consumer.seek_to_end()


def _places(consumer: Any) -> list[TopicPartition]:
    topics = (*EVENT_TOPICS, OUTCOMES)
    return [
        TopicPartition(topic, number)
        for topic in topics
        for number in sorted(consumer.partitions_for_topic(topic) or ())
    ]
