"""Not the same: a person has said that somebody is not this child, and nobody is asked again, or paged, for that pair.

The somebody is not watched, so nothing of them is kept but keyed hashes. The child's own marks are never among them: what
the two share does not tell them apart, and must not hide the child.
"""

import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import product

from sqlalchemy import BigInteger, Column, Table, Text, case, delete, select, update
from sqlalchemy import Sequence as Numbers
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.child import WatchedChild
from schemas.identifiers import postcode
from schemas.person import IDENTIFIERS, Person
from schemas.wire import Sealer
from store.columns import Instant, Words
from store.database import TABLES, lock

versions = Numbers("exclusions_versions", metadata=TABLES)

exclusions = Table(
    "exclusions",
    TABLES,
    Column("child", Text, primary_key=True),
    Column("mark", Text, primary_key=True),  # of somebody who is not that child
    Column(
        "unless", Words, nullable=False
    ),  # marks of the child's own identifiers: an event with one of them is not hidden
    Column("event_key", Text, nullable=False, index=True),  # which it was said about
    Column("version", BigInteger, nullable=False, unique=True),
    Column("excluded_at", Instant, nullable=False),
    Column("excluded_by", Text, nullable=False),
    Column("ended_at", Instant),  # the child has this mark now, or whoever said it has taken it back
)

DOMAIN = "pair"


@dataclass(frozen=True, slots=True)
class Pair:
    """One line of the list of pairs, as a worker follows it. `ended`: no longer true."""

    version: int
    child: str
    mark: str
    unless: frozenset[str]
    ended: bool


def marks(sealer: Sealer, person: Person) -> tuple[str, ...]:
    """What knows this person again: each usable identifier; the whole name with the birth date; and those with the postcode.

    A name alone, or a birth date alone, is many people's. Of an identity that is not reliable only identifiers count.
    """
    found: list[tuple[str, ...]] = list(_identifiers(person))
    if person.identity_reliable:
        found += _names([person.given_name], [person.family_name], person.date_of_birth, [person.postcode])
    return tuple(dict.fromkeys(sealer.mark(DOMAIN, *parts) for parts in found))


def marks_of_child(sealer: Sealer, child: WatchedChild) -> frozenset[str]:
    """Every mark that this child may be known by, under any alias, former name, postcode or identifier."""
    given = [child.given_name, *child.other_names, *child.former_given_names]
    family = [child.family_name, *child.previous_family_names, *child.former_family_names]
    places = [child.postcode, *child.former_postcodes]
    names = _names(given, family, child.date_of_birth, places)
    return frozenset(sealer.mark(DOMAIN, *parts) for parts in (*_identifiers(child), *child.former_identifiers, *names))


async def exclude(
    connection: AsyncConnection,
    sealer: Sealer,
    child: WatchedChild,
    person: Collection[str],
    *,
    event_key: str,
    who: str,
    at: datetime,
) -> int:
    """Remember that whoever has the marks `person` is not this child; returns how many of them tell the two apart.

    None do where the two share everything that was said: then nothing is remembered, and the next event is asked about again.
    """
    telling = sorted(set(person) - marks_of_child(sealer, child))
    if not telling:
        return 0
    await _hold(connection)
    said = {"event_key": event_key, "excluded_at": at, "excluded_by": who, "unless": _own(sealer, child)}
    new = insert(exclusions).values(version=versions.next_value())
    again = {name: new.excluded[name] for name in (*said, "version")}
    await connection.execute(
        new.on_conflict_do_update(index_elements=["child", "mark"], set_={**again, "ended_at": None}),
        [{"child": child.child_id, "mark": mark, **said} for mark in telling],
    )
    return len(telling)


async def take_back(connection: AsyncConnection, event_key: str, *, at: datetime) -> int:
    """What was said about this event was wrong: the pairs that were remembered for it are pairs no more. Returns how many."""
    await _hold(connection)
    mine = (exclusions.c.event_key == event_key) & exclusions.c.ended_at.is_(None)
    ended = update(exclusions).where(mine).values(ended_at=at, version=versions.next_value())
    return (await connection.execute(ended)).rowcount


async def follow_child(connection: AsyncConnection, sealer: Sealer, child: WatchedChild, *, at: datetime) -> None:
    """An entry has changed: a mark that is now the child's own tells nobody apart any more."""
    await _hold(connection)
    mine = (exclusions.c.child == child.child_id) & exclusions.c.ended_at.is_(None)
    shared = exclusions.c.mark.in_(sorted(marks_of_child(sealer, child)))
    now = {"unless": _own(sealer, child), "ended_at": case((shared, at)), "version": versions.next_value()}
    await connection.execute(update(exclusions).where(mine).values(**now))


async def having(connection: AsyncConnection, children: Collection[str]) -> set[str]:
    """Those of these children of whom somebody was said not to be."""
    found = select(exclusions.c.child).where(exclusions.c.child.in_(children) & exclusions.c.ended_at.is_(None))
    return set((await connection.scalars(found.distinct())).all())


async def forget_children(connection: AsyncConnection, children: Collection[str]) -> None:
    """With the entry go its pairs."""
    await connection.execute(delete(exclusions).where(exclusions.c.child.in_(children)))


async def since(connection: AsyncConnection, version: int) -> list[Pair]:
    """What has been said after `version`, in order; everything, for 0. What was erased with its child is not told."""
    newer = exclusions.c.version > version
    wanted = newer if version else newer & exclusions.c.ended_at.is_(None)
    rows = await connection.execute(select(exclusions).where(wanted).order_by(exclusions.c.version))
    return [Pair(row.version, row.child, row.mark, frozenset(row.unless), row.ended_at is not None) for row in rows]


async def _hold(connection: AsyncConnection) -> None:
    """Numbers are taken under this lock only: else a reader could step past a lower one not yet committed."""
    await lock(connection, "pairs", "list")


def _own(sealer: Sealer, child: WatchedChild) -> list[str]:
    return sorted(sealer.mark(DOMAIN, *parts) for parts in {*_identifiers(child), *child.former_identifiers})


def _identifiers(known: Person | WatchedChild) -> Iterator[tuple[str, str]]:
    for field, check in IDENTIFIERS.items():
        typed = getattr(known, field)
        if typed and (canonical := check(typed).canonical):
            yield field, canonical


def _names(
    given: Iterable[str | None], family: Iterable[str | None], born: date | None, places: Iterable[str | None]
) -> list[tuple[str, ...]]:
    """Whole names with the birth date, and those with each postcode. Nothing without a name or without a birth date."""
    if born is None:
        return []
    whole = {(_plain(one), _plain(other)) for one, other in product(given, family)}
    named = [("born", *name, born.isoformat()) for name in sorted(whole) if all(name)]
    here = sorted({found.canonical for place in places if place and (found := postcode(place)).canonical})
    return [*named, *[(*name, place) for name in named for place in here if place]]


def _plain(name: str | None) -> str:
    """Letters and figures alone, without accents, capitals or spaces: one name however it is typed."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", name or "").casefold() if sign.isalnum())
