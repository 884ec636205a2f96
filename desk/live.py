"""Tells open duty desks that something has changed. The stream says when, and never what."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime

import psycopg

from desk.tools import Clock
from desk.words import clock as clock_time
from schemas.logs import logger
from store.database import libpq_url

SPEAKS_EVERY = 1.0  # seconds: a desk that hears nothing for five says that it is not live
REFRESHED_EVERY = 15  # ticks: what has no notice (a shift, a feed) is shown within this time
MANY_AT_ONCE = 0.1  # one transaction gives several notices
CHANNEL = "nightlight_pages"


class Live:
    """One ear at PostgreSQL for every desk that is open. `version` grows with each notice."""

    def __init__(self) -> None:
        self.version = 0
        self._listening = False
        self._closing = False
        self._changed = asyncio.Event()

    def change(self) -> None:
        """Something has changed."""
        self.version += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def close(self) -> None:
        """End every stream, so that the process can stop."""
        self._closing = True
        self.change()

    async def follow(self, database_url: str) -> None:
        """Listen until cancelled. While PostgreSQL does not answer the streams are silent, and the desks say so."""
        while True:
            try:
                await self._listen(libpq_url(database_url))
            except (psycopg.Error, OSError, TimeoutError) as problem:
                logger().warning("desk-not-live", error=type(problem).__name__)
            self._listening = False
            await asyncio.sleep(1)

    async def _listen(self, conninfo: str) -> None:
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True, connect_timeout=5) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self._listening = True
            self.change()  # whatever happened while nobody listened
            while True:
                async for _ in connection.notifies(timeout=2, stop_after=1):
                    self.change()
                # A connection that has died without a word is found out here.
                async with asyncio.timeout(2):
                    await connection.execute("SELECT 1")

    async def stream(self, until: datetime, now: Clock) -> AsyncIterator[str]:
        """Server-sent events for one desk: `tick` each second and at each change, `end` when its session has ended."""
        yield "retry: 1000\n\n"
        spoken = 0
        while not self._closing:
            at, seen = now(), self.version
            if at >= until:
                yield "event: end\ndata: {}\n\n"
                return
            if self._listening:
                version = f"{seen}.{spoken // REFRESHED_EVERY}"
                tick = {"version": version, "now": at.timestamp(), "at": clock_time(at, at, seconds=True)}
                yield f"event: tick\ndata: {json.dumps(tick)}\n\n"
                spoken += 1
            await self._wait(seen)

    async def _wait(self, seen: int) -> None:
        """Until something has changed since `seen`, or it is time to speak again."""
        try:
            async with asyncio.timeout(SPEAKS_EVERY):
                while self.version == seen:
                    await self._changed.wait()
            await asyncio.sleep(MANY_AT_ONCE)
        except TimeoutError:
            return
