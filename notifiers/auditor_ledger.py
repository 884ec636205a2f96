"""Every accepted event beside its outcomes: what neither lane has decided after a minute, or what they decided differently.

Each lane decides every event by itself, so each is the other's witness (promise 1). Kept in memory by event key, an HMAC,
and only until both lanes have said the same.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

PATIENCE: Final = timedelta(seconds=60)
DIFFERENCE_SHOWN: Final = timedelta(minutes=15)
"""Two lanes that decided differently do not come to agree: it is shown for so long, and is in the log for ever."""

LANES: Final = ("a", "b")
MOST: Final = 100_000
"""Events without both outcomes. At this many the reader starts afresh: a long outage must not fill the memory."""


@dataclass(slots=True)
class Entry:
    """One event. `accepted`: it was seen on its own topic, and not only by its outcome."""

    seen_at: datetime
    accepted: bool = False
    outcomes: dict[str, str] = field(default_factory=dict)
    differs: bool = False


class Ledger:
    """Told of events and of outcomes, in any order and as often as they come. Not for several threads at once."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def full(self) -> bool:
        return len(self._entries) >= MOST

    def accepted(self, event_key: str, at: datetime) -> None:
        """Kafka has this event."""
        self._entry(event_key, at).accepted = True
        self._settle(event_key)

    def ended(self, event_key: str, lane: str, outcome: str, at: datetime) -> None:
        """A lane has recorded how it ended."""
        entry = self._entry(event_key, at)
        entry.outcomes.setdefault(lane, outcome)
        if len(set(entry.outcomes.values())) > 1 and not entry.differs:
            entry.differs, entry.seen_at = True, at
        self._settle(event_key)

    def without_outcome(self, at: datetime) -> list[str]:
        """Accepted a minute ago or more, and neither lane has said how it ended. Event keys, the oldest first."""
        return [key for key, entry in self._late(at) if entry.accepted and not entry.outcomes]

    def in_one_lane(self, at: datetime) -> list[str]:
        """Decided by one lane, and for a minute not by the other; or by both, and not alike."""
        different = [key for key, entry in self._entries.items() if entry.differs]
        alone = [key for key, entry in self._late(at) if entry.accepted and len(entry.outcomes) == 1]
        return [*different, *alone]

    def forget(self, at: datetime) -> None:
        """Let go of differences that were shown for long enough, and of outcomes whose event came before we listened."""
        old = [
            key
            for key, entry in self._entries.items()
            if (entry.differs and entry.seen_at <= at - DIFFERENCE_SHOWN)
            or (not entry.accepted and not entry.differs and entry.seen_at <= at - PATIENCE)
        ]
        for key in old:
            del self._entries[key]

    def _entry(self, event_key: str, at: datetime) -> Entry:
        return self._entries.setdefault(event_key, Entry(at))

    def _settle(self, event_key: str) -> None:
        entry = self._entries[event_key]
        if entry.accepted and not entry.differs and entry.outcomes.keys() >= set(LANES):
            del self._entries[event_key]

    def _late(self, at: datetime) -> Iterator[tuple[str, Entry]]:
        return ((key, entry) for key, entry in self._entries.items() if entry.seen_at <= at - PATIENCE)
