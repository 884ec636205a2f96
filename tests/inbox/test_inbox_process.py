"""`nightlight inbox` as an operator runs it, on a broker and a database: killed in the middle of a file, nothing is lost or double."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from kafka import KafkaConsumer

from connectors.topics import create
from embedded.server import choose_port
from schemas.base import utc_now
from schemas.sealing import Keyring, save
from schemas.settings import Settings
from store import agencies
from store.database import connect
from tests.house import eventually, own_environment, run
from tests.inbox.cast import arrest_row, table
from tests.web import WEB

ROWS = 6000


class Process:
    """One inbox process, begun again as often as it is asked."""

    def __init__(self, home: Path, settings: dict[str, str]) -> None:
        self.port = choose_port("the inbox", 0)
        self.folder = home / "inbox"
        save(Keyring.make(), home / "keyring.json")
        self.environment = own_environment(home, {**settings, "NIGHTLIGHT_LISTEN": f"127.0.0.1:{self.port}"})
        self.log = home / "log"
        self.running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "nightlight", "inbox"]
            self.running = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        eventually(self.ready, within=60)

    def ready(self) -> bool:
        with contextlib.suppress(httpx2.TransportError):
            return WEB.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).is_success
        return False

    def accepted(self) -> float:
        """How many events it has counted since it began."""
        lines = WEB.get(f"http://127.0.0.1:{self.port}/metrics", timeout=5).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("nightlight_events_accepted_total{"))

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.running is not None:
            self.running.send_signal(number)
            self.running.wait(timeout=15)
            self.running = None


@pytest.fixture
def process(tmp_path: Path, tansu: str, database_url: str) -> Iterator[Process]:
    create(Settings(kafka=tansu, kafka_partitions=4))
    made = Process(tmp_path, {"NIGHTLIGHT_KAFKA": tansu, "NIGHTLIGHT_DATABASE_URL": database_url})
    yield made
    made.stop(signal.SIGKILL)


async def add_agency(database_url: str, name: str) -> None:
    engine = connect(database_url)
    async with engine.begin() as connection:
        await agencies.add(connection, name, types=["arrest"], authorities=["*"], at=utc_now(), who="test")
    await engine.dispose()


def ids_in_kafka(broker: str, source: str) -> list[str]:
    """The id of every arrest of this source that the broker holds."""
    consumer = KafkaConsumer(
        "nightlight.events.arrests", bootstrap_servers=broker, auto_offset_reset="earliest", consumer_timeout_ms=4000
    )
    headers = [dict(record.headers) for record in consumer]
    consumer.close()
    return [each["ce_id"].decode() for each in headers if each["ce_source"] == source.encode()]


async def test_killed_in_the_middle_of_a_file_it_takes_the_rest_after_its_next_start(
    process: Process, tansu: str, database_url: str, unique: str
) -> None:
    await add_agency(database_url, unique)
    process.start()
    draft = process.folder / unique / "night.csv.part"
    draft.parent.mkdir()
    draft.write_text(table([*(arrest_row(number) for number in range(ROWS)), arrest_row(1, suite="")]))
    file = draft.rename(draft.with_name("night.csv"))

    eventually(lambda: process.accepted() >= 500, within=60, every=0.02)
    process.stop(signal.SIGKILL)
    still_there = file.exists()
    process.start()
    eventually(lambda: not file.exists(), within=90)

    process.stop()
    ids = ids_in_kafka(tansu, unique)
    summary = json.loads(file.with_name("night.summary.json").read_text())
    assert still_there
    assert len(set(ids)) == ROWS
    assert (summary["taken"], summary["refused"]) == (ROWS, 1)
    assert sorted(path.name for path in file.parent.iterdir()) == ["night.rejected.csv", "night.summary.json"]
    assert "Lampwick" not in process.log.read_text()


async def test_a_file_dropped_on_its_own_is_taken_within_seconds_and_forgotten(
    process: Process, tansu: str, database_url: str, unique: str
) -> None:
    await add_agency(database_url, unique)
    process.start()

    (process.folder / "night.csv").write_text(table([arrest_row(1, id="b-1", source=unique)]))
    eventually((process.folder / "night.summary.json").exists, within=20)

    process.stop()
    assert ids_in_kafka(tansu, unique) == ["b-1"]
    assert not (process.folder / "night.csv").exists()
    assert process.folder.stat().st_mode & 0o77 == 0


def test_without_a_broker_named_it_ends_with_one_sentence(tmp_path: Path) -> None:
    refused = run("inbox", environment=own_environment(tmp_path))

    assert refused.returncode == 1
    assert refused.stderr.startswith("NIGHTLIGHT_KAFKA is not set")
    assert os.linesep not in refused.stderr.strip()
