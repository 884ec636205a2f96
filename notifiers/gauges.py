"""The gauges of what is open now, set again every few seconds from the database: a restart forgets nothing."""

from sqlalchemy.ext.asyncio import AsyncConnection

from notifiers.series import Series
from schemas.metrics import Metrics
from store import expiry


class Gauges:
    """Remembers which authorities it has shown, so that one which has nothing left goes to 0 and does not stand still."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._shown: set[str] = set()
        self._series = Series(metrics)

    async def refresh(self, connection: AsyncConnection) -> None:
        """Read the counts and show them."""
        await self._series.begin(connection)
        now = await expiry.gauges(connection)
        pairs = (
            (self._metrics.moments_open, now.moments_open),
            (self._metrics.moments_unanswered, now.moments_unanswered),
            (self._metrics.reviews_open, now.reviews_open),
        )
        self._shown.update(*(counted for _, counted in pairs))
        for gauge, counted in pairs:
            for authority in self._shown:
                gauge.labels(authority=authority).set(counted.get(authority, 0))
