"""The way into Kafka: sealed, confirmed, bounded in time; and the process around it, with the broker taken away."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from kafka import KafkaConsumer
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import BrokerResponseError, KafkaTimeoutError, OutOfOrderSequenceNumberError

from connectors.publish import NotPublished, Publisher
from connectors.topics import KEPT, CannotReachKafka, Look, connection, create, topics
from embedded import broker
from embedded.server import Running, choose_port
from schemas.envelope import Envelope
from schemas.events import ARRESTS, EVENT_TOPICS, EVENTS
from schemas.sealing import Keyring, save
from schemas.settings import Settings
from schemas.wire import read_event
from store import agencies
from store.database import connect
from tests.events import DATA, PERSON
from tests.gateway import STRUCTURED, arrest
from tests.kafka import broker as apache_kafka

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEYRING = Keyring.make()


def envelope(kind: str = "nightlight.arrest.v1", id: str = "e-1") -> Envelope:  # noqa: A002
    event = EVENTS[kind].model_validate(DATA[kind])
    return Envelope(
        id=id, source="met-custody", time=NOON, feed="met-custody", entrance="http", received_at=NOON, event=event
    )


def settings_for(address: str, **more: Any) -> Settings:
    return Settings(kafka=address, kafka_partitions=4, **more)


@pytest.fixture
def own_broker(home: Path) -> Iterator[Running]:
    """A broker of the test's own, with every topic, to be ill-treated."""
    with broker.start(home) as running:
        create(settings_for(running.url))
        yield running


@pytest.fixture
async def publisher(own_broker: Running) -> AsyncIterator[Publisher]:
    publisher = Publisher(settings_for(own_broker.url), KEYRING)
    yield publisher
    await publisher.close()


def read_all(address: str, count: int) -> list[Any]:
    consumer = KafkaConsumer(
        *EVENT_TOPICS, bootstrap_servers=address, auto_offset_reset="earliest", consumer_timeout_ms=8000
    )
    try:
        return [
            record for _, record in zip(range(count), consumer, strict=False)
        ]  # in this order it reads none too many
    finally:
        consumer.close()


async def test_every_type_of_event_is_in_its_topic_sealed_and_opens_again(
    own_broker: Running, publisher: Publisher
) -> None:
    sent = [envelope(kind, id=f"e-{place}") for place, kind in enumerate(sorted(DATA))]

    await publisher.publish(*sent)

    records = await asyncio.to_thread(read_all, own_broker.url, len(sent))
    found = {record.topic + "/" + dict(record.headers)["ce_id"].decode(): record for record in records}
    for one in sent:
        record = found[f"{one.event.topic}/{one.id}"]
        assert read_event(record.topic, record.value, dict(record.headers), KEYRING) == one
        in_the_clear = record.key + record.value + b"".join(value for _, value in record.headers)
        assert not [value for value in PERSON.values() if value.encode() in in_the_clear and len(value) > 4]


async def test_events_of_one_subject_stay_in_order(own_broker: Running, publisher: Publisher) -> None:
    await asyncio.gather(*(publisher.publish(*(envelope(id=f"{run}-{n}") for n in range(20))) for run in range(10)))

    records = await asyncio.to_thread(read_all, own_broker.url, 200)
    names = [dict(record.headers)["ce_id"].decode() for record in records]
    assert len({record.partition for record in records}) == 1
    for run in range(10):
        assert [name for name in names if name.startswith(f"{run}-")] == [f"{run}-{n}" for n in range(20)]


async def test_nothing_is_published_and_nothing_waits_for_an_empty_batch(publisher: Publisher) -> None:
    await asyncio.wait_for(publisher.publish(), 1)


async def test_a_broker_that_is_frozen_is_said_within_five_seconds_and_the_loop_goes_on(
    own_broker: Running, publisher: Publisher
) -> None:
    await publisher.publish(envelope())
    os.kill(own_broker.pid, signal.SIGSTOP)
    started, beats = time.monotonic(), 0

    waiting = asyncio.gather(*(publisher.publish(envelope(id=str(n))) for n in range(20)), return_exceptions=True)
    while not waiting.done():
        beats += 1
        await asyncio.sleep(0.05)
    took = time.monotonic() - started
    os.kill(own_broker.pid, signal.SIGCONT)

    assert all(isinstance(answer, NotPublished) for answer in await waiting)
    assert took < 5
    assert beats > 40  # nobody else was kept waiting
    await eventually_publishes(publisher)


