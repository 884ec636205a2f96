"""The gateway as tests see it: an app with a shelf in Kafka's place, two agencies, and one way to send."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from connectors.door import Door
from connectors.doorkeeper import Doorkeeper
from connectors.http import build
from connectors.publish import NotPublished
from connectors.visits.known import Visits
from schemas.envelope import Envelope
from schemas.events import EVENTS
from schemas.metrics import Metrics
from schemas.sealing import Keyring
from schemas.settings import Mode
from store.agencies import PREFIX, Key, digest
from store.database import connect
from store.rights import Agency, expand
from tests.events import cloud_event

NOW = datetime(2026, 11, 21, 2, 6, 30, tzinfo=UTC)
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
BINARY = "application/json"

MET = Agency(
    name="met-custody",
    sources=("met-custody", "/met-custody", "urn:nightlight:met-custody"),
    types=expand(EVENTS),
    authorities=frozenset({"*"}),
)
SCHOOL = Agency(
    name="hill-school",
    sources=("hill-school",),
    types=expand(["nightlight.exclusion.v1"]),
    authorities=frozenset({"E09000019"}),
)
MET_KEY = "nl_" + "a1" * 20
SCHOOL_KEY = "nl_" + "b2" * 20
ENDED_KEY = "nl_" + "c3" * 20


class Shelf:
    """In Kafka's place: remembers what was published, or is away."""

    def __init__(self) -> None:
        self.kept: list[Envelope] = []
        self.away = False

    async def publish(self, *envelopes: Envelope) -> None:
        if self.away:
            raise NotPublished("the shelf is away")
        self.kept += envelopes


class Gateway:
    """One gateway in this process, without a server: `await gateway.send(body)`."""

    def __init__(self, mode: Mode = Mode.REHEARSAL, sealer: Keyring | None = None) -> None:
        self.shelf = Shelf()
        self.ticks = 0.0
        self.registry = CollectorRegistry()
        self.metrics = Metrics.build(self.registry)
        self.now = NOW
        self.clock = lambda: self.now
        self.sealer = sealer or Keyring.make()
        self.doorkeeper = Doorkeeper(unreachable(), self.metrics, self.clock, lambda: self.ticks)
        self.doorkeeper.know([key_of(MET_KEY, MET), key_of(SCHOOL_KEY, SCHOOL), key_of(ENDED_KEY, MET, days=-1)])
        self.visits = Visits()
        self.app = build(
            Door(self.doorkeeper, self.shelf, self.metrics, self.clock, mode, self.sealer, self.visits),
            ready=always_ready,
            registry=self.registry,
        )

    async def send(
        self, body: Any, kind: str | None = STRUCTURED, key: str | None = MET_KEY, **headers: str
    ) -> httpx2.Response:
        """POST /v1/events. `body` is bytes, or is written as JSON; a header's `_` stands for `-`."""
        content = body if isinstance(body, (bytes, bytearray)) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if kind is not None:
            given["content-type"] = kind
        if key is not None:
            given["authorization"] = f"Bearer {key}"
        return await self.request("POST", "/v1/events", content=bytes(content), headers=given)

    async def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        async with in_process(self.app) as client:
            return await client.request(method, path, **options)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def in_process(app: FastAPI) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://gateway")


def key_of(key: str, agency: Agency, *, days: int = 1) -> Key:
    return Key(key[:PREFIX], digest(key), NOW + timedelta(days=days), agency)


def unreachable() -> AsyncEngine:
    """A database that nobody answers for."""
    return connect("postgresql://nobody@127.0.0.1:1/none")


async def always_ready() -> list[str]:
    return []


def arrest(**context: Any) -> dict[str, Any]:
    return cloud_event("nightlight.arrest.v1", **context)


def binary(event: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """The same event in binary mode: body and headers."""
    headers = {f"ce-{name}": percent(str(value)) for name, value in event.items() if name != "data"}
    return json.dumps(event.get("data", {})).encode(), headers


def percent(text: str) -> str:
    """As the HTTP binding writes a header: printable ASCII but the quote and the percent sign, the rest as %XX."""
    return "".join(
        char if "!" <= char <= "~" and char not in '"%' else "".join(f"%{byte:02X}" for byte in char.encode())
        for char in text
    )


def refused(response: httpx2.Response, status: int) -> dict[str, Any]:
    """The problem document of a refusal, after checking that it is one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:nightlight:problem:")
    assert problem["title"]
    assert problem["detail"]
    assert ("errors" in problem) == (status == 422)
    assert "Traceback" not in response.text
    return problem


def paths(problem: dict[str, Any]) -> list[str]:
    return [error["path"] for error in problem["errors"]]


def ids(envelopes: Iterable[Envelope]) -> list[str]:
    return [envelope.id for envelope in envelopes]
