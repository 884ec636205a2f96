"""The gateway's own page of the contract: complete, honest, and tried against a running gateway from outside."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from connectors.door import Door
from connectors.http import build, describe
from connectors.publish import Publisher
from connectors.topics import create
from embedded.server import choose_port
from schemas.events import EVENTS
from schemas.settings import Settings
from store.rights import Agency
from tests.events import DATA, PERSON, cloud_event
from tests.gateway import MET, MET_KEY, STRUCTURED, Gateway, always_ready, arrest, key_of

SEED = "20261121"
# Times that an event can have: Schemathesis would spread them over ten thousand years. And no binary mode, of which
# OpenAPI cannot say that its headers go with one content type alone: tests/test_cloudevents.py has that one.
HOOKS = """
import schemathesis
from datetime import datetime, UTC
from hypothesis import strategies as st
times = st.datetimes(datetime(1900, 1, 1), datetime(2999, 12, 30), timezones=st.just(UTC))
schemathesis.openapi.format("date-time", times.map(datetime.isoformat))

@schemathesis.hook
def filter_case(context, case):
    return case.media_type != "application/json"
"""


class Trusted(Agency):
    """May say whatever it likes: else nothing of what Schemathesis makes up would come further than its source."""

    def owns(self, source: str) -> bool:  # noqa: ARG002
        return True


@pytest.fixture
def served() -> Iterator[tuple[Gateway, str]]:
    gateway = Gateway()
    trusted = Trusted("trusted", (), MET.types, MET.authorities)
    gateway.doorkeeper.know([key_of(MET_KEY, trusted)])
    with serving(gateway.app) as address:
        yield gateway, address


class serving:  # noqa: N801 - it reads as a verb: with serving(app) as address
    """Serve an app on a free port while the block runs."""

    def __init__(self, app: FastAPI) -> None:
        self.port = choose_port("gateway", 0)
        config = uvicorn.Config(app, port=self.port, log_config=None, access_log=False, server_header=False)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)

    def __enter__(self) -> str:
        self.thread.start()
        while not self.server.started:
            threading.Event().wait(0.02)
        return f"http://127.0.0.1:{self.port}"

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(5)


def document() -> dict[str, Any]:
    described: dict[str, Any] = Gateway().app.openapi()
    return described


def conforms(value: Any, name: str) -> bool:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}
    return jsonschema.Draft202012Validator(schema).is_valid(value)


def test_it_says_every_content_type_every_answer_and_the_key() -> None:
    operation = document()["paths"]["/v1/events"]["post"]

    assert set(operation["requestBody"]["content"]) == {
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "application/json",
    }
    assert set(operation["responses"]) == {*map(str, (202, 400, 401, 403, 413, 415, 422, 429, 503))}
    assert operation["security"] == [{"agency-key": []}]
    assert document()["components"]["securitySchemes"]["agency-key"]["scheme"] == "bearer"
    for status, answer in operation["responses"].items():
        assert list(answer["content"]) == ["application/json" if status == "202" else "application/problem+json"]
        assert ("Retry-After" in answer.get("headers", {})) == (status in {"429", "503"})


def test_every_reference_leads_somewhere() -> None:
    described = document()
    references = {line.split('"')[3] for line in json.dumps(described, indent=0).splitlines() if '"$ref"' in line}

    assert references
    assert not [name for name in references if name.rpartition("/")[2] not in described["components"]["schemas"]]


def test_it_can_be_written_down_without_serving_and_is_the_same() -> None:
    assert describe(CollectorRegistry()) == document()


@pytest.mark.parametrize("kind", sorted(DATA))
def test_a_good_event_of_every_type_is_good_by_the_document(kind: str) -> None:
    assert conforms(cloud_event(kind, authority="E09000019", mode="test"), "Event")
    assert conforms(cloud_event(kind), f"{EVENTS[kind].__name__}Event")


@pytest.mark.parametrize(
    "spoilt",
    [
        {"subject": "somebody"},
        {"specversion": "0.3"},
        {"id": ""},
        {"type": "nightlight.arrest.v2"},
        {"data": {}},
        {"data": {**DATA["nightlight.arrest.v1"], "person": {}}},
        {"data": {**DATA["nightlight.arrest.v1"], "person": {"family_name": "Lampwick"}}},
        {"data": {**DATA["nightlight.arrest.v1"], "person": {**PERSON, "shoe_size": 40}}},
        {"Subject": "somebody"},
    ],
)
async def test_what_the_gateway_refuses_the_document_refuses_too(spoilt: dict[str, Any]) -> None:
    event = arrest() | spoilt

    assert not conforms(event, "Event")
    assert (await Gateway().send(event)).status_code == 422


async def test_answers_are_as_the_document_says() -> None:
    accepted = await Gateway().send(arrest())
    problem = await Gateway().send({})

    assert conforms(accepted.json(), "Accepted")
    assert conforms(problem.json(), "Problem")


def test_schemathesis_finds_nothing_against_the_running_gateway(served: tuple[Gateway, str], tmp_path: Path) -> None:
    gateway, address = served

    said = try_out(address, tmp_path, phases="examples,coverage,fuzzing", examples=60, seconds=30)

    assert said.returncode == 0, said.stdout[-6000:]
    assert gateway.shelf.kept  # it was not only refused


def test_schemathesis_finds_no_answer_of_the_fhir_door_that_the_document_does_not_have(
    served: tuple[Gateway, str], tmp_path: Path
) -> None:
    """What a message must hold beyond its shape, references that lead somewhere, JSON Schema cannot say: so not whether it is taken."""
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    only = ["--include-path-regex", "^/fhir/", "--checks", checks]

    said = try_out(served[1], tmp_path, phases="coverage,fuzzing", examples=40, seconds=20, only=only)

    assert said.returncode == 0, said.stdout[-6000:]


async def test_schemathesis_finds_nothing_with_a_real_broker_behind_it(tansu: str, tmp_path: Path) -> None:
    gateway = Gateway()
    settings = Settings(kafka=tansu, kafka_partitions=4)
    create(settings)
    publisher = Publisher(settings, gateway.sealer)
    door = Door(gateway.doorkeeper, publisher, gateway.metrics, gateway.clock, settings.mode, gateway.sealer)

    with serving(build(door, ready=always_ready, registry=gateway.registry)) as address:
        async with httpx2.AsyncClient(base_url=address) as client:
            headers = {"authorization": f"Bearer {MET_KEY}", "content-type": STRUCTURED}
            first = await client.post("/v1/events", json=arrest(), headers=headers)
        said = await asyncio.to_thread(try_out, address, tmp_path, phases="examples,coverage", examples=10, seconds=15)

    await publisher.close()
    assert first.status_code == 202
    assert said.returncode == 0, said.stdout[-6000:]


NOT_FHIR = ("--exclude-path-regex", "^/fhir/.process")


def try_out(
    address: str, home: Path, *, phases: str, examples: int, seconds: int, only: Sequence[str] = NOT_FHIR
) -> subprocess.CompletedProcess[str]:
    """Schemathesis from outside, in a process of its own, with a fixed seed and so many seconds of it at most."""
    hooks = home / "event_times.py"
    hooks.write_text(HOOKS)
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json", "--phases", phases]
    command += ["--seed", SEED, "--max-examples", str(examples), "--max-time", str(seconds), "--no-color"]
    command += ["-H", f"Authorization: Bearer {MET_KEY}", "--generation-database", "none", *only]
    return subprocess.run(
        command,
        cwd=home,
        env={"SCHEMATHESIS_HOOKS": "event_times", "PYTHONPATH": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
