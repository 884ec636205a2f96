"""`nightlight mllp` and `nightlight feeds` as an operator runs them: on a real database and broker."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from connectors.mllp.framing import framed
from connectors.mllp.known import Peer, Senders
from connectors.visits.known import Known, Visits
from connectors.visits.memory import MOST_AT_ONCE, Memory
from schemas.base import utc_now
from schemas.sealing import Keyring
from store import agencies
from store import senders as store
from store.database import connect
from store.senders import Sender, SenderRefused
from tests.hl7.cast import NOW, PID, ROYAL, fields, message
from tests.house import ROOT, eventually, free_ports, own_environment, run, run_here
from tests.web import WEB

RULES = """\
sender,agency,application,facility,site,locations
royal,barts,PAS,R1H12,R1H12,RNJ ED
"""


async def registered(database_url: str, *, authority: str = "*") -> str:
    """The agency barts, and its key."""
    engine = connect(database_url)
    async with engine.begin() as connection:
        key = await agencies.add(
            connection, "barts", types=["admission"], authorities=[authority], at=utc_now(), who="a test"
        )
    await engine.dispose()
    return key


async def test_a_sender_is_in_force_while_its_agency_has_a_key(database_url: str) -> None:
    await registered(database_url)
    engine = connect(database_url)
    senders = Senders(engine, utc_now)
    async with engine.begin() as connection:
        await store.apply(connection, [ROYAL], at=utc_now(), who="a test")
        assert await store.listing(connection) == [ROYAL]
    await senders.refresh()
    before = senders.find("PAS", "R1H12", Peer("127.0.0.1"))

    async with engine.begin() as connection:
        await agencies.revoke(connection, "barts", at=utc_now(), who="a test")
    await senders.refresh()

    assert before is not None
    assert before[1].name == "barts"
    assert senders.find("PAS", "R1H12", Peer("127.0.0.1")) is None
    await engine.dispose()


@pytest.mark.parametrize(
    "sender",
    [
        Sender("royal", "nobody", "PAS", "R1H12"),
        Sender("royal", "barts", "PAS", "R1H12", source="somebody-else"),
        Sender("royal", "barts", "PAS", "R1H12", authority="E09000030"),
    ],
    ids=["no such agency", "a source of somebody else's", "an authority that is not the agency's"],
)
async def test_a_sender_cannot_be_registered_beyond_its_agency(database_url: str, sender: Sender) -> None:
    await registered(database_url, authority="E09000019")
    engine = connect(database_url)
    async with engine.begin() as connection:
        with pytest.raises(SenderRefused):
            await store.apply(connection, [sender], at=utc_now(), who="a test")
    await engine.dispose()


async def test_two_senders_cannot_be_told_apart_by_nothing(database_url: str) -> None:
    await registered(database_url)
    engine = connect(database_url)
    async with engine.begin() as connection:
        await store.apply(connection, [ROYAL], at=utc_now(), who="a test")
        with pytest.raises(SenderRefused, match="same MSH-3"):
            await store.apply(connection, [Sender("other", "barts", "pas", "R1H12")], at=utc_now(), who="a test")
    await engine.dispose()


async def test_what_is_known_of_visits_outlives_the_process_and_says_nothing_in_the_clear(database_url: str) -> None:
    engine, sealer = connect(database_url), Keyring.make()
    known = Known("R1H12", "V77", ("barts\nR1H12\nV77",), NOW, cancelled=frozenset({NOW}), told=("e-1",), ours=True)
    first, second = Visits(), Visits()
    first.keep(known)

    await Memory(first, engine, sealer, lambda: NOW).write()
    await Memory(second, engine, sealer, lambda: NOW).read()

    assert second.find("barts\nR1H12\nV77") == known
    assert first.unwritten == {}
    async with engine.connect() as connection:
        rows = (await connection.exec_driver_sql("SELECT visit, state FROM visits")).all()
    assert "V77" not in rows[0].visit
    assert b"V77" not in bytes(rows[0].state)
    await engine.dispose()


async def test_a_process_reads_what_another_wrote_and_not_what_it_wrote_itself(database_url: str) -> None:
    engine, sealer = connect(database_url), Keyring.make()
    mine, theirs = Visits(), Visits()
    first, second = Memory(mine, engine, sealer, lambda: NOW), Memory(theirs, engine, sealer, lambda: NOW)
    mine.keep(Known("R1H12", "V77", ("k",), NOW, told=("e-1",)))
    await first.write()
    await second.read()
    mine.forget(NOW + timedelta(days=1))

    await first.read()
    own = mine.find("k")
    theirs.keep(Known("R1H12", "V77", ("k",), NOW + timedelta(seconds=1), told=("e-2",)))
    await second.write()
    await first.read()

    assert own is None
    assert (known := mine.find("k")) is not None
    assert set(known.told) == {"e-1", "e-2"}
    await engine.dispose()


async def test_however_many_visits_are_new_all_are_written_at_once(database_url: str) -> None:
    engine, sealer, visits = connect(database_url), Keyring.make(), Visits()
    for number in range(2 * MOST_AT_ONCE + 1):
        visits.keep(Known("R1H12", f"V{number}", (f"k{number}",), NOW))

    await Memory(visits, engine, sealer, lambda: NOW).write()

    async with engine.connect() as connection:
        rows = (await connection.exec_driver_sql("SELECT count(*) FROM visits")).scalar_one()
    assert (rows, visits.unwritten) == (2 * MOST_AT_ONCE + 1, {})
    await engine.dispose()


async def test_visits_are_forgotten_after_two_days(database_url: str) -> None:
    engine, sealer, later = connect(database_url), Keyring.make(), NOW + timedelta(days=2, minutes=1)
    visits = Visits()
    visits.keep(Known("R1H12", "V77", ("k",), NOW))
    memory = Memory(visits, engine, sealer, lambda: later)
    await memory.write()

    await memory.forget()

    async with engine.connect() as connection:
        rows = (await connection.exec_driver_sql("SELECT count(*) FROM visits")).scalar_one()
    assert (rows, len(visits)) == (0, 0)
    await engine.dispose()


def test_the_bench_shows_what_each_message_would_become_and_why_and_no_name(tmp_path: Path) -> None:
    (tmp_path / "rules.csv").write_text(RULES)
    (tmp_path / "night.hl7").write_bytes(
        framed(message("A04", patient_class="I"))
        + framed(message("A02", patient_class="I", ward="6Z", at="20261121030000"))
        + framed(message("A28"))
        + framed(b"rubbish")
    )
    (tmp_path / "one.hl7").write_bytes(message("A01", ward="7A", visit="V9"))
    words = ("feeds", "try", "royal", str(tmp_path / "night.hl7"), str(tmp_path / "one.hl7"))

    tried = run(*words, "--rules", str(tmp_path / "rules.csv"), environment=own_environment(tmp_path))

    lines = [json.loads(line) for line in tried.stdout.splitlines()]
    assert tried.returncode == 0, tried.stderr
    assert [line["type"] for line in lines] == ["ADT^A04", "ADT^A02", "ADT^A28", None, "ADT^A01"]
    assert [line["nothing"] for line in lines] == [None, None, "type-not-wanted", "refused", "not-an-arrival"]
    assert lines[0]["becomes"] == ["nightlight.admission.v1"]
    assert "PV1-3: the location is in the rule (RNJ ED*)" in lines[0]["why"]
    assert "LAMPWICK" not in tried.stdout
    shown = run(*words, "--rules", str(tmp_path / "rules.csv"), "--data", environment=own_environment(tmp_path))
    assert "LAMPWICK" in shown.stdout


@pytest.mark.parametrize(
    ("rules", "sender", "says"),
    [(RULES, "nobody", "royal"), ("sender,agency\na b,c\n", "royal", "line 2"), ("", "royal", "no rows")],
)
def test_the_bench_says_in_one_sentence_what_is_wrong(tmp_path: Path, rules: str, sender: str, says: str) -> None:
    (tmp_path / "rules.csv").write_text(rules)
    (tmp_path / "one.hl7").write_bytes(message())
    words = ("feeds", "try", sender, str(tmp_path / "one.hl7"), "--rules", str(tmp_path / "rules.csv"))

    tried = run(*words, environment=own_environment(tmp_path))

    assert tried.returncode == 1
    assert says in tried.stderr
    assert "Traceback" not in tried.stderr


class Line:
    """A sender's connection, as an integration engine has it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)

    def send(self, data: bytes) -> str:
        self.socket.sendall(framed(data))
        heard = b""
        while not heard.endswith(b"\x1c\r"):
            more = self.socket.recv(65_536)
            assert more, heard
            heard += more
        return heard[1:-2].decode()


