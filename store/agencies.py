"""Agencies: who may send, what, about where, and the digests of their keys."""

import hashlib
import os
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    LargeBinary,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.events import EVENTS
from schemas.london import today
from schemas.probe import NAME as PROBE
from schemas.settings import Mode
from store import audit
from store.audit import What
from store.columns import Instant, Words
from store.database import TABLES, lock
from store.rights import (
    Agency,
    AgencyRefused,
    Agreement,
    check_authorities,
    check_name,
    check_sources,
    check_types,
    expand,
)

agencies = Table(
    "agencies",
    TABLES,
    Column("agency", Text, primary_key=True),
    Column("sources", Words, nullable=False),
    Column("types", Words, nullable=False),
    Column("authorities", Words, nullable=False),
    Column("added_at", Instant, nullable=False, server_default=func.now()),
    Column("last_seen_at", Instant),
    Column("agreement", Text),
    Column("agreement_starts", Date),
    Column("agreement_ends", Date),
    CheckConstraint("(agreement IS NULL) = (agreement_starts IS NULL)", name="agreement_has_a_start"),
    CheckConstraint("(agreement IS NULL) = (agreement_ends IS NULL)", name="agreement_has_an_end"),
    CheckConstraint("agreement_starts <= agreement_ends", name="agreement_has_a_length"),
)

