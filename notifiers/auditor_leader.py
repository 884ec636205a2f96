"""Which pager audits: the one that holds an advisory lock of PostgreSQL. The others stand by, and one of them takes over when
it goes, however it goes: the lock lives as long as its connection."""

import psycopg

from schemas.logs import logger
from store.database import libpq_url

_TAKE = "SELECT pg_try_advisory_lock(hashtextextended('auditor/leader', 0))"


class Leader:
    """Holds a connection for nothing else. Behind a pooler that shares connections between transactions this does not hold:
    give the pager a direct one."""

    def __init__(self, url: str) -> None:
        self._url = libpq_url(url)
        self._connection: psycopg.AsyncConnection[tuple[object, ...]] | None = None
        self._leads = False

    async def leads(self) -> bool:
        """Whether this process audits now. Never raises: without the database nobody does."""
        try:
            connection = await self._connected()
            row = await (await connection.execute("SELECT true" if self._leads else _TAKE)).fetchone()
        except (psycopg.Error, OSError) as problem:
            logger().warning("auditor-without-database", error=type(problem).__name__)
            await self.close()
            return False
        taken = bool(row and row[0])
        if taken and not self._leads:
            logger().info("auditor-leads")
        self._leads = taken
        return taken

    async def close(self) -> None:
        """Let somebody else lead."""
        connection, self._connection, self._leads = self._connection, None, False
        if connection is not None:
            await connection.close()

    async def _connected(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        if self._connection is None or self._connection.closed:
            self._leads = False
            self._connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, connect_timeout=5)
        return self._connection
