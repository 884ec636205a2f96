"""The servers out of wheels: they start, stop, come back, end with us, and say in one sentence what is wrong."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from embedded import broker, postgres
from embedded.server import EmbeddedError, Running, unbroken
from tests.kafka.clients import consume, produce
from tests.servers import libpq

STARTERS: dict[str, Callable[..., Running]] = {"postgres": postgres.start, "broker": broker.start}
# A program that starts a server, says its process id, and then waits to be ended in some way.
PARENT = """
import pathlib, sys, time
from embedded import broker, postgres
running = {module}.start(pathlib.Path(sys.argv[1]))
print(running.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture(params=STARTERS)
def start(request: pytest.FixtureRequest) -> Callable[..., Running]:
    return STARTERS[str(request.param)]


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_server_is_gone_once_it_is_stopped_and_stopping_twice_is_harmless(
    start: Callable[..., Running], home: Path
) -> None:
    running = start(home)

    running.stop()
    running.stop()

    assert not running.alive()
    assert not exists(running.pid)


def test_a_port_that_is_taken_is_said_in_one_sentence(start: Callable[..., Running], home: Path, taken: int) -> None:
    with pytest.raises(EmbeddedError, match=f"cannot have port {taken} on 127.0.0.1, something else is using it"):
        start(home, port=taken)


def test_a_directory_that_cannot_be_made_is_said_in_one_sentence(start: Callable[..., Running], tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EmbeddedError, match=r"file/home cannot be made \(Not a directory\): choose another directory"):
        start(tmp_path / "file" / "home")


@pytest.mark.parametrize("module", STARTERS)
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_ends_with_the_process_that_started_it(module: str, end: signal.Signals, home: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT.format(module=module), str(home)], stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())

        parent.send_signal(end)

    eventually(lambda: not exists(server))


@pytest.fixture
def stoppable() -> Iterator[None]:
    """Ctrl-C interrupts, also where the tests run behind a shell that keeps it from them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("stoppable")
def test_being_stopped_waits_until_what_was_begun_is_on_record() -> None:
    record = []

    def begin() -> None:
        with unbroken():
            signal.raise_signal(signal.SIGINT)
            record.append("begun")

    with pytest.raises(KeyboardInterrupt):
        begin()

    assert record == ["begun"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_was_written_is_there_after_a_stop_and_after_a_kill(home: Path) -> None:
    with postgres.start(home) as first:
        execute(first.url, "CREATE TABLE note (said text)", "INSERT INTO note VALUES ('before the stop')")
    second = postgres.start(home)
    execute(second.url, "INSERT INTO note VALUES ('before the kill')")
    second.kill()

    with postgres.start(home) as third:
        rows = execute(third.url, "SELECT said FROM note ORDER BY said")

    assert rows == [("before the kill",), ("before the stop",)]


def test_a_process_id_that_now_belongs_to_another_program_does_not_keep_the_database_shut(home: Path) -> None:
    running = postgres.start(home)
    recorded = home / "postgres" / "postmaster.pid"
    stale = recorded.read_text()
    running.kill()
    # The number of this very process: alive, and no PostgreSQL, as after a machine has started again.
    recorded.write_text(stale.replace(str(running.pid), str(os.getpid()), 1))

    with postgres.start(home) as again:
        assert execute(again.url, "SELECT 1") == [(1,)]


def test_a_second_server_on_the_same_data_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "LEAVES_WITHIN", 0.2)

    with (
        postgres.start(home) as first,
        pytest.raises(EmbeddedError, match=f"in use by another run .process {first.pid}"),
    ):
        postgres.start(home)


def test_data_of_another_version_is_left_alone(home: Path) -> None:
    (home / "postgres").mkdir(parents=True)
    (home / "postgres" / "PG_VERSION").write_text("17\n")

    with pytest.raises(EmbeddedError, match="was written by another version of PostgreSQL"):
        postgres.start(home)


def test_the_database_wants_the_password(postgres_url: str) -> None:
    without = postgres_url.replace("postgresql+psycopg://nightlight:", "postgresql://nightlight:not-")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(without)


def test_a_failing_statement_leaves_no_value_in_the_log(home: Path) -> None:
    with postgres.start(home, durable=False) as running:
        execute(running.url, "CREATE TABLE child (name text PRIMARY KEY)", "INSERT INTO child VALUES ('Quentin')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            execute(running.url, "INSERT INTO child VALUES ('Quentin')")
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            execute(running.url, "SELECT 'Quentin'::int")

    assert "Quentin" not in running.log.read_text()
    assert "ready to accept connections" in running.log.read_text()


def test_a_broker_that_starts_has_its_topics_and_making_them_again_is_harmless(home: Path, unique: str) -> None:
    with broker.start(home, topics={unique: 3}) as running:
        broker.create_topics(running.url, {unique: 3, f"{unique}-2": 1})

        assert broker.count_partitions(running.url) == {unique: 3, f"{unique}-2": 1}


def test_the_broker_keeps_no_event_on_disk(home: Path, unique: str) -> None:
    with broker.start(home, topics={unique: 1}) as running:
        produce(running.url, unique, [b"Quentin"])

    assert [file.name for file in home.iterdir()] == ["broker.log"]
    assert "Quentin" not in running.log.read_text()


@pytest.mark.parametrize("idempotent", [True, False])
def test_what_a_broker_acknowledged_a_group_reads_in_order(each_broker: str, unique: str, idempotent: bool) -> None:
    broker.create_topics(each_broker, {unique: 1})
    said = [str(number).encode() for number in range(20)]

    produce(each_broker, unique, said, idempotent=idempotent)

    assert consume(each_broker, unique, group=unique, count=20) == said


def test_a_group_goes_on_where_it_stopped(each_broker: str, unique: str) -> None:
    broker.create_topics(each_broker, {unique: 1})
    produce(each_broker, unique, [b"first"])
    consume(each_broker, unique, group=unique, count=1)

    produce(each_broker, unique, [b"second"])

    assert consume(each_broker, unique, group=unique, count=1) == [b"second"]


def test_a_fresh_database_holds_nothing_of_the_last_test(database_url: str) -> None:
    tables = execute(database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")

    assert tables[0][0] > 5


def execute(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements, each in a transaction of its own, and return the last one's rows."""
    with psycopg.connect(libpq(url), autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def exists(pid: int) -> bool:
    """Is there a process of this number that is not merely waiting to be buried?"""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
