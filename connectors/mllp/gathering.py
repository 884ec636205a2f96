"""Many connections, each of which waits for its own message to be in Kafka, share the way there: one hand-over for all that wait."""

import asyncio
from collections.abc import Sequence
from typing import Final

from connectors.door import Publishes
from connectors.publish import NotPublished
from schemas.envelope import Envelope

MOST_TOGETHER: Final = 200

UNDER_WAY: Final = 3
"""Hand-overs at once: while these wait for Kafka, the next gathers."""


class Together:
    """A publisher in front of a publisher. What it is given in order goes on in order, and all of a call goes together.

    If a hand-over fails, everybody in it is told so: they send again, and what had arrived counts once.
    """

    def __init__(self, publisher: Publishes) -> None:
        self._publisher = publisher
        self._waiting: list[tuple[Sequence[Envelope], asyncio.Future[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def publish(self, *envelopes: Envelope) -> None:
        """As `Publisher.publish`."""
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((envelopes, heard))
        if len(self._tasks) < UNDER_WAY:
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await heard

    async def _work(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            try:
                await self._publisher.publish(*(envelope for envelopes, _ in taken for envelope in envelopes))
            except NotPublished as problem:
                _tell(taken, problem)
            else:
                _tell(taken, None)


def _tell(taken: Sequence[tuple[Sequence[Envelope], "asyncio.Future[None]"]], problem: NotPublished | None) -> None:
    for _, heard in taken:
        if heard.done():  # whoever waited has gone
            continue
        if problem is None:
            heard.set_result(None)
        else:
            heard.set_exception(NotPublished(*problem.args))
