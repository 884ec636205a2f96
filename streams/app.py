"""The one file that knows Faust: its settings, each with the reason, and the loop that never steps past a record."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any

import faust
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError, RecordTooLargeError
from faust.exceptions import ConsumerNotStarted, FaustError

from schemas.events import EVENT_TOPICS
from schemas.settings import Settings
from schemas.wire import Record
from streams.incoming import Incoming
from streams.line import Line
from streams.loop import Loop, NotPublished, Publish
from streams.pipeline import TOPICS

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError, RecordTooLargeError)

GATHER_SECONDS = 0.005
"""Under load, and only then: a request to Kafka costs more than the record in it."""

LEADS = "a"
BREATH_SECONDS = 0.2
"""How far the other lane stays behind. Neck and neck, each would write the same page while the other waits for the lock,
on the same processors, just when a page is made; a breath behind, it finds the page there, which is one question."""


def build(
    settings: Settings,
    lane: str,
    *,
    make_loop: Callable[[Publish], Loop],
    datadir: Path,
    topics: Sequence[str] = TOPICS,
) -> faust.App:
    """A worker of one lane, not yet started. Made inside the event loop that it will run in: a module-level app binds another.

    `make_loop` gets the way to publish through this app's producer, and gives the loop that settles records.
    """
    app = faust.App(
        f"nightlight-{lane}",
        broker=[f"aiokafka://{server.strip()}" for server in settings.need("kafka").split(",")],
        broker_credentials=credentials(settings),
        autodiscover=False,  # a broken module would silently drop its agent
        store="memory://",
        datadir=datadir,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        processing_guarantee="at_least_once",
        # A dead worker is noticed after the session; Faust's own 60 s were up to 174 s of silence.
        broker_session_timeout=settings.kafka_session_seconds,
        broker_heartbeat_interval=settings.kafka_session_seconds / 6,
        broker_rebalance_timeout=max(settings.kafka_session_seconds, 4),
        broker_commit_interval=0.2,  # how much is done twice after a kill
        stream_wait_empty=True,
        consumer_auto_offset_reset="earliest",
        # New partitions are seen within these; the default leaves their events unread for 5 minutes.
        consumer_metadata_max_age_ms=10_000,
        producer_metadata_max_age_ms=10_000,
        producer_acks=-1,
        producer_linger=0,
        producer_partitioner=partition_for,
        producer_request_timeout=10,  # then the record is tried again, and the watchdog sees that we know
    )
    loop = make_loop(_publisher(app))
    # Deciding waits for nothing but Kafka, so all partitions of the events share a line. A step that writes to the
    # database may be slow, and holds its own partition only.
    together = Line(loop.settle, gather=GATHER_SECONDS, breath=0.0 if lane == LEADS else BREATH_SECONDS)
    for topic in topics:
        _listen(
            app,
            topic,
            (lambda: nullcontext(together)) if topic in EVENT_TOPICS else (lambda: closing(Line(loop.settle))),
        )
    return app


def _listen(app: faust.App, name: str, make_line: Callable[[], AbstractContextManager[Line]]) -> None:
    topic = app.topic(name, key_serializer="raw", value_serializer="raw", value_type=bytes)

    # Never `concurrency=`: it loses events in a crash. Isolated: a full line holds its own partition only.
    @app.agent(topic, name=name, isolated_partitions=True)
    async def settle(stream: Any) -> None:
        unacked = stream.noack()
        with make_line() as line:
            async for _ in unacked:  # `.events()` is one more generator for each record, and gives this same event
                event = unacked.current_event
                await line.join(_incoming(event.message), event.ack)


def partition_for(key: bytes, partitions: Sequence[int], _: Sequence[int]) -> int:
    """Where a record of ours goes. Our keys are HMACs in hex, even already: hashing them again took longer than sealing."""
    return partitions[int(key[:8], 16) % len(partitions)]


def _incoming(message: Any) -> Incoming:
    return Incoming(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp=message.timestamp or 0.0,
        key=message.key,
        value=message.value,
        headers=dict(message.headers or ()),
    )


def _publisher(app: faust.App) -> Publish:
    async def publish(records: Sequence[Record]) -> None:
        try:
            # The first await only queues; all are queued before the first receipt is awaited.
            sent = [
                await app.producer.send(record.topic, record.key, record.value, None, None, list(record.headers))
                for record in records
            ]
            for receipt in sent:
                await receipt
        except (KafkaError, FaustError, OSError) as problem:
            cause = problem.__cause__ or problem  # Faust wraps what the client says
            raise NotPublished(type(cause).__name__, permanent=isinstance(cause, TOO_LARGE)) from problem

    return publish


def credentials(settings: Settings) -> Any:
    """How to show ourselves to a real cluster; None for a broker that asks nothing."""
    wanted = settings.kafka_security_protocol.upper()
    context = ssl.create_default_context(cafile=settings.kafka_ca_file) if wanted.endswith("SSL") else None
    if wanted == "PLAINTEXT":
        return None
    if wanted == "SSL":
        return faust.SSLCredentials(context=context)
    return faust.SASLCredentials(
        mechanism=settings.need("kafka_sasl_mechanism"),
        username=settings.need("kafka_sasl_username"),
        password=settings.need("kafka_sasl_password"),
        ssl_context=context,
    )


def assigned(app: faust.App) -> set[tuple[str, int]]:
    """The (topic, partition)s that the group has given to this worker. Safe to ask from another thread."""
    try:
        return {(place.topic, place.partition) for place in set(app.consumer.assignment())}
    except (ConsumerNotStarted, RuntimeError):  # not yet started; or changed while it was being copied
        return set()


def consumer_alive(app: faust.App) -> bool:
    """Whether the thread that talks to Kafka runs, or has yet to start. Safe to ask from another thread."""
    consumer: Any = app.consumer
    thread = consumer._thread._thread  # noqa: SLF001 - Faust tells nobody when it dies, and lives on without it
    return thread is None or bool(thread.is_alive())


async def crashed(app: faust.App) -> None:
    """Return once Faust has crashed or stopped; it tells nobody by itself."""
    while not app.should_stop:  # noqa: ASYNC110 - its own events are set from another thread, which wakes nobody
        await asyncio.sleep(0.2)
