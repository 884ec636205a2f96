"""Records waiting their turn: settled in order, acknowledged in order, as many at once as are there.

One at a time, each record pays for its own round trip to Kafka. A line waits for nothing: at a low rate it is one record
long, and while a round trip is under way the next ones gather.
Faust commits past a record that is not acknowledged if a later one is (reliability page, 0.2). So nothing here is ever
acknowledged before its predecessor: what is not settled holds the whole line.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from streams.incoming import Incoming

AT_ONCE = 100
"""Records settled together at most: what is done twice when a worker is killed."""

Settle = Callable[[Sequence[Incoming]], Awaitable[None]]
Acknowledge = Callable[[], object]


class Line:
    """Take records with `join`; `settle` gets them in order, all that wait, and what it has come back from is acknowledged."""

    def __init__(self, settle: Settle, *, at_once: int = AT_ONCE, gather: float = 0.0, breath: float = 0.0) -> None:
        """`gather`: seconds to let more records come when several wait already; one that is alone never waits.

        `breath`: seconds that each waits before it is its turn, alone or not; a full line goes on at once.
        """
        self._settle = settle
        self._gather = gather
        self._breath = breath
        self._at_once = at_once
        self._waiting: deque[tuple[Incoming, Acknowledge]] = deque()
        self._something = asyncio.Event()
        self._full = asyncio.Event()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Stop. What waits, or is under way, stays unacknowledged: it comes again."""
        if self._task is not None:
            self._task.cancel()

    async def join(self, letter: Incoming, acknowledge: Acknowledge) -> None:
        """Wait in line; waits itself while the line is full. Raises whatever broke the line: nobody joins a dead one."""
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        while len(self._waiting) >= self._at_once and not self._task.done():
            self._room.clear()
            await self._room.wait()
        if self._task.done():
            await self._task
        self._waiting.append((letter, acknowledge))
        self._something.set()
        if len(self._waiting) >= self._at_once:
            self._full.set()

    async def _work(self) -> None:
        try:
            while True:
                await self._something.wait()
                if pause := self._breath or (self._gather if len(self._waiting) > 1 else 0.0):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._full.wait(), pause)
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._at_once))]
                self._full.clear()
                self._room.set()
                if not self._waiting:
                    self._something.clear()
                await self._settle([letter for letter, _ in batch])
                for _, acknowledge in batch:
                    acknowledge()
        finally:
            self._room.set()  # whoever waits for room finds out that this has ended
