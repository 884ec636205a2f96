"""A bare Faust agent: it opens an event and acknowledges it, and does nothing else. What any worker of ours is measured against."""

import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import faust

from schemas.sealing import KeyringFile
from schemas.wire import read_event


def main(kafka: str, topic: str, keyring: str, count: int, group: str) -> None:
    """Prints one line of JSON with the events a second between the first tenth and the last."""
    sealer = KeyringFile(Path(keyring))
    app = faust.App(
        group,
        broker=f"aiokafka://{kafka}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        broker_session_timeout=6,
        broker_heartbeat_interval=1,
        consumer_auto_offset_reset="earliest",
    )
    seen = 0
    began = 0.0

    @app.agent(
        app.topic(topic, key_serializer="raw", value_serializer="raw", value_type=bytes), isolated_partitions=True
    )
    async def decode(stream: Any) -> AsyncIterator[None]:
        nonlocal seen, began
        async for event in stream.noack().events():
            message = event.message
            read_event(message.topic, message.value, dict(message.headers or ()), sealer)
            event.ack()
            seen += 1
            if seen == count // 10:
                began = time.perf_counter()
            if seen == count * 9 // 10:
                rate = (count * 9 // 10 - count // 10) / (time.perf_counter() - began)
                sys.stdout.write(json.dumps({"rate": rate}) + "\n")
                sys.stdout.flush()
            yield

    faust.Worker(app, loglevel="ERROR").execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
