"""PostgreSQL goes away and comes back: who asks first notices nothing, and who does not, once."""

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from store.database import connect
from tests.servers import libpq


async def ask(engine: AsyncEngine) -> int:
    async with engine.begin() as connection:
        return int(await connection.scalar(text("SELECT 1")) or 0)


def end_every_session(url: str) -> None:
    """As a restart does."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    with psycopg.connect(libpq(url), autocommit=True) as connection:
        connection.execute(f"{others} AND pid <> pg_backend_pid()".encode())


async def test_with_a_ping_a_restart_is_not_noticed(database_url: str) -> None:
    engine = connect(database_url)
    try:
        await ask(engine)
        end_every_session(database_url)

        assert await ask(engine) == 1
    finally:
        await engine.dispose()


async def test_without_a_ping_one_transaction_fails_and_then_all_go_on(database_url: str) -> None:
    engine = connect(database_url, ping=False)
    try:
        async with engine.connect() as one, engine.connect() as two:  # so that two stay in the pool
            await one.execute(text("SELECT 1"))
            await two.execute(text("SELECT 1"))
        end_every_session(database_url)

        with pytest.raises(OperationalError):
            await ask(engine)

        assert [await ask(engine) for _ in range(3)] == [1, 1, 1]
    finally:
        await engine.dispose()
