"""A Faust worker with the loop of the streams room and nothing else: `python -m tests.kafka.worker URL GROUP IN OUT`.

It copies every value of IN to OUT, and acknowledges last. A value of `b"slow"` takes a second.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import faust
from mode import Worker


def build(url: str, group: str, source: str, target: str, datadir: str) -> faust.App:
    """The app, with short timings: a dead worker is noticed in three seconds."""
    app = faust.App(
        group,
        broker=f"aiokafka://{url}",
        store="memory://",
        datadir=datadir,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        processing_guarantee="at_least_once",
        broker_session_timeout=3,
        broker_heartbeat_interval=0.5,
        broker_rebalance_timeout=4,
        broker_commit_interval=0.2,
        stream_wait_empty=True,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=10_000,
        producer_metadata_max_age_ms=10_000,
        producer_acks=-1,
        producer_linger=0,
    )
    topic = app.topic(source, key_serializer="raw", value_serializer="raw", value_type=bytes)
    out = app.topic(target, key_serializer="raw", value_serializer="raw", value_type=bytes)

    @app.agent(topic, isolated_partitions=True)
    async def copy(stream: Any) -> AsyncIterator[None]:
        async for event in stream.noack().events():
            if event.value == b"slow":
                await asyncio.sleep(1)
            await (await out.send(key=event.key, value=event.value))
            event.ack()
            yield

    return app


def main() -> None:
    url, group, source, target = sys.argv[1:]
    with tempfile.TemporaryDirectory() as datadir:
        Worker(build(url, group, source, target, datadir), loglevel="warning", daemon=True).execute_from_commandline()


if __name__ == "__main__":
    main()
