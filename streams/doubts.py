"""A possible match that nobody decides, and whose window is nearly over, pages its team: the question still stands beside the page."""

import asyncio
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.base import Clock
from schemas.logs import logger
from schemas.sealing import SealBroken
from schemas.wire import Sealer
from store import reviews
from streams.children import AWAY

EVERY = 1.0
"""Seconds."""

TRY_AGAIN = timedelta(minutes=1)
"""One whose seal does not open, or that cannot be paged now, must not keep the others waiting."""


class Doubts:
    """Any number of workers may look: one UPDATE decides which of them pages."""

    def __init__(self, engine: AsyncEngine, sealer: Sealer, clock: Clock) -> None:
        self._engine = engine
        self._sealer = sealer
        self._clock = clock

    async def follow(self) -> None:
        """Look once a second, for ever."""
        while True:
            try:
                await self.look()
            except AWAY as problem:
                logger().warning("reviews-not-looked-at", error=type(problem).__name__)
            await asyncio.sleep(EVERY)

    async def look(self) -> int:
        """Page for every review that is due now; how many were paged. Raises one of AWAY."""
        at, paged = self._clock(), 0
        async with self._engine.connect() as connection:
            due = await reviews.due_to_page(connection, at=at)
        for event_key in due:
            try:
                async with self._engine.begin() as connection:
                    paged += await reviews.page_possible(connection, self._sealer, event_key, at=at)
            except SealBroken:
                logger().error("review-not-readable", event_key=event_key)
                async with self._engine.begin() as connection:
                    await reviews.put_off(connection, event_key, until=at + TRY_AGAIN)
        return paged
