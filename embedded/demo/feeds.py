"""The made-up agencies: each posts to the gateway with its own key, and says that it is alive until it is silenced."""

import asyncio
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx2

from embedded.demo.cast import Child
from embedded.demo.scenes import FEEDS, Scene, event, heartbeat
from embedded.demo.seen import Sent
from schemas.base import utc_now
from schemas.wire import Sealer, event_key

BEATS_EVERY = 5.0
SILENT_AFTER = 3 * BEATS_EVERY
"""Seconds. A real feed's expected gap is hours, and set by a person; the demo's are short, so that a silence shows."""

PATIENCE = 10.0  # seconds: the gateway answers within five, whatever happens


class NotTaken(Exception):
    """The gateway did not take an event. The message is one sentence."""


class Feeds:
    """All of them. `client` is used for every request and closed by its owner."""

    def __init__(self, client: httpx2.AsyncClient, gateway: str, keys: Mapping[str, str], sealer: Sealer) -> None:
        self._client = client
        self._url = f"{gateway}/v1/events"
        self._keys = keys
        self._sealer = sealer
        self.silenced: set[str] = set()
        self.heard: dict[str, datetime] = {}

    async def tell(self, scene: Scene, child: Child) -> Sent:
        """Send one event about a child. Raises NotTaken."""
        id_, now = uuid.uuid4().hex[:12], utc_now()
        said = event(scene, child, id=id_, now=now)
        receipt = await self._post(scene.feed, said)
        return Sent(
            key=event_key(self._sealer, scene.feed, id_),
            kind=scene.kind,
            feed=scene.feed,
            child=child.label,
            child_id=child.id,
            occurred_at=datetime.fromisoformat(said["time"]),
            received_at=datetime.fromisoformat(receipt["received_at"]),
        )

    async def greet(self, *, seconds: float) -> str:
        """Say once that each is alive, until the gateway knows all their keys. Returns why it does not after so long, or nothing."""
        deadline = utc_now().timestamp() + seconds
        for feed in FEEDS:
            while True:
                try:
                    await self._post(feed, heartbeat(feed, id=uuid.uuid4().hex, now=utc_now()))
                    break
                except NotTaken as problem:
                    if utc_now().timestamp() > deadline:
                        return str(problem)
                await asyncio.sleep(0.1)
        return ""

    async def beat(self) -> None:
        """Say that each is alive, every few seconds, for ever."""
        while True:
            for feed in FEEDS.keys() - self.silenced:
                try:
                    await self._post(feed, heartbeat(feed, id=uuid.uuid4().hex, now=utc_now()))
                except NotTaken:  # the screen shows it as silence, which it is
                    continue
            await asyncio.sleep(BEATS_EVERY)

    def silent(self, feed: str, now: datetime) -> bool:
        """Has nothing come from it for longer than it should be?"""
        heard = self.heard.get(feed)
        return heard is None or (now - heard).total_seconds() > SILENT_AFTER

    async def _post(self, feed: str, said: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._keys[feed]}", "Content-Type": "application/cloudevents+json"}
        try:
            answer = await self._client.post(self._url, json=said, headers=headers, timeout=PATIENCE)
        except httpx2.HTTPError as problem:
            raise NotTaken(f"The gateway did not answer ({type(problem).__name__}).") from problem
        if answer.status_code != 202:
            raise NotTaken(f"The gateway answered {answer.status_code}: {answer.json().get('detail', '')}")
        receipt: dict[str, Any] = answer.json()["accepted"][0]
        self.heard[feed] = datetime.fromisoformat(receipt["received_at"])
        return receipt
