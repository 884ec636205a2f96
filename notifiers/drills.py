"""Drills and phone tests that come round by themselves, and the end of every drill."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.logs import logger
from schemas.metrics import Metrics
from store import drills, phones


async def end(connection: AsyncConnection, metrics: Metrics, at: datetime) -> None:
    """End the drills that are over, and count them; in the caller's transaction."""
    for ended in await drills.end(connection, at=at):
        metrics.drills.labels(outcome=ended.value).inc()
        logger().info("drill-ended", outcome=ended.value)


async def show(connection: AsyncConnection, metrics: Metrics, at: datetime) -> None:
    """How long ago the drill is that is longest ago, for the gauge."""
    oldest = await drills.oldest(connection, at=at)
    metrics.drill_oldest_timestamp_seconds.set(oldest.timestamp() if oldest else 0)


async def come_round(connection: AsyncConnection, _: Metrics, at: datetime) -> None:
    """Begin one drill, or else test one phone, if any is due and it is the time of the week for it."""
    await phones.forget_codes(connection, at=at)
    if team := await drills.begin_due(connection, at=at):
        logger().info("drill-began", team=team)
        return
    if await drills.prove_due(connection, at=at):
        logger().info("phone-tested")
