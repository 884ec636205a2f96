"""The topics of contract section 4: what they are called and how they are kept, and a command's worth of making them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from schemas.events import EVENT_TOPICS
from schemas.moments import DEAD_LETTERS, MOMENTS, OUTCOMES, REVIEWS
from schemas.settings import Settings

HOUR: Final = 3_600_000  # milliseconds
LARGEST_RECORD: Final = 1 << 20
"""Bytes. The door takes 256 KiB, and sealing adds little: what was let in always fits."""

KEPT: Final[Mapping[str, int]] = {
    **dict.fromkeys((*EVENT_TOPICS, MOMENTS, REVIEWS, OUTCOMES), 72 * HOUR),
    DEAD_LETTERS: 7 * 24 * HOUR,
}
"""Every topic, and for how long it keeps a record (milliseconds)."""


class CannotReachKafka(Exception):
    """The broker did not answer, or would not do it. The message is one sentence that says what to look at."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it is made."""

    name: str
    partitions: int
    copies: int
    options: Mapping[str, str]


def topics(settings: Settings) -> tuple[Topic, ...]:
    """Every topic, as these settings want it."""
    return tuple(
        Topic(name, settings.kafka_partitions, settings.kafka_replication, _options(kept, settings.kafka_replication))
        for name, kept in KEPT.items()
    )


def connection(settings: Settings) -> dict[str, Any]:
    """How kafka-python reaches the cluster: for producers and for the admin client. Raises BadSettings if none is set."""
    password = settings.kafka_sasl_password
    options: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.need("kafka").split(",")],
        "security_protocol": settings.kafka_security_protocol,
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_sasl_username,
        "sasl_plain_password": password.get_secret_value() if password else None,
        "ssl_cafile": str(settings.kafka_ca_file) if settings.kafka_ca_file else None,
        "metadata_max_age_ms": 10_000,  # a topic that grew is seen in seconds, not in five minutes
        "reconnect_backoff_max_ms": 500,
    }
    return {name: value for name, value in options.items() if value is not None}


def create(settings: Settings) -> tuple[str, ...]:
    """Make the topics that are not there yet, and return their names. Safe to repeat; what is there is left as it is.

    Raises:
        CannotReachKafka: one sentence.
        BadSettings: no broker is named.
    """
    client = _client(settings)
    try:
        return tuple(topic.name for topic in topics(settings) if _create(client, topic))
    except KafkaError as problem:
        raise CannotReachKafka(
            f"Kafka would not make the topics ({type(problem).__name__}): the user in NIGHTLIGHT_KAFKA_SASL_USERNAME "
            f"must be allowed to, and there must be {settings.kafka_replication} broker(s) for the copies."
        ) from problem
    finally:
        client.close()


class Look:
    """A look at which topics are missing, through one connection that is kept. Blocks for some seconds at most."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: KafkaAdminClient | None = None

    def __call__(self) -> tuple[str, ...]:
        """The topics that the broker does not have. Raises CannotReachKafka if it does not answer."""
        client = self._client or _client(self._settings)
        try:
            there = set(client.list_topics())
        except KafkaError as problem:
            self._client = client
            raise _unreachable(self._settings, problem) from problem
        self._client = client
        return tuple(name for name in KEPT if name not in there)

    def close(self) -> None:
        """Let the connection go; the next look makes another."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _client(settings: Settings) -> KafkaAdminClient:
    options = connection(settings)
    client = KafkaAdminClient.__new__(KafkaAdminClient)
    try:
        client.__init__(**options, bootstrap_timeout_ms=3_000, request_timeout_ms=3_000)
    except (KafkaError, OSError) as problem:
        # A client that could not start leaves its thread to try for ever, unless it is told that it is open, and closed.
        client._closed = False  # noqa: SLF001
        client.close()
        raise _unreachable(settings, problem) from problem
    return client


def _unreachable(settings: Settings, problem: Exception) -> CannotReachKafka:
    return CannotReachKafka(
        f"Kafka at {settings.kafka} does not answer ({type(problem).__name__}): look at NIGHTLIGHT_KAFKA and whether the broker runs."
    )


def _create(client: KafkaAdminClient, topic: Topic) -> bool:
    wanted = {"num_partitions": topic.partitions, "replication_factor": topic.copies, "configs": dict(topic.options)}
    try:
        client.create_topics({topic.name: wanted}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        return False
    return True


def _options(kept: int, copies: int) -> dict[str, str]:
    return {
        "retention.ms": str(kept),
        "max.message.bytes": str(LARGEST_RECORD),
        "message.timestamp.type": "LogAppendTime",  # a producer with a wrong clock would age its own records
        "unclean.leader.election.enable": "false",
        # With three copies one broker may be away and acks=all still means two.
        **({"min.insync.replicas": "2"} if copies >= 3 else {}),
    }
