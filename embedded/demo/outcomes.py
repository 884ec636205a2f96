"""How events ended, as the workers say it on the outcomes topic: the only place where an unwatched child's event is told of, by its key."""

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from schemas.moments import OUTCOMES, Decided, Outcome
from schemas.sealing import SealBroken
from schemas.wire import Sealer, read_message

WAIT = 200
"""Milliseconds for a fetch: how soon a stop is noticed."""


class Outcomes:
    """Listens in a thread of its own until `stop`. `heard` is read from any other; the first lane to say it counts."""

    def __init__(self, options: Mapping[str, Any], sealer: Sealer) -> None:
        """`options` are kafka-python's: where the brokers are and how to sign in there."""
        self.heard: dict[str, tuple[Outcome, datetime]] = {}
        self._options = options
        self._sealer = sealer
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="outcomes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread. Waits two seconds at the most."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def _listen(self) -> None:
        consumer = KafkaConsumer(
            OUTCOMES, **self._options, group_id=None, auto_offset_reset="earliest", fetch_max_wait_ms=WAIT
        )
        try:
            while not self._stopping.is_set():
                try:
                    batches = consumer.poll(timeout_ms=WAIT)
                except KafkaError:  # a broker that is away comes again; the screen goes on with what it knows
                    self._stopping.wait(1)
                    continue
                for records in batches.values():
                    for record in records:
                        self.hear(record.value, dict(record.headers))
        finally:
            consumer.close(autocommit=False)

    def hear(self, value: bytes, headers: Mapping[str, bytes]) -> None:
        """Remember the outcomes of one record. What is not ours to read is passed over."""
        try:
            message = read_message(OUTCOMES, value, headers, self._sealer)
        except (SealBroken, ValueError):
            return
        if isinstance(message, Decided):
            for ended in message.ended:
                self.heard.setdefault(ended.event_key, (ended.outcome, message.decided_at))
