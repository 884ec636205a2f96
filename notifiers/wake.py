"""Being woken: PostgreSQL says when a page or an attempt has changed, on a connection kept for nothing else."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import psycopg

from schemas.logs import logger
from store.database import libpq_url

CHANNEL = "nightlight_pages"
DUE = "due"
"""What the notice of a new attempt says. Every other one says nothing."""
AGAIN_AFTER = 1.0


class Bell:
    """Rung by a notice, or by hand. A ring while nobody waits is not lost, and many are one."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Until it is rung, but no longer than this."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), seconds)
        self._rung.clear()


@dataclass(frozen=True, slots=True)
class Bells:
    """`due`: there may be something to send. `heard`: something else has changed, and a page may have to move on."""

    due: Bell = field(default_factory=Bell)
    heard: Bell = field(default_factory=Bell)

    def ring(self) -> None:
        self.due.ring()
        self.heard.ring()


async def listen(url: str, bells: Bells) -> None:
    """Ring for every notice, for ever. A lost connection is made again: meanwhile the pager's own tick has to do."""
    while True:
        try:
            await _listen_once(url, bells)
        except (psycopg.OperationalError, psycopg.InterfaceError) as problem:
            logger().warning("listening-interrupted", error=type(problem).__name__)
        await asyncio.sleep(AGAIN_AFTER)


async def _listen_once(url: str, bells: Bells) -> None:
    connection = await psycopg.AsyncConnection.connect(libpq_url(url), autocommit=True, connect_timeout=5)
    async with connection:
        await connection.execute(f"LISTEN {CHANNEL}")
        bells.ring()  # whatever was said before we listened
        async for notice in connection.notifies():
            bell = bells.due if notice.payload == DUE else bells.heard
            bell.ring()
