"""What is remembered of visits goes to PostgreSQL and comes back: behind the answers, and never in their way."""

import asyncio
import contextlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from connectors.visits import known as states
from connectors.visits.known import Known, Visits
from schemas.base import Clock
from schemas.logs import logger
from schemas.wire import Sealer
from store import visits as store

WRITE_SECONDS: Final = 1
FORGET_SECONDS: Final = 600
OVERLAP: Final = timedelta(seconds=10)
"""Read again, because a transaction that began earlier may end later."""

MOST_AT_ONCE: Final = 200
"""Visits that are sealed and written, or opened and learnt, before answers have their turn: some 6 ms."""


class Memory:
    """Reads once at the start, then writes what is new each second and reads what another process has written."""

    def __init__(
        self, visits: Visits, engine: AsyncEngine, sealer: Sealer, clock: Clock, *, name: str | None = None
    ) -> None:
        self._visits = visits
        self._engine = engine
        self._sealer = sealer
        self._clock = clock
        self._name = name or secrets.token_hex(8)  # of this process, as the writer of what it has written
        self._read_to: datetime | None = None
        self._had: dict[str, datetime] = {}  # what was read within the overlap, and when that was written

    async def keep(self) -> None:
        """Read and write each second, until cancelled. While PostgreSQL is away nothing is lost but what a restart forgets."""
        away = False
        forgot = -float("inf")
        while True:
            try:
                await self.read()
                await self.write()
                if (now := asyncio.get_running_loop().time()) - forgot >= FORGET_SECONDS:
                    await self.forget()
                    forgot = now
                away = False
            except (SQLAlchemyError, OSError) as problem:
                if not away:
                    logger().warning("visits-not-kept", error=type(problem).__name__)
                away = True
            await asyncio.sleep(WRITE_SECONDS)

    async def read(self) -> None:
        """Learn what others have written since the last time: another process, or this one before its restart."""
        heard = self._clock() - store.KEPT
        written = self._read_to - OVERLAP if self._read_to else None
        async with self._engine.connect() as connection:
            begun = await store.clock(connection)
            rows = store.since(connection, self._sealer, heard=heard, reader=self._name, written=written, had=self._had)
            async for visit, state, at in rows:
                self._had[visit] = at
                with contextlib.suppress(ValueError, KeyError, TypeError):  # of a later version
                    self._visits.learn(states.read(state))
                if len(self._had) % MOST_AT_ONCE == 0:
                    await asyncio.sleep(0)
        self._read_to = begun
        self._had = {visit: at for visit, at in self._had.items() if at >= begun - OVERLAP}

    async def write(self) -> None:
        """Write down what is new until now."""
        new = list(self._visits.unwritten.items())
        for start in range(0, len(new), MOST_AT_ONCE):
            await self._write(dict(new[start : start + MOST_AT_ONCE]))

    async def _write(self, taken: dict[str, Known]) -> None:
        async with self._engine.begin() as connection:
            rows = [
                (self._sealer.mark("hl7/visit", key), states.written(known), known.heard_at)
                for key, known in taken.items()
            ]
            await store.write(connection, self._sealer, rows, writer=self._name)
        for key, known in taken.items():
            if self._visits.unwritten.get(key) is known:
                del self._visits.unwritten[key]

    async def forget(self) -> None:
        now = self._clock()
        self._visits.forget(now - store.KEPT)
        async with self._engine.begin() as connection:
            await store.forget(connection, at=now)
