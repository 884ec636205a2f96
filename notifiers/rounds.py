"""What the pager does besides paging: who comes on call, drills, tests of phones, and the gauge of their states.

None of it may hold up a page: each part has a transaction of its own, and what fails is tried again the next time.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from notifiers import drills, on_call
from schemas.logs import logger
from schemas.metrics import Metrics
from store.drills import Ended

Work = Callable[[AsyncConnection, Metrics, datetime], Awaitable[None]]

PARTS: tuple[tuple[timedelta, Work], ...] = (
    (timedelta(seconds=2), drills.end),
    (timedelta(seconds=15), on_call.look),
    (timedelta(seconds=30), on_call.show),
    (timedelta(seconds=30), drills.show),
    (timedelta(minutes=1), drills.come_round),
)
"""How often at most, and what. A drill ends within two seconds of its acceptance, before anybody is asked for contact."""


class Rounds:
    """Remembers when each part was last done."""

    def __init__(self, engine: AsyncEngine, metrics: Metrics) -> None:
        self._engine = engine
        self._metrics = metrics
        self._last: dict[Work, datetime] = {}
        for outcome in Ended:  # Prometheus sees growth only between two scrapes: the first drill counts as well
            metrics.drills.labels(outcome=outcome.value)

    async def look(self, now: datetime) -> None:
        """Do what is due. Raises nothing of the database: the pages come first, and they have said it already."""
        for every, work in PARTS:
            last = self._last.get(work)
            if last is not None and now < last + every:
                continue
            self._last[work] = now
            try:
                async with self._engine.begin() as connection:
                    await work(connection, self._metrics, now)
            except SQLAlchemyError as problem:
                logger().error("rota-round-interrupted", error=type(problem).__name__)