async def test_after_a_restart_of_the_broker_the_same_publisher_goes_on(home: Path) -> None:
    """The embedded broker has forgotten everything, its producers too."""
    port = choose_port("broker", 0)
    with broker.start(home, port=port) as first:
        create(settings_for(first.url))
        publisher = Publisher(settings_for(first.url), KEYRING)
        await publisher.publish(envelope())
        first.kill()
    with pytest.raises(NotPublished):
        await publisher.publish(envelope())

    with broker.start(home, port=port) as second:
        create(settings_for(second.url))
        await eventually_publishes(publisher)
    await publisher.close()


async def eventually_publishes(publisher: Publisher) -> None:
    async with asyncio.timeout(15):
        while True:
            try:
                await publisher.publish(envelope(id="after"))
            except NotPublished:
                continue
            return


class Sent:
    """What a producer's `send` returns."""

    def __init__(self, problem: Exception | None) -> None:
        self.problem = problem

    def add_callback(self, call: Callable[..., None], *args: Any) -> None:
        if self.problem is None:
            call(*args, "receipt")

    def add_errback(self, call: Callable[..., None]) -> None:
        if self.problem is not None:
            call(self.problem)


class Producers:
    """Makes producers that fail as told, and remembers what each was given."""

    def __init__(self, *problems: Exception | None) -> None:
        self.problems = list(problems)
        self.sent: list[list[bytes]] = []

    def __call__(self, **_: Any) -> "Producers":
        self.sent.append([])
        return self

    def send(self, _: str, *, headers: list[tuple[str, bytes]], **__: bytes) -> Sent:
        self.sent[-1].append(dict(headers)["ce_id"])
        return Sent(self.problems.pop(0) if self.problems else None)

    def close(self, timeout: float) -> None:
        pass


async def test_a_thousand_requests_use_one_producer() -> None:
    producers = Producers()
    publisher = Publisher(settings_for("127.0.0.1:1"), KEYRING, producers)

    for number in range(1000):
        await publisher.publish(envelope(id=str(number)))

    assert [len(sent) for sent in producers.sent] == [1000]


async def test_what_has_no_receipt_is_sent_again_and_nothing_else() -> None:
    producers = Producers(None, OutOfOrderSequenceNumberError(), None)
    publisher = Publisher(settings_for("127.0.0.1:1"), KEYRING, producers)

    await publisher.publish(*(envelope(id=str(number)) for number in range(3)))

    assert [name for sent in producers.sent for name in sent] == [b"0", b"1", b"2", b"1"]


@pytest.mark.parametrize("problem", [BrokerResponseError(), KafkaTimeoutError()])
async def test_a_producer_that_keeps_failing_is_not_published_and_not_made_again_and_again(problem: Exception) -> None:
    producers = Producers(*[problem] * 1000)
    publisher = Publisher(settings_for("127.0.0.1:1"), KEYRING, producers, patience=1.5)

    with pytest.raises(NotPublished):
        await publisher.publish(envelope())

    assert len(producers.sent) <= 3


async def test_a_broker_that_was_never_there_is_said_within_five_seconds() -> None:
    publisher = Publisher(settings_for("127.0.0.1:1"), KEYRING)
    started = time.monotonic()

    with pytest.raises(NotPublished):
        await publisher.publish(envelope())

    assert time.monotonic() - started < 15
    await publisher.close()


def test_topics_are_made_once_and_what_is_there_stays(home: Path) -> None:
    with broker.start(home) as running:
        first = create(settings_for(running.url))
        again = create(settings_for(running.url))

        assert (first, again) == (tuple(KEPT), ())
        assert broker.count_partitions(running.url) == dict.fromkeys(KEPT, 4)


@pytest.mark.kafka
def test_a_real_broker_takes_the_topics_and_their_options(home: Path) -> None:
    with apache_kafka.start(0, home) as kafka:  # of its own: on a shared one others have made some of them already
        create(settings_for(kafka.url))

        client = KafkaAdminClient(bootstrap_servers=kafka.url)
        try:
            said = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, ARRESTS)])
        finally:
            client.close()
        assert str(72 * 3_600_000) in str(said)
        assert "LogAppendTime" in str(said)
        with contextlib.closing(Look(settings_for(kafka.url))) as look:
            assert look() == ()


@pytest.mark.kafka
async def test_a_real_broker_confirms_what_is_published(kafka: str) -> None:
    create(settings_for(kafka))
    publisher = Publisher(settings_for(kafka), KEYRING)

    async with asyncio.timeout(10):
        await publisher.publish(*(envelope(id=str(n)) for n in range(500)))
    await publisher.close()


