"""Real workers on a real broker, killed and stopped while events flow: what was accepted has an outcome."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from embedded.broker import create_topics
from embedded.server import choose_port
from schemas.events import OTHERS, FeedBeat
from schemas.moments import DEAD_LETTERS, OUTCOMES, Decided, Outcome
from schemas.person import Person
from schemas.sealing import save
from schemas.settings import Settings
from schemas.wire import Record, event_key, event_record, read_message
from store.database import connect
from streams import dead_letters
from streams.pipeline import TOPICS
from streams.pointers import Reason
from tests.kafka import broker as apache_kafka
from tests.streams_cast import KEYS, NOON, STRANGER, arrest, envelope

pytestmark = pytest.mark.kafka

PATIENCE = 45  # seconds, for everything to have an outcome
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of these tests' own: their topics have the real names, and a worker reads them from the beginning."""
    with apache_kafka.start(0, tmp_path_factory.mktemp("kafka")) as running:
        create_topics(running.url, dict.fromkeys((*TOPICS, OUTCOMES, DEAD_LETTERS), 2))
        yield running.url


@pytest.fixture
def start(own_kafka: str, database_url: str, tmp_path: Path, unique: str) -> Iterator[Start]:
    """Starts workers of a lane of this test's own; whatever still runs at the end is killed."""
    save(KEYS, tmp_path / "keyring.json")
    workers: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, session: float = 3) -> "subprocess.Popen[bytes]":
        environment = {
            **os.environ,
            "NIGHTLIGHT_KAFKA": own_kafka,
            "NIGHTLIGHT_DATABASE_URL": database_url,
            "NIGHTLIGHT_KEYRING_FILE": str(tmp_path / "keyring.json"),
            "NIGHTLIGHT_KAFKA_SESSION_SECONDS": str(session),
            "NIGHTLIGHT_LISTEN": f"127.0.0.1:{choose_port('A worker', 0)}",
        }
        command = [sys.executable, "-m", "tests.streams_worker", unique, *arguments]
        with (tmp_path / f"worker-{len(workers)}.log").open("wb") as log:
            workers.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))
        return workers[-1]

    yield start

    for worker in workers:
        worker.kill()
        worker.wait()


def arrests(unique: str, count: int, *, family_name: str = "Nobody", first: int = 0) -> list[Record]:
    """Arrests of people whom nobody watches, each of its own custody record."""
    person = Person(family_name=family_name, date_of_birth=STRANGER.date_of_birth)
    names = [f"{unique}-{number}" for number in range(first, first + count)]
    return [event_record(envelope(arrest(person, custody_record=name), id=name), KEYS) for name in names]


def key_of(record: Record) -> str:
    headers = dict(record.headers)
    return event_key(KEYS, headers["ce_source"].decode(), headers["ce_id"].decode())


async def produce(url: str, records: Sequence[Record], *, partition: int | None = None, pause: float = 0) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=url, acks="all")
    await producer.start()
    try:
        for record in records:
            await producer.send_and_wait(
                record.topic, record.value, key=record.key, partition=partition, headers=list(record.headers)
            )
            await asyncio.sleep(pause)
    finally:
        await producer.stop()


async def outcomes(url: str, lane: str, keys: set[str], *, seconds: float = PATIENCE) -> dict[str, list[Outcome]]:
    """What was decided about these events in this lane, until each has an outcome or the time is up."""
    found: dict[str, list[Outcome]] = {}
    consumer = AIOKafkaConsumer(OUTCOMES, bootstrap_servers=url, auto_offset_reset="earliest")
    await consumer.start()
    try:
        end = time.monotonic() + seconds
        while found.keys() < keys and time.monotonic() < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    said = read_message(OUTCOMES, record.value, dict(record.headers), KEYS)
                    assert isinstance(said, Decided)
                    for ended in said.ended if said.worker_lane == lane else ():
                        if ended.event_key in keys:
                            found.setdefault(ended.event_key, []).append(ended.outcome)
    finally:
        await consumer.stop()
    return found


