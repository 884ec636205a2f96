"""The gauges of what is open now, set again every few seconds from the database: a restart forgets nothing."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from notifiers.series import Series
from schemas.metrics import Metrics
from schemas.probe import NAME
from store import agreements, expiry, feeds


class Gauges:
    """Remembers which authorities it has shown, so that one which has nothing left goes to 0 and does not stand still."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._shown: set[str] = set()
        self._feeds_shown: set[str] = set()
        self._series = Series(metrics)

    async def refresh(self, connection: AsyncConnection, at: datetime) -> None:
        """Read the counts and show them."""
        await self._series.begin(connection)
        await self._feeds(connection, at)
        now = await expiry.gauges(connection)
        pairs = (
            (self._metrics.moments_open, now.moments_open),
            (self._metrics.moments_unanswered, now.moments_unanswered),
            (self._metrics.reviews_open, now.reviews_open),
            (self._metrics.reviews_undecided, now.reviews_undecided),
        )
        # The synthetic child is in no count.
        self._shown.update(*(counted.keys() - {NAME} for _, counted in pairs))
        for gauge, counted in pairs:
            for authority in self._shown:
                gauge.labels(authority=authority).set(counted.get(authority, 0))

    async def _feeds(self, connection: AsyncConnection, at: datetime) -> None:
        silent = {one.agency for one in await feeds.silent(connection, at)}
        self._feeds_shown.update(await feeds.live(connection, at))
        for feed in self._feeds_shown:
            self._metrics.feed_silent.labels(feed=feed).set(feed in silent)
        for feed, ends in (await agreements.ends(connection)).items():
            self._metrics.feed_agreement_ends_timestamp_seconds.labels(feed=feed).set(ends.timestamp())
