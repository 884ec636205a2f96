"""A plain client beside Faust's: for the watchdog, which must not depend on what it watches, and for dead letters."""

import ssl
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.settings import Settings


def client_settings(settings: Settings) -> dict[str, Any]:
    """What an aiokafka client needs to reach the cluster and show itself."""
    wanted = settings.kafka_security_protocol.upper()
    given: dict[str, Any] = {"bootstrap_servers": settings.need("kafka"), "security_protocol": wanted}
    if wanted.endswith("SSL"):
        given["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ca_file)
    if wanted.startswith("SASL"):
        given["sasl_mechanism"] = settings.need("kafka_sasl_mechanism")
        given["sasl_plain_username"] = settings.need("kafka_sasl_username")
        given["sasl_plain_password"] = settings.need("kafka_sasl_password")
    return given


async def lag(
    settings: Settings, group: str, wanted: Collection[tuple[str, int]], next_offset: Mapping[tuple[str, int], int]
) -> dict[tuple[str, int], int] | None:
    """How many records each (topic, partition) still has for us; None if the broker does not answer.

    `next_offset` is what we know to be next; for a partition that has settled nothing, the group's committed offset.
    It joins no group and commits nothing.
    """
    consumer = AIOKafkaConsumer(
        **client_settings(settings), group_id=group, enable_auto_commit=False, request_timeout_ms=5000
    )
    try:
        await consumer.start()
        partitions = [TopicPartition(*each) for each in wanted]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions)
        behind = {}
        for each in partitions:
            known = next_offset.get((each.topic, each.partition))
            next_ = known if known is not None else await consumer.committed(each)
            behind[each.topic, each.partition] = ends[each] - max(next_ or 0, starts[each])
    except (KafkaError, OSError, TimeoutError):
        return None
    finally:
        await consumer.stop()
    return behind
