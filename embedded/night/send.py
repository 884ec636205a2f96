"""Saying a night's events to a gateway, at any speed, as agencies would: what is not taken now is sent again."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2

from embedded.night.plan import Said
from schemas.london import today

AT_ONCE: Final = 50
TRIES: Final = 20
LONGEST_WAIT: Final = 10.0
AGAIN: Final = frozenset({429, 500, 502, 503, 504})


@dataclass
class Tally:
    """How it went so far. `seconds` holds how long each event took until it was taken, tries included."""

    planned: int
    sent: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    again: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def done(self) -> int:
        return self.sent.total() + self.refused.total()

    def quantile(self, share: float) -> float:
        """In milliseconds; 0 if nothing was taken."""
        return sorted(self.seconds)[int(share * (len(self.seconds) - 1))] * 1000 if self.seconds else 0.0


@dataclass(frozen=True)
class Sending:
    """Where to, as whom, how fast. `run` makes this night's ids its own: the same night may be played again."""

    url: str
    key: str = field(repr=False)
    source: str
    speed: float
    run: str


async def say(
    night: Iterable[Said], to: Sending, tally: Tally, *, told: Callable[[Tally], None], every: float = 2.0
) -> None:
    """Send everything in its time, and tell how it goes. Raises httpx2.HTTPError if nothing answers at the address."""
    headers = {"Authorization": f"Bearer {to.key}", "Content-Type": "application/cloudevents+json"}
    room = asyncio.Semaphore(AT_ONCE)
    async with httpx2.AsyncClient(base_url=to.url, headers=headers, timeout=15) as client:
        (await client.get("/healthz")).raise_for_status()
        began, dusk, last = time.monotonic(), datetime.now(UTC), time.monotonic()
        async with asyncio.TaskGroup() as group:
            for one in night:
                await asyncio.sleep(max(0.0, began + one.at / to.speed - time.monotonic()))
                await room.acquire()
                group.create_task(_one(client, one, to, dusk, tally, room))
                if time.monotonic() - last >= every:
                    last = time.monotonic()
                    told(tally)
    told(tally)


def event(one: Said, to: Sending, dusk: datetime) -> dict[str, Any]:
    """As the agency posts it."""
    at = dusk + timedelta(seconds=one.happened / to.speed)
    source = f"{to.source}/{one.feed}"
    return {
        "specversion": "1.0",
        "id": f"{to.run}-{one.id}",
        "source": source,
        "type": f"nightlight.{one.type}.v1",
        "time": at.isoformat(),
        "authority": one.authority,
        "data": {name: _filled(name, value, to, source, at) for name, value in one.data.items()},
    }


def _filled(name: str, value: Any, to: Sending, source: str, at: datetime) -> Any:
    if name == "of":
        return {"source": source, "id": f"{to.run}-{value}"}
    if name in ("custody_record", "attendance", "exclusion", "report"):
        return f"{to.run}-{value}"
    return {"NOW": at.isoformat(), "TODAY": str(today(at))}.get(value, value) if isinstance(value, str) else value


async def _one(
    client: httpx2.AsyncClient, one: Said, to: Sending, dusk: datetime, tally: Tally, room: asyncio.Semaphore
) -> None:
    began = time.monotonic()
    try:
        because = await _until_taken(client, event(one, to, dusk), tally)
    finally:
        room.release()
    if because:
        tally.refused[because] += 1
        return
    tally.sent[one.type] += 1
    tally.seconds.append(time.monotonic() - began)


async def _until_taken(client: httpx2.AsyncClient, said: dict[str, Any], tally: Tally) -> str | None:
    """None once it is taken; else why it never was."""
    because = ""
    for number in range(TRIES):
        try:
            answer = await client.post("/v1/events", json=said)
        except httpx2.TransportError as problem:
            because, wait = type(problem).__name__, min(0.1 * 2**number, LONGEST_WAIT)
        else:
            if answer.status_code == 202:
                return None
            because = f"{answer.status_code}"
            if answer.status_code not in AGAIN:
                return because
            wait = min(float(answer.headers.get("Retry-After", 1)), LONGEST_WAIT)
        tally.again += 1
        await asyncio.sleep(wait)
    return because