@contextlib.contextmanager
def mllp(environment: Mapping[str, str]) -> Iterator[tuple[str, int, "subprocess.Popen[bytes]"]]:
    """`nightlight mllp`, ready: its health's address, its HL7 port, its process."""
    port = free_ports(2)
    told = {"NIGHTLIGHT_LISTEN": f"127.0.0.1:{port}", "NIGHTLIGHT_MLLP_LISTEN": f"127.0.0.1:{port + 1}"}
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [sys.executable, "-m", "nightlight", "mllp"], cwd=ROOT, env={**environment, **told}, stderr=subprocess.PIPE
    ) as process:
        try:
            eventually(lambda: _ready(url), within=60)
            yield url, port + 1, process
        finally:
            process.kill()


def _ready(url: str) -> bool:
    with contextlib.suppress(httpx2.TransportError):
        return WEB.get(f"{url}/readyz", timeout=5).status_code == 200
    return False


def test_a_registered_hospital_is_answered_once_kafka_has_it_until_it_is_revoked(
    database_url: str, broker: str, tmp_path: Path
) -> None:
    given = {"NIGHTLIGHT_DATABASE_URL": database_url, "NIGHTLIGHT_KAFKA": broker, "NIGHTLIGHT_KAFKA_PARTITIONS": "1"}
    environment = own_environment(tmp_path, given)
    (tmp_path / "rules.csv").write_text(RULES)
    for words in (
        ("keys", "make"),
        ("topics",),
        ("agencies", "add", "barts", "--types", "admission", "--authorities", "*"),
        ("feeds", "import", str(tmp_path / "rules.csv")),
    ):
        done = run_here(*words, environment=environment)
        assert done.exit_code == 0, done.stderr
    with mllp(environment) as (url, port, process):
        line = Line(port)
        first = line.send(message())
        stranger = line.send(message(sender="LAB|RXX", control_id="C2"))
        listed = run_here("feeds", "list", environment=environment).stdout
        run_here("agencies", "revoke", "barts", environment=environment)
        revoked = eventually(lambda: (said := line.send(message(control_id="C3"))) and "|AR|" in said and said)
        metrics = WEB.get(f"{url}/metrics").text
        process.send_signal(signal.SIGTERM)
        code = process.wait(10)
        log = (process.stderr.read() if process.stderr else b"").decode()

    assert fields(first) == ["MSA", "AA", "C1"]
    assert fields(stranger)[1:3] == ["AR", "C2"]
    assert fields(revoked)[1:3] == ["AR", "C3"]
    assert "location RNJ ED" in listed
    # Once, and again for each time that it was sent before it was heard that the agency is revoked.
    assert re.search(r'accepted_total\{door="mllp",feed="barts",type="nightlight.admission.v1"\} [1-9]', metrics)
    assert code == 0, log
    assert not any(word in log + metrics for word in ("LAMPWICK", "9990000018", "V77", PID))


def test_a_door_that_cannot_open_says_so_in_one_sentence(database_url: str, tmp_path: Path) -> None:
    given = {
        "NIGHTLIGHT_DATABASE_URL": database_url,
        "NIGHTLIGHT_KAFKA": "127.0.0.1:1",
        "NIGHTLIGHT_MODE": "live",
        "NIGHTLIGHT_MLLP_LISTEN": "0.0.0.0:0",
    }
    environment = own_environment(tmp_path, given)
    run_here("keys", "make", environment=environment)

    refused = run("mllp", environment=environment)

    assert refused.returncode == 1
    assert "NIGHTLIGHT_MLLP_CERTIFICATE_FILE" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert os.linesep not in refused.stderr.strip()
