"""A few words with a broker, whichever it is: what the tests say to it, through kafka-python."""

from collections.abc import Sequence

from kafka import KafkaConsumer, KafkaProducer

PATIENCE = 20  # seconds


def produce(
    url: str,
    topic: str,
    values: Sequence[bytes],
    *,
    key: bytes | None = None,
    timestamp_ms: int | None = None,
    idempotent: bool = True,
    patience: float = PATIENCE,
) -> list[tuple[int, int]]:
    """Send values and return once the broker has them all (acks=all): the time (ms) and offset it gave to each."""
    producer = KafkaProducer(
        bootstrap_servers=url,
        acks="all",
        enable_idempotence=idempotent,
        max_block_ms=int(patience * 1000),
    )
    try:
        futures = [producer.send(topic, value, key=key, timestamp_ms=timestamp_ms) for value in values]
        receipts = [future.get(patience) for future in futures]
    finally:
        producer.close(timeout=1)
    return [(receipt.timestamp, receipt.offset) for receipt in receipts]


def consume(url: str, topic: str, *, group: str, count: int) -> list[bytes]:
    """Read up to `count` values as a member of `group`, commit, and leave it; fewer if no more come."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=url,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=1000,
        consumer_timeout_ms=PATIENCE * 1000,
    )
    values: list[bytes] = []
    try:
        for message in consumer:
            values.append(message.value)
            if len(values) == count:
                break
        consumer.commit()
    finally:
        consumer.close()
    return values
