"""Dead letters on the embedded broker and PostgreSQL: listed once, shown without the value, sent again byte for byte."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from embedded.broker import create_topics
from schemas.moments import DEAD_LETTERS
from schemas.settings import Settings
from schemas.wire import Record
from store.audit import audit
from store.database import connect
from streams import dead_letters
from streams.book import PostgresShelf
from streams.incoming import Incoming
from streams.pointers import Pointer, Reason, pointer_record
from tests.streams_cast import KEYS, NOON


@dataclass
class Desk:
    """Where somebody sits who looks after dead letters."""

    settings: Settings
    engine: AsyncEngine
    topic: str

    async def send(self, record: Record) -> Incoming:
        producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka)
        await producer.start()
        sent = await producer.send_and_wait(record.topic, record.value, key=record.key, headers=list(record.headers))
        await producer.stop()
        headers = dict(record.headers)
        return Incoming(record.topic, sent.partition, sent.offset, 0.0, record.key, record.value, headers)

    async def bury(self, letter: Incoming, *, lane: str = "a") -> Pointer:
        pointer = self.point_to(letter, lane=lane)
        await self.send(pointer_record(pointer, KEYS))
        return pointer

    def point_to(self, letter: Incoming, *, lane: str = "a") -> Pointer:
        return Pointer.to(letter, LookupError("words"), reason=Reason.FAILED, lane=lane, at=NOON)

    async def listed(self) -> list[Pointer]:
        """Only of this test: the broker is shared."""
        found = await dead_letters.listing(self.settings, KEYS, self.engine)
        return [each for each in found if each.topic == self.topic]

    async def values(self) -> list[bytes]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka, auto_offset_reset="earliest")
        await consumer.start()
        place = TopicPartition(self.topic, 0)
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        values: list[bytes] = []
        while len(values) < end:
            values += [each.value for each in (await consumer.getmany(timeout_ms=500)).get(place, [])]
        await consumer.stop()
        return values

    async def audited(self) -> list[tuple[str, str, str]]:
        async with self.engine.connect() as connection:
            rows = await connection.execute(select(audit.c.what, audit.c.who, audit.c.about))
            return [tuple(row) for row in rows]


@pytest.fixture
async def desk(broker: str, database_url: str, unique: str) -> AsyncIterator[Desk]:
    create_topics(broker, {DEAD_LETTERS: 2, unique: 1})
    engine = connect(database_url)
    yield Desk(Settings(kafka=broker), engine, unique)
    await engine.dispose()


def original(topic: str) -> Record:
    return Record(topic, b"0f", b"sealed bytes", (("ce_id", b"1"), ("ce_source", b"/police/met")))


async def test_each_is_listed_once_for_each_lane_wherever_it_was_kept(desk: Desk) -> None:
    letter = await desk.send(original(desk.topic))
    in_kafka, again = await desk.bury(letter), await desk.bury(letter)
    in_postgresql = desk.point_to(letter, lane="b")
    await PostgresShelf(desk.engine).keep(in_postgresql)
    await PostgresShelf(desk.engine).keep(in_postgresql)

    assert again == in_kafka
    assert await desk.listed() == [in_kafka, in_postgresql]


async def test_one_is_shown_with_its_headers_and_its_size_and_without_its_value(desk: Desk) -> None:
    letter = await desk.send(original(desk.topic))
    pointer = await desk.bury(letter)

    [shown] = await dead_letters.show(desk.settings, KEYS, desk.engine, desk.topic, 0, letter.offset)

    assert shown == dead_letters.Letter(
        pointer, size=12, headers={"ce_id": "1", "ce_source": "/police/met"}, unchanged=True
    )


async def test_what_is_sent_again_is_the_original_and_who_did_it_is_written_down(desk: Desk) -> None:
    letter = await desk.send(original(desk.topic))
    await desk.bury(letter)

    await dead_letters.replay(desk.settings, KEYS, desk.engine, desk.topic, 0, letter.offset, who="operator", at=NOON)

    assert await desk.values() == [b"sealed bytes", b"sealed bytes"]
    assert await desk.audited() == [("dead-letter-replayed", "operator", f"{desk.topic}/0/{letter.offset}")]


async def test_nothing_is_sent_again_that_was_never_buried(desk: Desk) -> None:
    letter = await desk.send(original(desk.topic))

    with pytest.raises(dead_letters.NoSuchLetter, match="No dead letter"):
        await dead_letters.replay(
            desk.settings, KEYS, desk.engine, desk.topic, 0, letter.offset, who="operator", at=NOON
        )

    assert await desk.audited() == []


@pytest.mark.parametrize("changed", [{"value": b"another"}, {"offset": 99}], ids=["another record", "no record"])
async def test_nothing_is_sent_again_that_is_not_what_was_buried(desk: Desk, changed: dict[str, bytes | int]) -> None:
    sent = await desk.send(original(desk.topic))
    letter = Incoming(**{**{name: getattr(sent, name) for name in Incoming.__slots__}, **changed})
    await desk.bury(letter)

    with pytest.raises(dead_letters.NoSuchLetter, match="no longer there"):
        await dead_letters.replay(
            desk.settings, KEYS, desk.engine, desk.topic, 0, letter.offset, who="operator", at=NOON
        )

    assert len(await desk.values()) == 1
