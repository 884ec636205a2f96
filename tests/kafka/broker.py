"""A real Apache Kafka broker for the tests: one node, KRaft, 127.0.0.1; got by Maven, kept outside the repository.

Which version, and why: `pom.xml` beside this file and docs/decisions/0002-kafka-version.md.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from embedded.broker import answers
from embedded.server import HOST, Running, choose_port, make_private
from tests.once import one_at_a_time

HERE = Path(__file__).parent
POM = HERE / "pom.xml"
NAME = "Apache Kafka"
JAVA = 17
RESOLVED = "resolved"  # the file that is written last: a download cut short is done again
CLUSTER = "nightlight-tests-00000"  # any 16 bytes in base64
READY_WITHIN = 60  # seconds; about 3 s on an idle machine

# A short-lived process with a small heap: compile quickly rather than well.
JVM = ["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]

PROPERTIES: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    # One broker: there is nobody to copy to.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # As in production: a topic nobody made is a mistake, and a sender's wrong clock must not age its own records.
    "auto.create.topics.enable": "false",
    "log.message.timestamp.type": "LogAppendTime",
    # The workers' own timings (shared with docker-compose.yml): notice a dead worker in seconds.
    "group.min.session.timeout.ms": "3000",
    "group.initial.rebalance.delay.ms": "0",
    # After a kill it starts again once the controller has given up on the one before: 9 s if we let it.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "log.cleaner.dedupe.buffer.size": str(4 * 1024 * 1024),
    "num.network.threads": "2",
    "num.io.threads": "4",
}


class KafkaMissingError(RuntimeError):
    """A real broker cannot be had on this machine: the message is the reason, in a few words."""


def start(port: int, data_dir: Path, *, properties: Mapping[str, str] | None = None) -> Running:
    """Start a broker on 127.0.0.1:`port` (0: any free one) and return once it answers.

    `data_dir` keeps its topics and its log, `kafka.log`: start again with the same port and directory, and it is the
    same broker after a stop or a kill. `properties` go over `PROPERTIES`. What comes back has `url` (the bootstrap
    address), `pid`, `stop()` and `kill()`.

    Raises:
        KafkaMissingError: there is no Java 17, or the broker's files cannot be had.
        EmbeddedError: the port is taken, or the broker died as it started.
    """
    jars = resolve()
    data_dir = make_private(data_dir)
    port = choose_port(NAME, port)
    configuration = data_dir / "server.properties"
    configuration.write_text(_configuration(port, data_dir, properties or {}))
    java = [find_java(), *JVM, f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}", "-cp", f"{jars}/*"]
    _format(java, configuration, data_dir / "topics")

    running = Running(
        NAME, [*java, "kafka.Kafka", str(configuration)], url=f"{HOST}:{port}", log=data_dir / "kafka.log"
    )
    try:
        running.wait_until(lambda: answers(running.url), seconds=READY_WITHIN)
    except BaseException:
        running.stop()
        raise
    return running


def version() -> str:
    """The version that `pom.xml` pins."""
    found = re.search(r"<kafka.version>(.+?)</kafka.version>", POM.read_text())
    assert found is not None, "pom.xml names no kafka.version"
    return found[1]


def resolve() -> Path:
    """The directory with the broker's jars, fetched by Maven the first time (44 MB) and kept for the next.

    Raises:
        KafkaMissingError: no Java 17, no Maven, or Maven could not get them.
    """
    find_java()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    jars = home / "nightlight" / f"kafka-{version()}"
    if not _is_whole(jars):
        with one_at_a_time(jars):
            if not _is_whole(jars):  # whoever came first has got them
                _fetch(jars)
    return jars


def _is_whole(jars: Path) -> bool:
    return (jars / RESOLVED).exists() and (jars / RESOLVED).read_text() == POM.read_text()


def _fetch(jars: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaMissingError("no Maven on PATH; install maven")
    # Apart, then moved: what was cut short is not taken for whole.
    fetched = jars.with_name(f"{jars.name}.{os.getpid()}")
    command = [maven, "--batch-mode", "--quiet", "--file", str(POM), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={fetched}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if result.returncode:
        shutil.rmtree(fetched, ignore_errors=True)
        why = "run 'mvn -f tests/kafka/pom.xml dependency:resolve' to see why"
        raise KafkaMissingError(f"Maven could not get Apache Kafka {version()}; {why}")
    (fetched / RESOLVED).write_text(POM.read_text())
    shutil.rmtree(jars, ignore_errors=True)
    fetched.rename(jars)


@cache
def missing() -> str | None:
    """Why a real broker cannot be had here; None if it can. The first call may fetch it."""
    try:
        resolve()
    except KafkaMissingError as reason:
        return str(reason)
    return None


@cache
def find_java() -> str:
    """The program `java`, of version 17 or newer.

    Raises:
        KafkaMissingError: there is none.
    """
    java = shutil.which("java")
    if java is None:
        raise KafkaMissingError(f"no Java {JAVA} on PATH; install openjdk-{JAVA} and maven")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < JAVA:
        raise KafkaMissingError(f"the Java on PATH is older than {JAVA}; install openjdk-{JAVA}")
    return java


def _configuration(port: int, data_dir: Path, properties: Mapping[str, str]) -> str:
    # The controller's own port matters to nobody but the broker itself.
    controller = choose_port(NAME, 0)
    addresses = {
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.bootstrap.servers": f"{HOST}:{controller}",
        "log.dirs": str(data_dir / "topics"),
    }
    return "".join(f"{name}={value}\n" for name, value in {**PROPERTIES, **addresses, **properties}.items())


def _format(java: list[str], configuration: Path, topics: Path) -> None:
    """Give a new broker its identity; a broker that has one keeps it."""
    if (topics / "meta.properties").exists():
        return
    command = [*java, "kafka.tools.StorageTool", "format", "--standalone", "--config", str(configuration)]
    command += ["--cluster-id", CLUSTER]
    subprocess.run(command, capture_output=True, text=True, check=True)
