"""What we found becomes a row with a deadline: each step is one transaction in PostgreSQL, and says how the event ended."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Protocol

from schemas.envelope import Mode
from schemas.moments import FollowedUp, Message, MomentFound, Outcome, ReviewAsked
from streams.clock import Clock
from streams.facts import decided


class Book(Protocol):
    """Where moments, reviews and pages are written.

    Each call is one transaction, and safe to repeat: the same message again gives the same outcome and no second row.
    Raises sqlalchemy's OperationalError or InterfaceError while the database is away.
    """

    async def open_or_join(self, found: MomentFound, *, at: datetime) -> Outcome: ...
    async def ask_review(self, asked: ReviewAsked, *, at: datetime) -> Outcome: ...
    async def follow_up(self, followed: FollowedUp, *, at: datetime) -> Outcome: ...


async def open_moment(found: MomentFound, *, book: Book, clock: Clock, lane: str) -> list[Message]:
    """Join the child's open moment or open one, with its page and first attempt."""
    return await _end(found, book.open_or_join(found, at=clock()) if _live(found) else None, clock, lane)


async def ask_review(asked: ReviewAsked, *, book: Book, clock: Clock, lane: str) -> list[Message]:
    """Put it before a person who decides."""
    return await _end(asked, book.ask_review(asked, at=clock()) if _live(asked) else None, clock, lane)


async def follow_up(followed: FollowedUp, *, book: Book, clock: Clock, lane: str) -> list[Message]:
    """Close, withdraw or annotate what it follows; held if that has not come yet."""
    return await _end(followed, book.follow_up(followed, at=clock()) if _live(followed) else None, clock, lane)


def _live(message: Message) -> bool:
    """An event in mode `test` has now gone the whole way, and this is where it ends: nothing written, nobody paged."""
    return message.fact.mode is Mode.LIVE


async def _end(message: Message, written: Awaitable[Outcome] | None, clock: Clock, lane: str) -> list[Message]:
    outcome = await written if written is not None else Outcome.TEST
    return [decided(message.fact, outcome, lane=lane, at=clock())]
