"""The pages' histograms from the start, empty: Prometheus would never count the page with which a series is born."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.kinds import BY_TYPE
from schemas.metrics import Metrics
from store.children import children


class Series:
    """Remembers for which authorities it has done so; a list that gains one is seen the next time."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._begun: set[str] = set()

    async def begin(self, connection: AsyncConnection) -> None:
        """For every authority with a watched child, and every type that can page."""
        there = set(await connection.scalars(select(children.c.authority).distinct()))
        self._metrics.start_at_zero(types=BY_TYPE, authorities=sorted(there - self._begun))
        self._begun |= there
