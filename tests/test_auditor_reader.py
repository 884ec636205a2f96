"""The auditor's ear at Kafka, at a real broker and its stand-in: events by their headers, outcomes by lane, and silence."""

import socket
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from notifiers.auditor_ledger import MOST
from notifiers.auditor_reader import Reader
from schemas.base import utc_now
from schemas.envelope import Envelope
from schemas.events import EVENT_TOPICS
from schemas.moments import OUTCOMES, Decided, Ended, Outcome
from schemas.wire import Record, event_key, event_record, message_record
from tests.pager_cast import eventually
from tests.streams_cast import KEYS, envelope
from tests.watch import Watch


class Topics:
    """One broker's topics, under the names that everybody uses."""

    def __init__(self, broker: str) -> None:
        self.options = {"bootstrap_servers": [broker]}
        self._producer = KafkaProducer(**self.options, acks="all")

    def send(self, *records: Record) -> None:
        for record in records:
            self._producer.send(record.topic, value=record.value, key=record.key, headers=list(record.headers))
        self._producer.flush(timeout=10)

    def accepted(self, name: str) -> str:
        """An event is in its topic; its key."""
        said: Envelope = envelope(id=name)
        self.send(event_record(said, KEYS))
        return event_key(KEYS, said.source, said.id)

    def ended(self, key: str, lane: str, outcome: Outcome = Outcome.PAGED) -> None:
        one = Ended(event_key=key, type="nightlight.arrest.v1", outcome=outcome)
        decided = Decided(ended=(one,), worker_lane=lane, decided_at=envelope().received_at)
        self.send(message_record(decided, KEYS))

    def close(self) -> None:
        self._producer.close(timeout=2)


@pytest.fixture
async def topics(each_broker: str) -> AsyncIterator[Topics]:
    admin = KafkaAdminClient(bootstrap_servers=[each_broker])
    there = set(admin.list_topics())
    missing = {name for name in (*EVENT_TOPICS, OUTCOMES) if name not in there}
    if missing:
        admin.create_topics({name: {"num_partitions": 2, "replication_factor": 1} for name in missing})
    admin.close()
    made = Topics(each_broker)
    yield made
    made.close()


@pytest.fixture
async def ear(topics: Topics) -> AsyncIterator[tuple[Reader, Watch]]:
    watch = Watch()
    reader = Reader(topics.options, KEYS, watch)
    reader.start()
    await eventually(lambda: begun(reader), within=20)
    yield reader, watch
    reader.stop()


async def begun(reader: Reader) -> bool:
    return reader.begun


def knows(ask: Callable[[], list[str]], *keys: str) -> Callable[[], Any]:
    async def does() -> bool:
        return set(keys) <= set(ask())

    return does


async def test_an_event_without_an_outcome_is_known_after_a_minute_and_no_more_once_both_lanes_have_ended_it(
    topics: Topics, ear: tuple[Reader, Watch], unique: str
) -> None:
    reader, watch = ear
    key = topics.accepted(unique)
    await eventually(lambda: heard(reader, key))
    before = reader.without_outcome()
    watch.later(seconds=61)

    lost = key in reader.without_outcome()
    topics.ended(key, "a")
    await eventually(knows(reader.in_one_lane, key))
    topics.ended(key, "b")

    async def gone() -> bool:
        return key not in reader.in_one_lane() + reader.without_outcome()

    await eventually(gone)
    assert (key in before, lost) == (False, True)


async def test_what_came_long_ago_is_not_heard_again_where_nothing_has_come_since(topics: Topics, unique: str) -> None:
    old = topics.accepted(f"{unique}-old")
    reader = Reader(topics.options, KEYS, lambda: utc_now() + timedelta(hours=1))
    reader.start()
    try:
        await eventually(lambda: begun(reader), within=20)
        new = topics.accepted(unique)
        await eventually(lambda: heard(reader, new))

        assert not await heard(reader, old)
    finally:
        reader.stop()


async def test_lanes_that_decide_differently_are_known(topics: Topics, ear: tuple[Reader, Watch], unique: str) -> None:
    reader, _ = ear
    key = topics.accepted(unique)

    topics.ended(key, "a")
    topics.ended(key, "b", Outcome.NOT_WATCHED)

    await eventually(knows(reader.in_one_lane, key))


async def test_a_broker_that_answers_is_not_silent(ear: tuple[Reader, Watch]) -> None:
    reader, watch = ear
    watch.later(seconds=61)
    silent = reader.silent()

    async def answers() -> bool:
        return not reader.silent()

    await eventually(answers)
    assert silent


async def heard(reader: Reader, key: str) -> bool:
    with reader._lock:
        return key in reader._ledger._entries


async def test_a_broker_that_is_away_for_a_minute_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        nowhere = f"127.0.0.1:{held.getsockname()[1]}"
    watch = Watch()
    reader = Reader({"bootstrap_servers": [nowhere], "bootstrap_timeout_ms": 200}, KEYS, watch)
    reader.start()
    try:
        before = reader.silent()
        watch.later(seconds=61)

        assert (before, reader.silent()) == (False, True)
    finally:
        reader.stop()


def test_what_is_not_ours_to_read_is_passed_over() -> None:
    reader = Reader({}, KEYS, Watch())

    reader.hear(EVENT_TOPICS[0], b"", {})
    reader.hear(EVENT_TOPICS[0], b"", {"ce_source": b"\xff", "ce_id": b"1"})
    reader.hear(OUTCOMES, None, {})
    reader.hear(OUTCOMES, b"garbage", {"nl_kind": b"decided", "nl_event": b"x"})

    assert (reader.without_outcome(), reader.in_one_lane()) == ([], [])


def test_a_ledger_that_is_full_is_begun_afresh() -> None:
    watch = Watch()
    reader = Reader({}, KEYS, watch)
    sought: list[str] = []

    class Consumer:
        def seek_to_end(self) -> None:
            sought.append("end")

    for number in range(MOST):
        reader._ledger.accepted(str(number), watch())
    reader._begin_again_if_full(Consumer())
    watch.later(minutes=5)

    assert (sought, reader.without_outcome()) == (["end"], [])
