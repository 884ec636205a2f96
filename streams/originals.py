"""The event that a change of identity is about: its kind of place and its details, so that a text says the right place."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.base import Clock
from schemas.envelope import Envelope
from schemas.events import EVENT_TOPICS, AboutPerson, IdentityChanged
from schemas.kinds import BY_TYPE
from schemas.logs import logger
from schemas.moments import Fact
from schemas.sealing import SealBroken
from schemas.settings import Settings
from schemas.wire import Sealer, event_key
from store import rematching
from streams.facts import fact_of
from streams.incoming import Incoming, Unreadable
from streams.window import AWAY, Window, open_window

BACK = (1_000, 20_000, None)
"""Events of each partition that are looked through, newest first, and then all: fingerprints are back within hours."""

SECONDS = 8.0
"""A step has twenty, and a page that says "an agency" is better than none."""

AT_LEAST = timedelta(hours=2)
"""An agency that corrects who somebody is has them in mind now, however long ago it began."""

Open = Callable[[], AbstractAsyncContextManager[Window]]


class Originals:
    """Looks in PostgreSQL, where an event lies that was somebody's, and then in the retained window, where every event lies."""

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        sealer: Sealer,
        clock: Clock,
        *,
        seconds: float = SECONDS,
        window: Open | None = None,
    ) -> None:
        self._open: Open = window or partial(open_window, settings)
        self._engine = engine
        self._sealer = sealer
        self._clock = clock
        self._seconds = seconds

    async def told(self, fact: Fact) -> tuple[Fact, datetime | None]:
        """The fact of a change of identity, with the kind, the place and the subject of what it corrects, and until when the
        window lasts that began with it; or as it is, and None, if nobody knows what that was any more.

        Raises sqlalchemy's OperationalError or InterfaceError while the database is away; Kafka being away is "not known".
        """
        of = fact.details["of"]
        original = await self._on_file(of["source"], of["id"]) or await self._in_kafka(of["source"], of["id"])
        if original is None:
            logger().warning("original-not-found", event_key=fact.event_key)
            return fact, None
        about = original.model_dump(include={"subject_key", "type", "occurred_at"})
        whole = {**about, "details": {**original.details, "of": of}}
        until = max(original.received_at + BY_TYPE[original.type].window, self._clock() + AT_LEAST)
        return fact.model_copy(update=whole), until

    async def _on_file(self, source: str, id_: str) -> Fact | None:
        async with self._engine.connect() as connection:
            found = await rematching.original(connection, self._sealer, event_key(self._sealer, source, id_))
        return found if found is not None and found.type in BY_TYPE and found.type != IdentityChanged.type else None

    async def _in_kafka(self, source: str, id_: str) -> Fact | None:
        try:
            async with asyncio.timeout(self._seconds), self._open() as window:
                for _ in range(5):  # a correction of a correction
                    envelope = await self._search(window, source, id_)
                    if envelope is None or not isinstance(envelope.event, AboutPerson):
                        return None
                    if not isinstance(envelope.event, IdentityChanged):
                        return fact_of(envelope, sealer=self._sealer, at=self._clock())
                    source, id_ = envelope.event.of.source, envelope.event.of.id
        except AWAY as problem:
            logger().warning("original-not-looked-for", error=type(problem).__name__)
        return None

    async def _search(self, window: Window, source: str, id_: str) -> Envelope | None:
        wanted = (source.encode(), id_.encode())
        end = await window.end()
        for count in BACK:
            start = await window.back(end, count)
            async for batch in window.records(start, end):
                for letter in batch:
                    if (letter.headers.get("ce_source"), letter.headers.get("ce_id")) == wanted:
                        return self._read(letter)
            end = start
        return None

    def _read(self, letter: Incoming) -> Envelope | None:
        try:
            said = letter.read(self._sealer)
        except (SealBroken, Unreadable):
            return None
        return said if isinstance(said, Envelope) and letter.topic in EVENT_TOPICS else None
