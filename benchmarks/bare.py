"""A bare Faust agent: it opens an event and acknowledges it, and does nothing else. What any worker of ours is measured against."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import faust

from schemas.sealing import KeyringFile
from schemas.wire import read_event


def main(kafka: str, topic: str, keyring: str, count: int, group: str) -> None:
    """Prints one line of JSON between the first tenth of `count` events and the last: events a second, and processor µs each."""
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
    first, last = count // 10, count * 9 // 10
    seen = 0
    began = worked = 0.0

    # Without a `yield`: with one, Faust does half as much again for each event, and we would look the better for it.
    @app.agent(
        app.topic(topic, key_serializer="raw", value_serializer="raw", value_type=bytes), isolated_partitions=True
    )
    async def decode(stream: Any) -> None:
        nonlocal seen, began, worked
        async for event in stream.noack().events():
            message = event.message
            read_event(message.topic, message.value, dict(message.headers or ()), sealer)
            event.ack()
            seen += 1
            if seen == first:
                began, worked = time.perf_counter(), time.process_time()
            if seen == last:
                took, work = time.perf_counter() - began, time.process_time() - worked
                figures = {"rate": (last - first) / took, "processor_us": 1e6 * work / (last - first)}
                os.write(1, b"\n" + json.dumps(figures).encode() + b"\n")  # sys.stdout is now Faust's log

    faust.Worker(app, loglevel="ERROR", quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
