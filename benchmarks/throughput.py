"""Events a second through one worker, against a bare Faust agent that only opens them and acknowledges, on the same broker.

With nobody on the list, which is the worker's own cost, and with a large borough's list, where the matcher has somebody
to compare. Beside the wall clock the processor time of each event: the one to believe where the machine is shared.
"""

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import aiokafka
import psycopg

from benchmarks import register
from benchmarks.rooms import Rooms, processor_seconds, rooms, worker
from schemas.base import utc_now
from schemas.envelope import Envelope
from schemas.events import ARRESTS, ArrestReported
from schemas.person import Person
from schemas.sealing import KeyringFile
from schemas.wire import event_record
from store.database import libpq_url
from tests.house import ROOT

LISTED = 34_000
EVENTS = 20_000
GOAL = 0.7
TURNS = 3  # ours and the bare one in turn: the machine is shared, and only the ratio is to be believed


@dataclass(frozen=True)
class Pace:
    """Events a second by the wall clock, and microseconds of processor time for each."""

    rate: float
    processor_us: float


def figures() -> Iterator[dict[str, Any]]:
    """Ours, the bare one's, for each turn and list; then the median ratios of each list, by the wall clock and by the processor."""
    with tempfile.TemporaryDirectory() as directory, rooms(Path(directory)) as made:
        keyring = KeyringFile(Path(directory) / "keyring.json")
        turn = 0
        for listed in (0, LISTED):
            if listed:
                made.list_children(listed)
                _let_it_look_back(made)
            pairs = []
            for _ in range(TURNS):
                asyncio.run(_fill(made.kafka, keyring, turn))
                turn += 1
                pairs.append((_ours(made), _bare(made, turn * EVENTS, fresh=turn)))
                on = {"broker": "Apache Kafka" if made.real else "embedded", "listed": listed, "turn": turn}
                for name, pace in zip(("through one worker", "through a bare Faust agent"), pairs[-1], strict=True):
                    figure = {"rate": round(pace.rate), "processor_us": round(pace.processor_us)}
                    yield {"figure": f"events a second {name}", **figure, **on}
            yield {
                "figure": "ours over the bare one",
                "listed": listed,
                "ratio": round(median(ours.rate / bare.rate for ours, bare in pairs), 2),
                "processor_ratio": round(median(bare.processor_us / ours.processor_us for ours, bare in pairs), 2),
                "goal": GOAL,
            }


async def _fill(kafka: str, keyring: KeyringFile, turn: int) -> None:
    """Events about people who are not watched: what nearly all events are."""
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=5)
    await producer.start()
    try:
        now = utc_now()
        for number, stranger in enumerate(register.children(EVENTS, seed=turn + 2, first=500_000)):
            person = Person.model_validate({field: value for field, value in stranger.items() if field != "child_id"})
            event = ArrestReported(custody_record=f"{turn}-{number}", force="01", suite="Islington", person=person)
            envelope = Envelope(
                id=f"{turn}-{number}",
                source="met-custody",
                time=now,
                feed="met-custody",
                entrance="http",
                received_at=now,
                event=event,
            )
            record = event_record(envelope, keyring)
            await producer.send(record.topic, record.value, record.key, headers=list(record.headers))
        await producer.flush()
    finally:
        await producer.stop()


def _let_it_look_back(made: Rooms) -> None:
    """Whoever is added is looked for in the events of the last 72 hours: that is over before anything is measured."""
    with worker(made), psycopg.connect(libpq_url(made.environment["NIGHTLIGHT_DATABASE_URL"])) as database:
        deadline = time.monotonic() + 600
        while database.execute("SELECT 1 FROM scans LIMIT 1").fetchone():
            database.rollback()
            if time.monotonic() > deadline:
                raise RuntimeError("the events of the last 72 hours are still being looked through")
            time.sleep(1)


def _ours(made: Rooms) -> Pace:
    """Between the first tenth and the last of this turn's events, as the worker's own counter shows it."""
    seen: list[tuple[int, float, float]] = []
    with worker(made) as (url, process):
        deadline = time.monotonic() + 300
        while not seen or seen[-1][0] < EVENTS:
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {seen[-1][0]} of {EVENTS} events were decided")
            time.sleep(0.5)  # asking costs the worker, too
            seen.append((_decided(url), time.perf_counter(), processor_seconds(process.pid)))
    first = next(point for point in seen if point[0] >= EVENTS // 10)
    last = next(point for point in seen if point[0] >= EVENTS * 9 // 10)
    count, took, work = (end - start for start, end in zip(first, last, strict=True))
    return Pace(count / took, 1e6 * work / count)


def _decided(url: str) -> int:
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:  # noqa: S310 - our own address
            text = answer.read().decode()
    except OSError:
        return 0
    return sum(int(float(value)) for value in re.findall(r"^nightlight_events_decided_total{.*} (\S+)$", text, re.M))


def _bare(made: Rooms, total: int, *, fresh: int) -> Pace:
    """All events so far, once: a group of its own each time."""
    keyring = str(made.data / "keyring.json")
    command = [sys.executable, "-m", "benchmarks.bare", made.kafka, ARRESTS, keyring, str(total), f"bare-{fresh}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith(b"{"))  # Faust greets first
        process.kill()
    return Pace(**json.loads(line))
