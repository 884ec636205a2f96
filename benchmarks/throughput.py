"""Events a second through one worker, against a bare Faust agent that only opens them and acknowledges, on the same broker."""

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiokafka

from benchmarks import register
from benchmarks.rooms import Rooms, rooms, worker
from schemas.base import utc_now
from schemas.envelope import Envelope
from schemas.events import ARRESTS, ArrestReported
from schemas.person import Person
from schemas.sealing import KeyringFile
from schemas.wire import event_record
from tests.house import ROOT

LISTED = 34_000
EVENTS = 20_000
GOAL = 0.7
TURNS = 3  # ours and the bare one in turn: the machine is shared, and only the ratio is to be believed


def figures() -> Iterator[dict[str, Any]]:
    """Ours, the bare one's, and the ratio, for each turn; then the median ratio."""
    with tempfile.TemporaryDirectory() as directory, rooms(Path(directory)) as made:
        made.list_children(LISTED)
        keyring = KeyringFile(Path(directory) / "keyring.json")
        ratios = []
        settled = 0
        for turn in range(TURNS):
            asyncio.run(_fill(made.kafka, keyring, turn))
            settled += EVENTS
            ours, bare = _ours(made, settled), _bare(made, settled, fresh=turn)
            ratios.append(ours / bare)
            on = {"broker": "Apache Kafka" if made.real else "embedded", "listed": LISTED, "turn": turn}
            yield {"figure": "events a second through one worker", "rate": round(ours), **on}
            yield {"figure": "through a bare Faust agent", "rate": round(bare), **on}
        yield {"figure": "ours over the bare one", "ratio": round(sorted(ratios)[len(ratios) // 2], 2), "goal": GOAL}


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


def _ours(made: Rooms, total: int) -> float:
    """The rate between the first tenth and the last of this turn's events, as the worker's own counter shows it."""
    start = total - EVENTS
    with worker(made) as (url, _):
        seen: list[tuple[float, int]] = []
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            time.sleep(0.1)
            seen.append((time.perf_counter(), _decided(url)))
            if seen[-1][1] >= EVENTS:
                break
        else:
            raise RuntimeError(f"only {seen[-1][1]} of {EVENTS} events were decided (from {start} on)")
        return _steady(seen)


def _steady(seen: list[tuple[float, int]]) -> float:
    first = next(point for point in seen if point[1] >= EVENTS // 10)
    last = next(point for point in seen if point[1] >= EVENTS * 9 // 10)
    return (last[1] - first[1]) / (last[0] - first[0])


def _decided(url: str) -> int:
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:  # noqa: S310 - our own address
            text = answer.read().decode()
    except OSError:
        return 0
    return sum(int(float(value)) for value in re.findall(r"^nightlight_events_decided_total{.*} (\S+)$", text, re.M))


def _bare(made: Rooms, total: int, *, fresh: int) -> float:
    """All events so far, once: a group of its own each time."""
    keyring = str(made.data / "keyring.json")
    command = [sys.executable, "-m", "benchmarks.bare", made.kafka, ARRESTS, keyring, str(total), f"bare-{fresh}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.kill()
    return float(json.loads(line)["rate"])
