"""A Kafka record as the loop takes it: raw bytes in, and nothing believed yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.envelope import Envelope
from schemas.events import EVENT_TOPICS
from schemas.moments import Message
from schemas.wire import Sealer, read_event, read_message

LANE = "nl_lane"
"""The header that says which lane made a message: the other one has made its own copy, and leaves this one alone."""


class Unreadable(ValueError):
    """Opened, or with nothing to open, and not one of our shapes. Its cause says what kind of error it was."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One record. `timestamp` is the broker's, in seconds; `value` is None for a tombstone, which nobody should send."""

    topic: str
    partition: int
    offset: int
    timestamp: float
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]

    def is_for(self, lane: str) -> bool:
        """Events are for both lanes; a message is for the lane that made it, or for both if nobody signed it."""
        signed = self.headers.get(LANE)
        return signed is None or signed == lane.encode()

    def read(self, sealer: Sealer) -> Envelope | Message:
        """What it says. Raises SealBroken or Unreadable, neither of which repeats a value."""
        if self.value is None:
            raise Unreadable("a record without a value says nothing")
        read = read_event if self.topic in EVENT_TOPICS else read_message
        try:
            return read(self.topic, self.value, self.headers, sealer)
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as problem:
            raise Unreadable("not one of our shapes") from problem

    def arrived_at(self) -> datetime:
        """When the broker had it. A time that cannot be is the beginning of time: this is asked of broken records too."""
        try:
            return datetime.fromtimestamp(self.timestamp, UTC)
        except (ValueError, OverflowError, OSError):
            return datetime.fromtimestamp(0, UTC)
