"""Keeping how providers stand where every process sees it, and moving it: on a fault, when one is well again, and back."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from notifiers import weights
from notifiers.channel import PROVIDERS_OWN, Reason
from notifiers.providers import Providers
from notifiers.weights import Standing
from schemas.logs import logger
from schemas.pages import Channel
from store import providers as kept


async def refresh(connection: AsyncConnection, providers: Providers, *, at: datetime) -> None:
    """How they stand now, as any process has found it; and one step back to rest for those who have been well for long enough."""
    known = await kept.read(connection)
    for channel in providers.channels:
        order = providers.order(channel)
        standings = _standings(known.get(channel, []), order)
        if weights.drift(standings, order, at) != standings:
            drift = functools.partial(weights.drift, order=order, now=at)
            standings = await move(connection, channel, order, drift, weights.DRIFTS_BACK, at=at)
        providers.stand(channel, standings)


async def fault(
    connection: AsyncConnection, channel: Channel, provider: str, reason: Reason, *, order: Sequence[str], at: datetime
) -> list[Standing] | None:
    """A provider has failed for this reason. Returns how the channel stands after it; None if it is nothing to do with it."""
    if reason not in PROVIDERS_OWN or provider not in order:
        return None
    return await move(
        connection, channel, order, lambda held: weights.after_fault(held, provider, reason, at), reason.value, at=at
    )


async def success(
    connection: AsyncConnection, channel: Channel, provider: str, *, order: Sequence[str], at: datetime
) -> list[Standing]:
    """It works again after errors. Nobody needs to be told of each success: only of the first after a failure."""
    return await move(connection, channel, order, lambda held: weights.after_success(held, provider), "", at=at)


async def move(
    connection: AsyncConnection,
    channel: Channel,
    order: Sequence[str],
    how: Callable[[Sequence[Standing]], list[Standing]],
    because: str,
    *,
    at: datetime,
) -> list[Standing]:
    """Change how a channel stands, by a pure function, one process after the other. Returns how it stands then."""
    before = await kept.hold(connection, channel, [asdict(one) for one in weights.at_rest(order)])
    standings = _standings(before, order)
    after = how(standings)
    rows = [asdict(one) for one in after]
    if await kept.write(connection, channel, before, rows, because=because, at=at):
        for one in after:
            logger().warning(
                "provider-weighed", channel=channel.value, provider=one.provider, count=one.weight, reason=because
            )
    return after


def _standings(rows: Sequence[Mapping[str, Any]], order: Sequence[str]) -> list[Standing]:
    """In this order; a provider of which nothing is known stands as at rest, one that is no longer set up is left out."""
    known = {row["provider"]: Standing(**row) for row in rows}
    return [known.get(one.provider, one) for one in weights.at_rest(order)]
