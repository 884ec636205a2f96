"""What the loop has done lately, for the watchdog and for readiness: written by the loop, read from other threads."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic


@dataclass
class Progress:
    """When each partition last moved, by a clock that is never set back.

    Plain dictionary writes, each atomic in CPython: no lock, because the reader must get through when the writer hangs.
    """

    now: Callable[[], float] = monotonic
    moved_at: dict[tuple[str, int], float] = field(default_factory=dict)
    next_offset: dict[tuple[str, int], int] = field(default_factory=dict)

    def settled(self, topic: str, partition: int, offset: int) -> None:
        """A record was published or buried, and acknowledged."""
        self.moved_at[topic, partition] = self.now()
        self.next_offset[topic, partition] = offset + 1

    def waiting(self, topic: str, partition: int) -> None:
        """A record is being tried again because something outside is away: that is not a hang, and leaving mends nothing."""
        self.moved_at[topic, partition] = self.now()
