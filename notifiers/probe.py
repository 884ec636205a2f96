"""The synthetic child's way, begun every minute: her event goes to the gateway like any agency's, with a key of its own."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.authorities import authorities
from schemas.base import Clock
from schemas.logs import logger
from schemas.probe import NAME, event
from store import agencies
from store.rights import ANYWHERE, AgencyRefused

EVERY: Final = timedelta(minutes=1)
COMES_WITHIN: Final = timedelta(minutes=3)
"""Since the last one that came through, or since the probing began: after this it is a finding."""
ANSWERS_WITHIN: Final = 6.0
"""Seconds: the gateway waits five for Kafka."""


class Probe:
    """Begins a round when one is due. `where` is the gateway's address."""

    def __init__(self, engine: AsyncEngine, where: str, clock: Clock, new_id: Callable[[], UUID] = uuid4) -> None:
        self._engine = engine
        self._where = where
        self._clock = clock
        self._new_id = new_id
        self._began = clock()
        self._last = clock()
        self._key: str | None = None

    def late(self, last_came: datetime | None) -> bool:
        """Whether the last round that came through is too long ago."""
        return max(self._began, last_came or self._began) < self._clock() - COMES_WITHIN

    async def begin_if_due(self) -> bool:
        """Tell of her, once a minute; whether the gateway has taken it. Raises SQLAlchemyError while there is no key yet."""
        if self._clock() < self._last + EVERY:
            return False
        self._last = self._clock()
        return await self.begin()

    async def begin(self) -> bool:
        """Tell of her now."""
        key = self._key or await self._make_key()
        body = _told(self._new_id(), self._clock())
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/cloudevents+json"}
        try:
            async with httpx2.AsyncClient(
                verify=authorities(), timeout=ANSWERS_WITHIN, follow_redirects=False, trust_env=False
            ) as client:
                answer = await client.post(f"{self._where}/v1/events", json=body, headers=headers)
        except httpx2.HTTPError as problem:
            logger().warning("probe-not-taken", error=type(problem).__name__)
            return False
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            self._key = None  # another pager has made a new one since: the next round does too
        if answer.status_code != httpx2.codes.ACCEPTED:
            logger().warning("probe-not-taken", status=answer.status_code)
        return bool(answer.status_code == httpx2.codes.ACCEPTED)

    async def _make_key(self) -> str:
        """A key that only this process knows, and that ends the one before it."""
        now, rights = self._clock(), {"types": ["arrest"], "authorities": [ANYWHERE]}
        try:
            async with self._engine.begin() as connection:
                self._key = await agencies.rotate(connection, NAME, at=now, who="auditor", now=True)
        except AgencyRefused:
            async with self._engine.begin() as connection:
                self._key = await agencies.add(connection, NAME, **rights, at=now, who="auditor")  # type: ignore[arg-type]
        return self._key


def _told(number: UUID, at: datetime) -> dict[str, Any]:
    told = event(number)
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": NAME,
        "type": told.type,
        "time": at.isoformat(),
        "data": told.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
    }
