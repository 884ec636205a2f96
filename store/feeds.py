"""How each feed is: what came in each hour, so that a feed which falls silent at an hour when it usually speaks is seen.

A fixed limit is wrong both ways: a custody suite may say nothing for a night and be well, and a hospital that says nothing
for ten minutes on a Saturday evening is not. So a feed is measured by its own last four weeks, by weekday and hour in London.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import CheckConstraint, Column, Double, ForeignKey, Integer, Table, Text, delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.london import LONDON
from schemas.probe import NAME as PROBE
from store.columns import Instant
from store.database import TABLES

feed_hours = Table(
    "feed_hours",
    TABLES,
    Column("agency", Text, ForeignKey("agencies.agency"), primary_key=True),
    Column("hour", Instant, primary_key=True),
    Column("accepted", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("unusable", Integer, nullable=False),  # identifiers that were set aside
    Column("late_seconds", Double, nullable=False),  # from happened to received, summed over what was accepted
    CheckConstraint("accepted >= 0 AND refused >= 0 AND unusable >= 0 AND late_seconds >= 0", name="counts"),
)

HOUR: Final = timedelta(hours=1)
KEPT: Final = timedelta(weeks=9)

STEADY_SHARE: Final = 0.9
"""A feed heard in this share of the hours of its last week speaks all the time: it sends heartbeats, or is a whole region's."""
STEADY_SINCE: Final = timedelta(hours=3)
STEADY_SILENCE: Final = timedelta(minutes=30)

WEEKS: Final = 4
MISSED: Final = 6.0
"""Events that usually would have come by now. If they come by chance, a silence like that is seen once in 400 times."""
MOST_AN_HOUR: Final = 3.0
"""Of which one hour counts for so many at most: a school's nightly batch may come at five past."""

FIRST_WORD: Final = timedelta(days=1)
"""From its registration until a feed that has never been heard is called silent."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one door heard of a feed since it last wrote it down. `hour` is its beginning, UTC."""

    agency: str
    hour: datetime
    accepted: int = 0
    refused: int = 0
    unusable: int = 0
    late_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Health:
    """A feed's last 24 hours. `late_seconds` is the mean from happened to received; None if nothing came."""

    agency: str
    accepted: int
    refused: int
    unusable: int
    late_seconds: float | None


@dataclass(frozen=True, slots=True)
class Silence:
    """A feed that should have spoken by now. `because` is one sentence."""

    agency: str
    since: datetime | None
    because: str


async def note(connection: AsyncConnection, heard: Iterable[Heard]) -> None:
    """Add to the hours. Two doors that write the same hour both count."""
    for one in sorted(heard, key=lambda one: (one.agency, one.hour)):
        values = {name: getattr(one, name) for name in Heard.__dataclass_fields__}
        new = insert(feed_hours).values(values)
        sums = {name: feed_hours.c[name] + new.excluded[name] for name in values if name not in ("agency", "hour")}
        await connection.execute(new.on_conflict_do_update(index_elements=["agency", "hour"], set_=sums))


async def health(connection: AsyncConnection, at: datetime) -> dict[str, Health]:
    """The last 24 hours of every feed that was heard in them, by name."""
    rows = await connection.execute(_LAST_DAY, {"since": at - timedelta(days=1)})
    return {
        row.agency: Health(
            row.agency, row.accepted, row.refused, row.unusable, row.late / row.accepted if row.accepted else None
        )
        for row in rows
    }


async def live(connection: AsyncConnection, at: datetime) -> set[str]:
    """Every feed with a key in force; the synthetic child's is no feed."""
    return {row.agency for row in await _alive(connection, at)}


async def silent(connection: AsyncConnection, at: datetime) -> list[Silence]:
    """Every feed with a key in force that should have spoken by now, by name."""
    hours: dict[str, dict[datetime, int]] = {}
    past = await connection.execute(_HOURS, {"since": at - timedelta(weeks=WEEKS) - HOUR})
    for row in past:
        hours.setdefault(row.agency, {})[row.hour] = row.accepted
    found = []
    for row in await _alive(connection, at):
        because = reason(hours.get(row.agency, {}), added=row.added_at, last=row.last_seen_at, at=at)
        if because:
            found.append(Silence(row.agency, row.last_seen_at, because))
    return found


async def _alive(connection: AsyncConnection, at: datetime) -> list[Any]:
    return [row for row in await connection.execute(_LIVE, {"at": at}) if row.agency != PROBE]


async def forget(connection: AsyncConnection, at: datetime) -> None:
    """Purge hours older than nine weeks."""
    await connection.execute(delete(feed_hours).where(feed_hours.c.hour < at - KEPT))


def reason(hours: Mapping[datetime, int], *, added: datetime, last: datetime | None, at: datetime) -> str | None:
    """Why a feed's silence is not usual; None if it is. `hours`: beginning of an hour, UTC → events in it; those without are 0."""
    if last is None:
        return "it has never been heard" if at - added >= FIRST_WORD else None
    quiet = at - last
    if quiet < STEADY_SILENCE:
        return None
    if _is_steady(hours, max(added, last - timedelta(days=7)), last):
        return f"it speaks all the time, and has said nothing for {_words(quiet)}"
    if missed(hours, added=added, last=last, at=at) >= MISSED:
        return f"it has said nothing for {_words(quiet)}, in hours in which it usually speaks"
    return None


def missed(hours: Mapping[datetime, int], *, added: datetime, last: datetime, at: datetime) -> float:
    """How many events would usually have come since the last one: the mean of the same hours of the same weekdays."""
    total = 0.0
    hour = _hour(last)
    while hour < at and total < MISSED:
        share = (min(at, hour + HOUR) - max(last, hour)) / HOUR
        total += min(_usual(hours, hour, added) * share, MOST_AN_HOUR)
        hour += HOUR
    return total


def _usual(hours: Mapping[datetime, int], hour: datetime, added: datetime) -> float:
    """The mean of this hour in the last four weeks, by London's clock; 0 if the feed was not there a week ago."""
    local = hour.astimezone(LONDON)
    # In London's wall time, so that the hour stays the hour when the clocks change.
    before = [(local - timedelta(weeks=week)).astimezone(hour.tzinfo) for week in range(1, WEEKS + 1)]
    known = [hours.get(one, 0) for one in before if one >= _hour(added)]
    return sum(known) / len(known) if known else 0.0


def _is_steady(hours: Mapping[datetime, int], since: datetime, last: datetime) -> bool:
    if last - since < STEADY_SINCE:
        return False
    whole = int((_hour(last) - _hour(since)) / HOUR)
    heard = sum(1 for hour, accepted in hours.items() if accepted and _hour(since) <= hour < _hour(last))
    return heard >= STEADY_SHARE * whole


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _words(quiet: timedelta) -> str:
    minutes = int(quiet.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"


_LAST_DAY = text("""
    SELECT agency, sum(accepted) AS accepted, sum(refused) AS refused, sum(unusable) AS unusable, sum(late_seconds) AS late
    FROM feed_hours WHERE hour > :since GROUP BY agency
""")
_HOURS = text("SELECT agency, hour, accepted FROM feed_hours WHERE hour >= :since")
_LIVE = text("""
    SELECT agency, added_at, last_seen_at FROM agencies
    WHERE EXISTS (SELECT FROM agency_keys WHERE agency_keys.agency = agencies.agency AND ends_at > :at)
    ORDER BY agency
""")