def test_three_copies_mean_that_two_must_have_it() -> None:
    three = topics(settings_for("k:9092", kafka_replication=3))
    one = topics(settings_for("k:9092"))

    assert {topic.options["min.insync.replicas"] for topic in three} == {"2"}
    assert not [topic for topic in one if "min.insync.replicas" in topic.options]
    assert {topic.name: int(topic.options["retention.ms"]) // 3_600_000 for topic in one} == {
        **dict.fromkeys(KEPT, 72),
        "nightlight.dead-letters": 168,
    }


def test_a_broker_that_is_away_is_said_in_one_sentence() -> None:
    with pytest.raises(CannotReachKafka, match=r"^Kafka at 127.0.0.1:1 does not answer \(\w+\): look at .*\.$"):
        create(settings_for("127.0.0.1:1"))


def test_looking_again_and_again_for_a_broker_that_is_away_leaves_no_thread_behind() -> None:
    look = Look(settings_for("127.0.0.1:1"))
    before = threading.active_count()

    for _ in range(2):
        with pytest.raises(CannotReachKafka):
            look()

    assert threading.active_count() == before


def test_a_real_cluster_is_reached_as_the_settings_say() -> None:
    options = connection(
        Settings(
            kafka="k1:9093, k2:9093",
            kafka_security_protocol="SASL_SSL",
            kafka_sasl_mechanism="SCRAM-SHA-512",
            kafka_sasl_username="gateway",
            kafka_sasl_password="made-up",
            kafka_ca_file=Path("/ca.pem"),
        )
    )

    assert options["bootstrap_servers"] == ["k1:9093", "k2:9093"]
    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("gateway", "made-up")
    assert options["ssl_cafile"] == "/ca.pem"


RUN = """
import asyncio, schemas.logs, schemas.settings, connectors.gateway
schemas.logs.start("gateway")
asyncio.run(connectors.gateway.run(schemas.settings.read()))
"""


async def test_the_process_answers_503_while_kafka_is_away_says_why_and_stops_when_asked(
    database_url: str, home: Path
) -> None:
    engine = connect(database_url)
    async with engine.begin() as work:
        rights = {"types": ["arrest"], "authorities": ["*"]}
        at = datetime.now(UTC) - timedelta(seconds=1)
        key = await agencies.add(work, "met-custody", **rights, at=at, who="test")
    kafka_port, port = choose_port("broker", 0), choose_port("gateway", 0)
    save(KEYRING, home / "keyring.json")
    environment = {
        **os.environ,
        "NIGHTLIGHT_KAFKA": f"127.0.0.1:{kafka_port}",
        "NIGHTLIGHT_DATABASE_URL": database_url,
        "NIGHTLIGHT_DATA_DIR": str(home),
        "NIGHTLIGHT_LISTEN": f"127.0.0.1:{port}",
    }
    headers = {"authorization": f"Bearer {key}", "content-type": STRUCTURED}
    first = broker.start(home, port=kafka_port)
    create(settings_for(first.url))

    log = (home / "gateway.log").open("wb")
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, env=environment, stderr=log)
    with log, first, ending(process):
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=8) as client:
            await until_ready(client, 200)
            before = await client.post("/v1/events", json=arrest(), headers=headers)
            first.kill()
            started = time.monotonic()
            during = await client.post("/v1/events", json=arrest(), headers=headers)
            took = time.monotonic() - started
            because = (await until_ready(client, 503))["because"]
            with broker.start(home, port=kafka_port):
                create(settings_for(first.url))
                await until_ready(client, 200)
                after = await client.post("/v1/events", json=arrest(), headers=headers)
                process.send_signal(signal.SIGTERM)
                status = await asyncio.wait_for(process.wait(), 6)

    async with engine.connect() as look:
        (listed,) = await agencies.listing(look, at=datetime.now(UTC))
    await engine.dispose()
    said = (home / "gateway.log").read_text()
    assert (before.status_code, during.status_code, after.status_code) == (202, 503, 202)
    assert took < 5
    assert during.headers["retry-after"] == "2"
    assert because[0].startswith(f"Kafka at 127.0.0.1:{kafka_port} does not answer")
    assert status == 0
    assert listed.last_seen_at is not None
    assert "Traceback" not in said
    assert not [value for value in PERSON.values() if value in said]
    assert said.count("\n") < 30


@contextlib.contextmanager
def ending(process: asyncio.subprocess.Process) -> Iterator[None]:
    """Nothing is left behind by a test that fails."""
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()


async def until_ready(client: httpx2.AsyncClient, status: int) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            try:
                answer = await client.get("/readyz")
            except httpx2.TransportError:
                answer = None
            if answer is not None and answer.status_code == status:
                said: dict[str, Any] = answer.json()
                return said
            await asyncio.sleep(0.1)