agency_keys = Table(
    "agency_keys",
    TABLES,
    Column("prefix", Text, primary_key=True),
    Column("agency", Text, ForeignKey("agencies.agency"), nullable=False, index=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("made_at", Instant, nullable=False, server_default=func.now()),
    Column("ends_at", Instant, nullable=False),
)

LASTS: Final = timedelta(days=365)
"""A key ends within twelve months (reliability page, R4)."""

OVERLAP: Final = timedelta(hours=24)
"""How long the former key stays good after a rotation: time for a night shift's system to be given the new one."""

SECRET_BYTES: Final = 20
PREFIX: Final = len("nl_") + 8
"""Of a key's characters, how many it is looked up by. The other 32 hex digits, 128 bits, are the secret."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key, as it is kept: its first characters, the SHA-256 of the whole, and when it ends. The key itself is nowhere."""

    prefix: str
    digest: bytes = field(repr=False)
    ends_at: datetime
    agency: Agency


@dataclass(frozen=True, slots=True)
class Listed:
    """One agency for `nightlight agencies list`: what was registered, and the ends of its live keys, the newest first."""

    name: str
    sources: tuple[str, ...]
    types: tuple[str, ...]
    authorities: tuple[str, ...]
    added_at: datetime
    last_seen_at: datetime | None
    key_ends: tuple[datetime, ...]
    agreement: Agreement | None


def digest(key: str) -> bytes:
    """What is kept of a key. It is random and long, so a plain SHA-256 cannot be turned back."""
    return hashlib.sha256(key.encode()).digest()


async def add(
    connection: AsyncConnection,
    agency: str,
    *,
    types: Iterable[str],
    authorities: Iterable[str],
    sources: Iterable[str] = (),
    at: datetime,
    who: str,
    random: Callable[[int], bytes] = os.urandom,
) -> str:
    """Register an agency, and return its first key: the only time that it is seen.

    Args:
        agency: its name, which is also the feed's in metrics: letters, digits, dots, hyphens and underscores.
        types: as `arrest` or `nightlight.arrest.v1`; their follow-ups, corrections and the heartbeat come with them.
        authorities: GSS codes, or `*`.
        sources: of CloudEvents; none is the name itself, `/name` and `urn:nightlight:name`.

    An agency whose keys have all ended may be added again, with other rights.

    Raises:
        AgencyRefused: bad name, type, authority or source; or it is there, with a key in force.
    """
    check_name(agency)
    rights = {
        "types": sorted(check_types(types)),
        "authorities": sorted(check_authorities(authorities)),
        "sources": check_sources(sources) or [agency, f"/{agency}", f"urn:nightlight:{agency}"],
    }
    await lock(connection, "agency", agency)
    if await _live_keys(connection, agency, at):
        raise AgencyRefused(f"{agency} is there already: 'nightlight agencies rotate {agency}' makes it a new key.")
    added = upsert(agencies).values(agency=agency, added_at=at, **rights)
    await connection.execute(added.on_conflict_do_update(index_elements=["agency"], set_=rights))
    key = await _make_key(connection, agency, at, random)
    detail = {**rights, "prefix": key[:PREFIX]}
    await audit.record(connection, What.AGENCY_ADDED, who=who, about=agency, at=at, detail=detail)
    return key


async def rotate(
    connection: AsyncConnection,
    agency: str,
    *,
    at: datetime,
    who: str,
    now: bool = False,
    random: Callable[[int], bytes] = os.urandom,
) -> str:
    """Make a new key and return it. The one before is good for another 24 hours, or ends `now`; any older one ends now.

    Raises:
        AgencyRefused: there is no such agency.
    """
    await hold(connection, agency)
    live = await _live_keys(connection, agency, at)
    for place, former in enumerate(live):
        ends_at = at if now or place > 0 else min(former.ends_at, at + OVERLAP)
        await connection.execute(
            update(agency_keys).where(agency_keys.c.prefix == former.prefix).values(ends_at=ends_at)
        )
    key = await _make_key(connection, agency, at, random)
    detail = {"prefix": key[:PREFIX], "former_ends_now": now}
    await audit.record(connection, What.AGENCY_KEY_MADE, who=who, about=agency, at=at, detail=detail)
    return key


async def revoke(connection: AsyncConnection, agency: str, *, at: datetime, who: str) -> int:
    """End every key of an agency now, and return how many there were. What it has sent stays.

    Raises:
        AgencyRefused: there is no such agency.
    """
    await hold(connection, agency)
    live = await _live_keys(connection, agency, at)
    await connection.execute(
        update(agency_keys).where(agency_keys.c.agency == agency, agency_keys.c.ends_at > at).values(ends_at=at)
    )
    detail = {"keys": len(live)}
    await audit.record(connection, What.AGENCY_REVOKED, who=who, about=agency, at=at, detail=detail)
    return len(live)


async def listing(connection: AsyncConnection, *, at: datetime, leave_out: Container[str] = ()) -> list[Listed]:
    """Every agency by name, those without a live key too. A list for people leaves out the synthetic child's."""
    ends: dict[str, list[datetime]] = {}
    for row in await connection.execute(select(agency_keys.c.agency, agency_keys.c.ends_at)):
        if row.ends_at > at:
            ends.setdefault(row.agency, []).append(row.ends_at)
    return [
        Listed(
            name=row.agency,
            sources=tuple(row.sources),
            types=tuple(row.types),
            authorities=tuple(row.authorities),
            added_at=row.added_at,
            last_seen_at=row.last_seen_at,
            key_ends=tuple(sorted(ends.get(row.agency, ()), reverse=True)),
            agreement=_agreement(row),
        )
        for row in await connection.execute(select(agencies).order_by(agencies.c.agency))
        if row.agency not in leave_out
    ]


async def keys_in_force(connection: AsyncConnection, *, at: datetime, mode: Mode = Mode.REHEARSAL) -> list[Key]:
    """Every key that is good at this instant, with whose it is: what a door needs to know.

    In a live house an agency without a sharing agreement in force is not `agreed`. The synthetic child's needs none:
    it tells of nobody.
    """
    held: dict[str, Agency] = {}
    keys = []
    for row in await connection.execute(
        select(agencies, agency_keys).join(agency_keys).where(agency_keys.c.ends_at > at)
    ):
        agreement = _agreement(row)
        shares = mode is Mode.LIVE and row.agency != PROBE
        agreed = not shares or (agreement is not None and agreement.covers(today(at)))
        whose = held.setdefault(row.agency, _agency(row, agreed=agreed))
        keys.append(Key(row.prefix, bytes(row.digest), row.ends_at, whose))
    return keys


async def seen(connection: AsyncConnection, times: dict[str, datetime]) -> None:
    """Write down when agencies last sent something. A door that comes late with an earlier time changes nothing."""
    for agency, at in sorted(times.items()):
        latest = func.greatest(agencies.c.last_seen_at, at)
        await connection.execute(update(agencies).where(agencies.c.agency == agency).values(last_seen_at=latest))


def _agreement(row: Any) -> Agreement | None:
    return Agreement(row.agreement, row.agreement_starts, row.agreement_ends) if row.agreement else None


def _agency(row: Any, *, agreed: bool) -> Agency:
    known = [name for name in row.types if name in EVENTS]  # a later version may have registered others
    return Agency(
        name=row.agency,
        sources=tuple(row.sources),
        types=expand(known),
        authorities=frozenset(row.authorities),
        last_seen_at=row.last_seen_at,
        agreed=agreed,
    )


async def hold(connection: AsyncConnection, agency: str) -> None:
    """Hold an agency until the transaction ends. Raises AgencyRefused if there is none."""
    await lock(connection, "agency", agency)
    found = await connection.execute(select(agencies.c.agency).where(agencies.c.agency == agency))
    if found.first() is None:
        raise AgencyRefused(f"There is no agency '{agency}': 'nightlight agencies list' names those there are.")


async def _live_keys(connection: AsyncConnection, agency: str, at: datetime) -> Sequence[Any]:
    """The newest first."""
    columns = select(agency_keys.c.prefix, agency_keys.c.ends_at)
    live = columns.where(agency_keys.c.agency == agency, agency_keys.c.ends_at > at)
    return (await connection.execute(live.order_by(agency_keys.c.made_at.desc(), agency_keys.c.ends_at.desc()))).all()


async def _make_key(
    connection: AsyncConnection, agency: str, at: datetime, random: Callable[[int], bytes] = os.urandom
) -> str:
    # A key that ended long ago may not keep its prefix from a new one.
    await connection.execute(delete(agency_keys).where(agency_keys.c.ends_at < at - LASTS))
    key = f"nl_{random(SECRET_BYTES).hex()}"
    row = {"prefix": key[:PREFIX], "agency": agency, "digest": digest(key), "made_at": at, "ends_at": at + LASTS}
    await connection.execute(insert(agency_keys).values(row))
    return key
