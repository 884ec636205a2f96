"""What could not be handled: list the pointers, show one, and send the original again. For the command line; returns data."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.moments import DEAD_LETTERS
from schemas.sealing import SealBroken
from schemas.settings import Settings
from schemas.wire import Sealer
from store import audit
from store.dead_letters import dead_letters
from streams.incoming import Incoming
from streams.kafka import client_settings
from streams.pointers import Pointer, read_pointer

PATIENCE_MS = 5000


class NoSuchLetter(Exception):
    """There is no pointer, or no longer a record, at this place. The message says which."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A pointer, and what is left of the record: its size in bytes, its clear headers, and whether it still is what was buried."""

    pointer: Pointer
    size: int | None
    headers: dict[str, str]
    unchanged: bool


async def listing(settings: Settings, sealer: Sealer, engine: AsyncEngine) -> list[Pointer]:
    """Every dead letter of the last 7 days, oldest first: from Kafka, and from PostgreSQL what Kafka would not take.

    Once for each record and lane, however often it was buried. A pointer that does not open is left out.
    Raises aiokafka's KafkaError, or sqlalchemy's OperationalError, while either is away.
    """
    found = [pointer async for pointer in _in_kafka(settings, sealer)]
    async with engine.connect() as connection:
        rows = (await connection.execute(select(dead_letters))).mappings().all()
    found += [Pointer.model_validate(dict(row)) for row in rows]
    once = {(each.topic, each.partition, each.offset, each.lane): each for each in found}
    return sorted(once.values(), key=lambda each: (each.buried_at, each.topic, each.partition, each.offset, each.lane))


async def show(
    settings: Settings, sealer: Sealer, engine: AsyncEngine, topic: str, partition: int, offset: int
) -> list[Letter]:
    """One dead letter, as each lane buried it. Raises NoSuchLetter. Headers are in the clear anyway; the value stays sealed."""
    pointers = await _pointers_to(settings, sealer, engine, topic, partition, offset)
    record = await _original(settings, topic, partition, offset)
    if record is None:
        return [Letter(pointer, None, {}, unchanged=False) for pointer in pointers]
    letter = _incoming(record)
    headers = {name: value.decode("utf-8", "replace") for name, value in letter.headers.items()}
    return [
        Letter(pointer, len(letter.value or b""), headers, unchanged=_same(pointer, letter)) for pointer in pointers
    ]


async def replay(
    settings: Settings,
    sealer: Sealer,
    engine: AsyncEngine,
    topic: str,
    partition: int,
    offset: int,
    *,
    who: str,
    at: datetime,
) -> Pointer:
    """Send the original again, byte for byte, to the end of its topic, and write down who did it.

    Safe to repeat: the same event has the same ids. Raises NoSuchLetter if nothing is buried there, or if the record
    has left its topic (72 hours) or is not the one that was buried.
    """
    pointer = (await _pointers_to(settings, sealer, engine, topic, partition, offset))[0]
    record = await _original(settings, topic, partition, offset)
    if record is None or not _same(pointer, _incoming(record)):
        raise NoSuchLetter(
            f"The record at {topic}/{partition}/{offset} is no longer there: ask the agency to send it again."
        )
    async with engine.begin() as connection:
        await _write_down(connection, pointer, who=who, at=at)
        # Inside the transaction: an entry without a replay would be untrue, a replay without an entry would be hidden.
        await _send(settings, record)
    return pointer


async def _write_down(connection: AsyncConnection, pointer: Pointer, *, who: str, at: datetime) -> None:
    about = f"{pointer.topic}/{pointer.partition}/{pointer.offset}"
    detail = {"reason": pointer.reason.value, "error": pointer.error, "lane": pointer.lane, "sha256": pointer.sha256}
    await audit.record(connection, audit.What.DEAD_LETTER_REPLAYED, who=who, about=about, at=at, detail=detail)


async def _pointers_to(
    settings: Settings, sealer: Sealer, engine: AsyncEngine, topic: str, partition: int, offset: int
) -> list[Pointer]:
    place = (topic, partition, offset)
    found = [
        each for each in await listing(settings, sealer, engine) if (each.topic, each.partition, each.offset) == place
    ]
    if not found:
        raise NoSuchLetter(f"No dead letter points to {topic}/{partition}/{offset}: 'dead-letters list' shows them.")
    return found


async def _in_kafka(settings: Settings, sealer: Sealer) -> AsyncIterator[Pointer]:
    async with _reader(settings, DEAD_LETTERS) as consumer:
        partitions = consumer.assignment()
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    try:
                        yield read_pointer(_incoming(record), sealer)
                    except (SealBroken, ValueError):
                        continue


async def _original(settings: Settings, topic: str, partition: int, offset: int) -> ConsumerRecord | None:
    place = TopicPartition(topic, partition)
    async with _reader(settings) as consumer:
        consumer.assign([place])
        first, end = (await consumer.beginning_offsets([place]))[place], (await consumer.end_offsets([place]))[place]
        if not first <= offset < end:
            return None
        consumer.seek(place, offset)
        records = (await consumer.getmany(place, timeout_ms=PATIENCE_MS, max_records=1)).get(place, [])
    return records[0] if records and records[0].offset == offset else None


async def _send(settings: Settings, record: ConsumerRecord) -> None:
    # Not idempotent: the embedded broker refuses that (decision 3), and the same record twice is one event anyway.
    producer = AIOKafkaProducer(**client_settings(settings), acks="all")
    try:
        await producer.start()
        await producer.send_and_wait(
            record.topic, record.value, key=record.key, partition=record.partition, headers=list(record.headers)
        )
    finally:
        await producer.stop()


@asynccontextmanager
async def _reader(settings: Settings, *topics: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that belongs to no group and commits nothing, with every partition of the topics from their beginning."""
    consumer = AIOKafkaConsumer(
        *topics, **client_settings(settings), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _same(pointer: Pointer, letter: Incoming) -> bool:
    return Pointer.hash_of(letter) == pointer.sha256


def _incoming(record: ConsumerRecord) -> Incoming:
    return Incoming(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=record.timestamp / 1000,
        key=record.key,
        value=record.value,
        headers=dict(record.headers),
    )