async def test_workers_that_are_killed_while_events_flow_lose_none(own_kafka: str, unique: str, start: Start) -> None:
    records = arrests(unique, 200)
    worker, _ = start(), start()
    sending = asyncio.create_task(produce(own_kafka, records, pause=0.05))
    for _ in range(2):
        await asyncio.sleep(5)
        worker.kill()
        worker.wait()
        worker = start()
    await sending

    found = await outcomes(own_kafka, unique, {key_of(record) for record in records})

    assert len(found) == 200
    assert {outcome for each in found.values() for outcome in each} == {Outcome.NOT_WATCHED}


async def test_a_worker_that_is_told_to_stop_in_mid_event_loses_none_and_is_gone_within_five_seconds(
    own_kafka: str, unique: str, start: Start
) -> None:
    records = arrests(unique, 60, family_name="Slow")
    await produce(own_kafka, records)
    keys = {key_of(record) for record in records}
    worker = start()
    while not await outcomes(own_kafka, unique, keys, seconds=0.5):
        assert worker.poll() is None

    told = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    code = worker.wait(timeout=10)
    took = time.monotonic() - told
    start()

    assert code == 0
    assert took < 5.5
    assert len(await outcomes(own_kafka, unique, keys)) == 60


async def test_a_record_that_was_held_when_the_worker_was_killed_comes_again(
    own_kafka: str, unique: str, start: Start, tmp_path: Path
) -> None:
    held = tmp_path / "held"
    held.touch()
    before, [hole], after = (
        arrests(unique, 3),
        arrests(unique, 1, family_name="Held", first=3),
        arrests(unique, 3, first=4),
    )
    await produce(own_kafka, [*before, hole, *after], partition=0)
    worker = start("--held", str(held))
    first = {key_of(record) for record in before}
    assert (await outcomes(own_kafka, unique, first)).keys() == first
    assert not await outcomes(own_kafka, unique, {key_of(record) for record in (hole, *after)}, seconds=2)

    worker.kill()
    held.unlink()
    start("--held", str(held))

    rest = {key_of(record) for record in (hole, *after)}
    assert (await outcomes(own_kafka, unique, rest)).keys() == rest


async def test_a_record_nobody_can_read_is_buried_shown_and_sent_again_and_its_neighbours_go_on(
    own_kafka: str, database_url: str, unique: str, start: Start
) -> None:
    good, [strange, other] = arrests(unique, 5), arrests(unique, 2, first=5)
    moved = Record(strange.topic, strange.key, other.value, strange.headers)
    await produce(own_kafka, [moved, *good], partition=0)
    start()
    found = await outcomes(own_kafka, unique, {key_of(record) for record in (moved, *good)})
    assert found.pop(key_of(moved)) == [Outcome.DEAD_LETTER]
    assert len(found) == 5
    settings, engine = Settings(kafka=own_kafka), connect(database_url)

    [pointer] = [each for each in await dead_letters.listing(settings, KEYS, engine) if each.lane == unique]
    place = (pointer.topic, pointer.partition, pointer.offset)
    [letter] = await dead_letters.show(settings, KEYS, engine, *place)
    again = await dead_letters.replay(settings, KEYS, engine, *place, who="the test", at=NOON)

    assert (again, pointer.reason) == (pointer, Reason.UNSEALED)
    assert (letter.size, letter.unchanged) == (len(moved.value), True)
    await asyncio.sleep(3)
    buried = [each for each in await dead_letters.listing(settings, KEYS, engine) if each.lane == unique]
    assert len(buried) == 2
    with pytest.raises(dead_letters.NoSuchLetter):
        await dead_letters.show(settings, KEYS, engine, OTHERS, 0, 999)
    await engine.dispose()


async def test_a_worker_whose_session_timeout_is_refused_leaves_with_code_70(start: Start) -> None:
    worker = start("--unassigned", "6", session=1)

    assert await asyncio.to_thread(worker.wait, 40) == 70


@pytest.mark.parametrize("name", ["Blocks", "Kills the consumer"])
async def test_a_worker_that_gets_nowhere_leaves_with_code_70(
    own_kafka: str, unique: str, start: Start, name: str
) -> None:
    [record] = arrests(unique, 1, family_name=name)
    beats = [event_record(envelope(FeedBeat(), id=f"{unique}-beat"), KEYS)]
    worker = start("--stalled", "3")
    assert await outcomes(own_kafka, unique, set(), seconds=0) == {}
    await produce(own_kafka, [*beats, record])

    assert await asyncio.to_thread(worker.wait, 40) == 70
