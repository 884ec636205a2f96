"""Being woken: PostgreSQL says when a page or an attempt has changed, on a connection kept for nothing else."""

import asyncio
import contextlib

import psycopg

from schemas.logs import logger
from store.database import libpq_url

CHANNEL = "nightlight_pages"
AGAIN_AFTER = 1.0


class Bell:
    """Rung by a notice, or by hand. A ring while nobody waits is not lost."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Until it is rung, but no longer than this."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), seconds)
        self._rung.clear()


async def listen(url: str, bell: Bell) -> None:
    """Ring for every notice, for ever. A lost connection is made again: meanwhile the pager's own tick has to do."""
    while True:
        try:
            await _listen_once(url, bell)
        except (psycopg.OperationalError, psycopg.InterfaceError) as problem:
            logger().warning("listening-interrupted", error=type(problem).__name__)
        await asyncio.sleep(AGAIN_AFTER)


async def _listen_once(url: str, bell: Bell) -> None:
    connection = await psycopg.AsyncConnection.connect(libpq_url(url), autocommit=True, connect_timeout=5)
    async with connection:
        await connection.execute(f"LISTEN {CHANNEL}")
        bell.ring()  # whatever was said before we listened
        async for _ in connection.notifies():
            bell.ring()
