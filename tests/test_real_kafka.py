"""The clients we use against a real Apache Kafka: what decides which version is pinned (decision 0002); the embedded one keeps up."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka.errors import KafkaError

from embedded.broker import create_topics
from tests.kafka import broker
from tests.kafka.clients import consume, produce

Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start_worker(unique: str, tmp_path: Path) -> Iterator[Start]:
    """Starts Faust workers of this test's own group; whatever still runs at the end is killed."""
    workers: list[subprocess.Popen[bytes]] = []

    def start(url: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.kafka.worker", url, unique, f"{unique}-in", f"{unique}-out"]
        with (tmp_path / f"worker-{len(workers)}.log").open("wb") as log:
            workers.append(subprocess.Popen(command, stdout=log, stderr=log))
        return workers[-1]

    yield start

    for worker in workers:
        worker.kill()
        worker.wait()


@pytest.mark.kafka
def test_a_topic_nobody_made_takes_no_events(kafka: str, unique: str) -> None:
    with pytest.raises(KafkaError):
        produce(kafka, unique, [b"event"], patience=2)


@pytest.mark.kafka
def test_the_broker_puts_its_own_time_on_every_event(kafka: str, unique: str) -> None:
    create_topics(kafka, {unique: 1})

    [(stamped, _)] = produce(kafka, unique, [b"event"], timestamp_ms=1)

    assert abs(stamped / 1000 - time.time()) < 60


@pytest.mark.kafka
def test_a_broker_that_is_stopped_or_killed_comes_back_with_what_it_acknowledged(home: Path, unique: str) -> None:
    first = broker.start(0, home)
    port = int(first.url.rpartition(":")[2])
    create_topics(first.url, {unique: 1})
    produce(first.url, unique, [b"before the stop"])
    first.stop()
    second = broker.start(port, home)
    produce(second.url, unique, [b"before the kill"])
    second.kill()

    with broker.start(port, home) as third:
        assert consume(third.url, unique, group=unique, count=2) == [b"before the stop", b"before the kill"]


def test_faust_copies_every_event_once_and_in_order(each_broker: str, unique: str, start_worker: Start) -> None:
    create_topics(each_broker, {f"{unique}-in": 4, f"{unique}-out": 1})
    said = [str(number).encode() for number in range(50)]
    produce(each_broker, f"{unique}-in", said, key=b"one key, one partition, one order")

    start_worker(each_broker)

    assert consume(each_broker, f"{unique}-out", group=unique + "-reader", count=50) == said


@pytest.mark.kafka
def test_a_faust_worker_that_is_killed_in_mid_event_loses_nothing(kafka: str, unique: str, start_worker: Start) -> None:
    create_topics(kafka, {f"{unique}-in": 1, f"{unique}-out": 1})
    produce(kafka, f"{unique}-in", [b"first", b"slow", b"last"])
    worker = start_worker(kafka)
    assert consume(kafka, f"{unique}-out", group=unique + "-reader", count=1) == [b"first"]
    time.sleep(0.3)  # the commit interval: "first" is acknowledged, "slow" is under way
    worker.kill()

    start_worker(kafka)

    assert consume(kafka, f"{unique}-out", group=unique + "-reader", count=2) == [b"slow", b"last"]


@pytest.mark.kafka
def test_a_faust_worker_goes_on_when_the_broker_comes_back(home: Path, unique: str, start_worker: Start) -> None:
    first = broker.start(0, home)
    port = int(first.url.rpartition(":")[2])
    create_topics(first.url, {f"{unique}-in": 1, f"{unique}-out": 1})
    worker = start_worker(first.url)
    produce(first.url, f"{unique}-in", [b"before"])
    assert consume(first.url, f"{unique}-out", group=unique + "-reader", count=1) == [b"before"]
    first.kill()

    with broker.start(port, home) as second:
        produce(second.url, f"{unique}-in", [b"after"])

        assert consume(second.url, f"{unique}-out", group=unique + "-reader", count=1) == [b"after"]
        assert worker.poll() is None
