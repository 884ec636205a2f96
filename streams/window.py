"""The events of the last 72 hours, read beside the workers: a client of no group, that commits nothing and disturbs nobody."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.events import EVENT_TOPICS
from schemas.settings import Settings
from streams.incoming import Incoming
from streams.kafka import client_settings

AWAY = (KafkaError, OSError, TimeoutError)
"""Kafka cannot be asked now."""

AT_ONCE = 500
POLL_MS = 500
SILENCE_MS = 20_000

Places = Mapping[TopicPartition, int]
"""An offset in each partition of the event topics."""


class Window:
    """Made by `open_window`. Every method raises one of AWAY."""

    def __init__(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        self._consumer = consumer
        self._partitions = partitions

    async def end(self) -> Places:
        """Behind the newest event of each partition."""
        ends: Places = await self._consumer.end_offsets(self._partitions)
        return ends

    async def back(self, end: Places, count: int | None = None) -> Places:
        """So many events before `end` in each partition, or the oldest that is kept.

        Counted, and not looked up by time: the embedded broker answers that question with the offset of another partition.
        """
        first = await self._consumer.beginning_offsets(list(end))
        return {each: first[each] if count is None else max(first[each], last - count) for each, last in end.items()}

    async def records(self, start: Places, end: Places) -> AsyncIterator[list[Incoming]]:
        """Everything from `start` up to, and without, `end`; in order within a partition, a few hundred at a time."""
        left = {each: last for each, last in end.items() if start.get(each, 0) < last}
        if not left:
            return  # a client to whom nothing is assigned cannot be stopped
        self._consumer.assign(list(left))
        for each in left:
            self._consumer.seek(each, start.get(each, 0))
        silent = 0
        while left:
            got = await self._consumer.getmany(*left, timeout_ms=POLL_MS, max_records=AT_ONCE)
            silent = 0 if got else silent + 1
            if silent * POLL_MS > SILENCE_MS:
                raise TimeoutError("the broker says that there is more, and does not send it")
            for each, records in got.items():
                yield [_incoming(record) for record in records if record.offset < left[each]]
                if records[-1].offset + 1 >= left[each]:
                    del left[each]


@asynccontextmanager
async def open_window(settings: Settings) -> AsyncIterator[Window]:
    """Raises one of AWAY."""
    consumer = AIOKafkaConsumer(
        *EVENT_TOPICS,
        **client_settings(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        group_id=None,
    )
    await consumer.start()
    try:
        # Asked for once, by listening to all of them: a client that reads some partitions forgets that there are others.
        partitions = sorted(consumer.assignment())
        consumer.unsubscribe()
        consumer.assign(partitions)
        consumer.pause(*partitions)
        yield Window(consumer, partitions)
    finally:
        await consumer.stop()


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
