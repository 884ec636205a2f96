"""What every way in over HTTP shares: who knocks, the body within its limits, kept in Kafka before anybody is told so, and counted."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from fastapi import Request
from starlette.requests import ClientDisconnect

from connectors.doorkeeper import Doorkeeper
from connectors.problems import Reason, Refused
from connectors.publish import NotPublished
from connectors.visits.known import Visits
from schemas.envelope import Envelope
from schemas.metrics import UNKNOWN_FEED, Metrics
from schemas.settings import Mode
from schemas.wire import Sealer
from store.rights import Agency

LARGEST_BODY: Final = 256 * 1024
BODY_SECONDS: Final = 10
RETRY_SECONDS: Final = 2


class Publishes(Protocol):
    """Keeps events. Returns once every one is safe; raises NotPublished if they may not be, within five seconds."""

    async def publish(self, *envelopes: Envelope) -> None: ...


@dataclass(frozen=True)
class Door:
    """What a handler needs, made by the wiring. `sealer` makes the ids of events whose senders give them none: the real
    keyring, or an event sent to two gateways would be two events. `visits` is what is known of hospital visits."""

    doorkeeper: Doorkeeper
    publisher: Publishes
    metrics: Metrics
    clock: Callable[[], datetime]
    mode: Mode
    sealer: Sealer
    visits: Visits = field(default_factory=Visits)


AWAY: Final = Refused(
    Reason.KAFKA_AWAY,
    "Nothing was confirmed: send all of it again, with the same source and id. What arrives twice counts once.",
    retry_after=RETRY_SECONDS,
)


@dataclass(slots=True)
class Knock:
    """One request, and who it turned out to be from."""

    door: Door
    feed: str = UNKNOWN_FEED

    async def recognise(self, authorization: str | None) -> Agency:
        """Whose key it is. From here on refusals are counted as theirs. Raises Refused."""
        agency = await recognise(authorization, self.door)
        self.feed = agency.name
        return agency

    async def keep(self, envelopes: Sequence[Envelope], agency: Agency) -> None:
        """Return once Kafka has them all, and they are counted. Raises Refused (503) if it may not have."""
        try:
            # Answer only once Kafka has it: 202 means "we will not lose this".
            await self.door.publisher.publish(*envelopes)
        except NotPublished:
            raise AWAY from None
        count(envelopes, agency, self.door)


@contextmanager
def knocking(door: Door) -> Iterator[Knock]:
    """Counts the refusal that ends a request, and lets it pass on."""
    knock = Knock(door)
    try:
        yield knock
    except Refused as refusal:
        count_refused(knock.feed, refusal.reason, door)
        raise


async def recognise(authorization: str | None, door: Door) -> Agency:
    """Whose key it is, also if it was made a moment ago. Raises Refused."""
    try:
        return door.doorkeeper.recognise(authorization)
    except Refused as refusal:
        if refusal.reason is not Reason.UNKNOWN_KEY or not (authorization or "").startswith("Bearer nl_"):
            raise
    await door.doorkeeper.look_again()
    return door.doorkeeper.recognise(authorization)


async def read_body(request: Request) -> bytes:
    """The body, as far as it may be long, and no longer than it may take. The declared length is a hint, never trusted."""
    too_large = Refused(Reason.TOO_LARGE, f"At most {LARGEST_BODY // 1024} KiB in one request: send smaller batches.")
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > LARGEST_BODY:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise too_large
    except (TimeoutError, ClientDisconnect):
        raise Refused(Reason.MALFORMED, f"The body did not arrive within {BODY_SECONDS} seconds.") from None
    return bytes(body)


def count(envelopes: Sequence[Envelope], agency: Agency, door: Door) -> None:
    """What Kafka has, by the way it came in, and how long after it happened."""
    door.doorkeeper.tally.accepted(agency.name, envelopes)
    if envelopes:
        door.doorkeeper.saw(agency, envelopes[-1].received_at)


def count_refused(feed: str, reason: Reason, door: Door) -> None:
    """One request, row or form that was not taken; the sender was told."""
    door.metrics.events_refused.labels(feed=feed, reason=reason).inc()
    door.doorkeeper.tally.refused(feed, door.clock())
