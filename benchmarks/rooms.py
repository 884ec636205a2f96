"""What the benchmarks of one worker need: a broker, a database with children, a keyring, and the worker by itself."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import register
from embedded import broker, postgres
from schemas.base import utc_now
from schemas.london import today
from tests.house import ROOT, free_ports, own_environment, run
from tests.kafka import broker as apache


@dataclass(frozen=True)
class Rooms:
    kafka: str
    real: bool
    data: Path
    environment: dict[str, str]

    def command(self, *words: str) -> str:
        done = run(*words, environment=self.environment, seconds=900)
        if done.returncode:
            raise RuntimeError(f"nightlight {' '.join(words)}: {done.stderr}")
        return done.stdout

    def list_children(self, count: int) -> float:
        """Put this many on the list; returns the seconds that the import took."""
        register.write(self.data / "children.csv", count, today=today(utc_now()))
        began = time.perf_counter()
        self.command("children", "import", str(self.data / "children.csv"))
        return time.perf_counter() - began


@contextlib.contextmanager
def rooms(data: Path) -> Iterator[Rooms]:
    """A real Apache Kafka where there is one, PostgreSQL as it is in production (durable), topics and tables."""
    with contextlib.ExitStack() as stack:
        real = apache.missing() is None
        kafka = stack.enter_context(apache.start(0, data / "kafka") if real else broker.start(data / "kafka")).url
        database = stack.enter_context(postgres.start(data / "postgres")).url
        given = {"NIGHTLIGHT_KAFKA": kafka, "NIGHTLIGHT_DATABASE_URL": database, "NIGHTLIGHT_KAFKA_PARTITIONS": "4"}
        made = Rooms(kafka, real, data, own_environment(data, given))
        for words in (("keys", "make"), ("migrate",), ("topics",)):
            made.command(*words)
        yield made


@contextlib.contextmanager
def worker(made: Rooms) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """One streams worker of lane a, just started. Its address, and its process."""
    port = free_ports(1)
    environment = {**made.environment, "NIGHTLIGHT_LISTEN": f"127.0.0.1:{port}"}
    command = [sys.executable, "-m", "nightlight", "streams", "--lane", "a"]
    with (
        (made.data / "worker.log").open("ab") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log) as process,
    ):
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()


def ready(url: str) -> bool:
    """Whether the process at this address says that it is ready."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except OSError:
        return False


def memory(pid: int) -> int:
    """Resident memory now, in MiB (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


def processor_seconds(pid: int) -> float:
    """What it has used so far, in its own code and in the kernel (Linux)."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")
