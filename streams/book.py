"""The steps' way to PostgreSQL: one transaction to a call, and one name for every way in which the database can be away."""

import asyncio
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.moments import FollowedUp, MomentFound, Outcome, ReviewAsked
from schemas.wire import Sealer
from store import following, opening, reviews
from store.dead_letters import dead_letters
from streams.loop import DatabaseAway
from streams.pointers import Pointer

AWAY = (OperationalError, InterfaceError, PoolTimeoutError, OSError)
"""Not reached, cut off, or out of connections, deadlocks included: the same message again may well go through."""

ANSWERS_WITHIN = 5.0


class PostgresBook:
    """Moments, reviews and follow-ups as rows (`streams.open.Book`)."""

    def __init__(self, engine: AsyncEngine, sealer: Sealer) -> None:
        self._engine = engine
        self._sealer = sealer

    async def open_or_join(self, found: MomentFound, *, at: datetime) -> Outcome:
        async with self._engine.begin() as connection:
            return await opening.open_or_join(connection, self._sealer, found, at=at)

    async def ask_review(self, asked: ReviewAsked, *, at: datetime) -> Outcome:
        async with self._engine.begin() as connection:
            return await reviews.ask_review(connection, self._sealer, asked, at=at)

    async def follow_up(self, followed: FollowedUp, *, at: datetime) -> Outcome:
        async with self._engine.begin() as connection:
            return await following.follow_up(connection, self._sealer, followed, at=at)


class PostgresShelf:
    """Pointers that Kafka would not take (`streams.loop.Shelf`)."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def keep(self, pointer: Pointer) -> None:
        try:
            async with self._engine.begin() as connection:
                await connection.execute(insert(dead_letters).values(pointer.model_dump()).on_conflict_do_nothing())
        except SQLAlchemyError as problem:
            raise DatabaseAway(type(problem).__name__) from problem

    async def answers(self) -> bool:
        try:
            async with asyncio.timeout(ANSWERS_WITHIN), self._engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError, TimeoutError):
            return False
        return True
