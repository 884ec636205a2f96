"""Who stands at the door, whether they come too fast, and when they were last seen. Asks the database in the background alone."""

import asyncio
import contextlib
import hmac
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from time import monotonic
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from connectors.problems import Reason, Refused
from connectors.tally import Tally
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.settings import Mode
from store import agencies, feeds
from store.agencies import PREFIX, Key, digest
from store.rights import Agency

EVENTS_A_SECOND: Final = 500
"""For one agency. One agency may be a region's integration engine, which passes on 150 events/s at its peak and 1,000/s
after an outage of its own (design page, section 6): it should catch up, and still not be able to drown the others."""

BURST: Final = 5_000
"""What an agency may send at once: ten batches, or a night's backlog of one hospital."""

REFRESH_SECONDS: Final = 1
AGAIN_SECONDS: Final = 0.1
WRITE_SECONDS: Final = 5

_NOBODY: Final = Key("", bytes(32), datetime.max.replace(tzinfo=UTC), Agency("", (), frozenset(), frozenset()))


@dataclass(slots=True)
class Bucket:
    """A token bucket, full at first: a new agency's first event is never refused. Times are of a monotonic clock."""

    tokens: float = BURST
    at: float = field(default=-math.inf)

    def take(self, count: int, now: float) -> float:
        """Take tokens and return 0; or take none, and return the seconds until there would be enough."""
        self.tokens = min(BURST, self.tokens + max(0.0, now - self.at) * EVENTS_A_SECOND)
        self.at = now
        if self.tokens < count:
            return (count - self.tokens) / EVENTS_A_SECOND
        self.tokens -= count
        return 0.0


class Doorkeeper:
    """The table of keys, in memory. It is read again each second; while PostgreSQL is away the last one stays good,
    for an agency must be able to report an arrest then too. Nothing here waits for the database but `keep`."""

    def __init__(
        self,
        engine: AsyncEngine,
        metrics: Metrics,
        clock: Callable[[], datetime],
        ticks: Callable[[], float] = monotonic,
        mode: Mode = Mode.REHEARSAL,
    ) -> None:
        self.tally = Tally(metrics)
        self._mode = mode
        self._engine = engine
        self._metrics = metrics
        self._clock = clock
        self._ticks = ticks
        self._keys: dict[str, Key] | None = None
        self._looked = -math.inf
        self._buckets: dict[str, Bucket] = {}
        self._last_seen: dict[str, datetime] = {}
        self._shown = cache(lambda feed: metrics.feed_last_seen_timestamp_seconds.labels(feed=feed))
        self._unwritten: dict[str, datetime] = {}

    @property
    def ready(self) -> bool:
        """Whether the keys have been read once: until then nobody can be told from anybody."""
        return self._keys is not None

    @property
    def agencies(self) -> dict[str, Agency]:
        """Those with a key in force, by name: for the ways in that have no header to hold one. Empty until the keys were read."""
        now = self._clock()
        return {key.agency.name: key.agency for key in (self._keys or {}).values() if key.ends_at > now}

    def holder(self, prefix: str) -> Agency | None:
        """Whose key begins so, while it is in force: for a session that was begun with the whole of it."""
        key = (self._keys or {}).get(prefix)
        return key.agency if key and key.ends_at > self._clock() else None

    def recognise(self, authorization: str | None) -> Agency:
        """Whose key this header holds. Raises Refused (401; 503 until the keys have been read)."""
        if self._keys is None:
            raise Refused(Reason.STARTING, "The keys have not been read yet: wait, and send it again.", retry_after=1)
        scheme, _, given = (authorization or "").partition(" ")
        given = given.strip()
        key = self._keys.get(given[:PREFIX], _NOBODY)
        # A key that is not known costs the same work as one that is, and tells nothing by its time.
        same = hmac.compare_digest(digest(given), key.digest)
        if scheme.lower() != "bearer" or not same or key.ends_at <= self._clock():
            raise Refused(
                Reason.UNKNOWN_KEY,
                "Send 'Authorization: Bearer nl_…' with a key in force; the operator makes a new one.",
            )
        return key.agency

    async def look_again(self) -> None:
        """A key may have been made a moment ago: read the keys now, ten times a second at the most, whoever asks."""
        if self._ticks() - self._looked < AGAIN_SECONDS:
            return
        self._looked = self._ticks()
        with contextlib.suppress(SQLAlchemyError, OSError):  # `keep` says that the database is away
            await self.refresh()

    def admit(self, agency: Agency, events: int = 1) -> None:
        """Count events against the agency's pace. Raises Refused (429)."""
        wait = self._buckets.setdefault(agency.name, Bucket()).take(events, self._ticks())
        if wait:
            raise Refused(
                Reason.TOO_FAST,
                f"At most {EVENTS_A_SECOND} events a second, and {BURST} at once: wait, and send the rest then.",
                retry_after=math.ceil(wait),
            )

    def saw(self, agency: Agency, at: datetime) -> None:
        """Its events have been accepted."""
        self._unwritten[agency.name] = at
        self._show(agency.name, at)

    async def keep(self) -> None:
        """Read the keys each second and write down who was seen, until cancelled."""
        written = -math.inf
        away = False
        while True:
            try:
                await self.refresh()
                if self._ticks() - written >= WRITE_SECONDS:
                    await self.write()
                    written = self._ticks()
                away = False
            except (SQLAlchemyError, OSError) as problem:
                if not away:
                    logger().warning("keys-stale", error=type(problem).__name__)
                away = True
            await asyncio.sleep(REFRESH_SECONDS)

    async def refresh(self) -> None:
        """Read the keys in force now."""
        async with self._engine.connect() as connection:
            self.know(await agencies.keys_in_force(connection, at=self._clock(), mode=self._mode))

    def know(self, keys: Iterable[Key]) -> None:
        """From now on these keys are the ones in force."""
        self._keys = {key.prefix: key for key in keys}
        for agency in {key.agency.name: key.agency for key in self._keys.values()}.values():
            if agency.last_seen_at:
                self._show(agency.name, agency.last_seen_at)

    async def write(self) -> None:
        """Write down who was seen since the last time, and what was heard of them."""
        times, heard = dict(self._unwritten), self.tally.take()
        if not times and not heard:
            return
        try:
            async with self._engine.begin() as connection:
                await agencies.seen(connection, times)
                await feeds.note(connection, heard)
        except (SQLAlchemyError, OSError):
            self.tally.put_back(heard)
            raise
        self._unwritten = dict(self._newer_than(times))

    def _newer_than(self, times: dict[str, datetime]) -> Iterator[tuple[str, datetime]]:
        return ((name, at) for name, at in self._unwritten.items() if times.get(name) != at)

    def _show(self, name: str, at: datetime) -> None:
        """Another gateway may have seen it later than this one, so the database's word counts too."""
        latest = max(at, self._last_seen.get(name, at))
        self._last_seen[name] = latest
        self._shown(name).set(latest.timestamp())
