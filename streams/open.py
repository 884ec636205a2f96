"""What we found becomes a row with a deadline: each step is one transaction in PostgreSQL, and says how the event ended."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Protocol, TypeVar

from schemas.base import Clock
from schemas.envelope import Mode
from schemas.events import IdentityChanged
from schemas.moments import AboutFact, Ended, Fact, FollowedUp, MomentFound, Outcome, ReviewAsked
from streams.facts import Result


class Book(Protocol):
    """Where moments, reviews and pages are written.

    Each call is one transaction, and safe to repeat: the same message again gives the same outcome and no second row.
    Raises sqlalchemy's OperationalError or InterfaceError while the database is away.
    """

    async def open_or_join(self, found: MomentFound, *, at: datetime) -> Outcome: ...
    async def ask_review(self, asked: ReviewAsked, *, at: datetime) -> Outcome: ...
    async def follow_up(self, followed: FollowedUp, *, at: datetime) -> Outcome: ...


class Originals(Protocol):
    """Where the event lies that a change of identity is about."""

    async def told(self, fact: Fact) -> tuple[Fact, datetime | None]:
        """The fact with the original's kind and place, and until when its window lasts; as it is, and None, if it is not found."""


Asked = TypeVar("Asked", MomentFound, ReviewAsked)


async def open_moment(found: MomentFound, *, book: Book, originals: Originals, clock: Clock) -> list[Result]:
    """Join the child's open moment or open one, with its page and first attempt."""
    placed = await _placed(found, originals)
    return await _end(found, book.open_or_join(placed, at=clock()) if _live(found) else None)


async def ask_review(asked: ReviewAsked, *, book: Book, originals: Originals, clock: Clock) -> list[Result]:
    """Put it before a person who decides."""
    placed = await _placed(asked, originals)
    return await _end(asked, book.ask_review(placed, at=clock()) if _live(asked) else None)


async def follow_up(followed: FollowedUp, *, book: Book, clock: Clock) -> list[Result]:
    """Close, withdraw or annotate what it follows; held if that has not come yet."""
    return await _end(followed, book.follow_up(followed, at=clock()) if _live(followed) else None)


async def _placed(message: Asked, originals: Originals) -> Asked:
    """A change of identity says who, and not where: that was said by the event that it corrects."""
    if message.fact.type != IdentityChanged.type or not _live(message):
        return message
    fact, until = await originals.told(message.fact)
    return message.model_copy(update={"fact": fact, "until": until})


def _live(message: AboutFact) -> bool:
    """An event in mode `test` has now gone the whole way, and this is where it ends: nothing written, nobody paged."""
    return message.fact.mode is Mode.LIVE


async def _end(message: AboutFact, written: Awaitable[Outcome] | None) -> list[Result]:
    outcome = await written if written is not None else Outcome.TEST
    return [Ended(event_key=message.event_key, type=message.fact.type, outcome=outcome)]
