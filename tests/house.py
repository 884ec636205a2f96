"""A whole Nightlight as an operator runs it: `nightlight up` in a process of its own, and its commands beside it."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from typer.testing import CliRunner, Result

import nightlight
from schemas.base import utc_now
from schemas.london import LONDON
from tests.web import WEB

ROOT = Path(__file__).parent.parent
STARTS_WITHIN = 90.0
T = TypeVar("T")

WHO = (
    ("W-1", "Lampwick", "Robin", "2010-03-14", "male", "N1 9GU", "9990000018"),
    ("W-2", "Wickfield", "Marnie", "2011-06-02", "female", "N1 1AA", "9990000026"),
    ("W-3", "Tallow", "Jocasta", "2009-11-30", "male", "N5 2BB", "9990000034"),
    ("W-4", "Tallow", "Zebedee", "2009-11-30", "male", "N5 2BB", "9990000042"),
)
"""Four made-up children; the last two are twins. Their NHS numbers are of the synthetic range."""

RESPONDERS = """\
person,name,mobile,email,teams
ada,Ada Quill,+447700900101,ada@example.org,Islington
bo,Bo Marsh,+447700900102,bo@example.org,Islington
mo,Mo Tern,+447700900103,mo@example.org,Islington
"""


@dataclass
class House:
    """A running Nightlight. `urls` is the line that `up` printed; `written` is everything it wrote to the terminal so far."""

    urls: dict[str, Any]
    data: Path
    environment: dict[str, str]
    process: "subprocess.Popen[bytes]"
    log: Path
    keys: dict[str, str]

    def command(self, *words: str, stdin: str = "", check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run one `nightlight` command against this house."""
        done = run(*words, environment=self.environment, stdin=stdin)
        assert done.returncode == 0 or not check, f"nightlight {' '.join(words)}: {done.stderr}"
        return done

    def does(self, *words: str) -> str:
        """What a command prints that is not what the test is about: run in this process, which has imported it already."""
        done = run_here(*words, environment=self.environment)
        assert (done.exit_code, done.stderr) == (0, ""), f"nightlight {' '.join(words)}: {done.stderr}"
        return done.stdout

    def add_agency(self, name: str, types: str) -> None:
        said = self.does("agencies", "add", name, "--types", types, "--authorities", "E09000019")
        found = re.search(r"\bnl_\S+", said)
        assert found, said
        self.keys[name] = found[0]

    def send(self, event: Mapping[str, Any], *, agency: str = "met-custody") -> httpx2.Response:
        """Post one structured CloudEvent with the agency's key."""
        headers = {"Authorization": f"Bearer {self.keys[agency]}", "Content-Type": "application/cloudevents+json"}
        return WEB.post(f"{self.urls['gateway']}/v1/events", content=json.dumps(event), headers=headers, timeout=15)

    def texts(self, number: str | None = None) -> list[dict[str, Any]]:
        """Every text that reached the phone network, oldest first."""
        found: list[dict[str, Any]] = WEB.get(f"{self.urls['phone']}/phone/texts", timeout=5).json()
        return [text for text in found if number in (None, text["to"])]

    def reply(self, number: str, body: str) -> None:
        WEB.post(
            f"{self.urls['phone']}/phone/reply", json={"number": number, "body": body}, timeout=15
        ).raise_for_status()

    def metrics(self, process: str) -> str:
        return WEB.get(f"{self.urls[process]}/metrics", timeout=5).text

    def pids(self) -> dict[str, int]:
        """Process ids of our own processes, by their command's words."""
        listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
        ours = [line.split(None, 2) for line in listed.splitlines()[1:]]
        return {
            words.split("-m nightlight ", 1)[1].replace(" --lane ", "-"): int(pid)
            for pid, parent, words in ours
            if int(parent) == self.process.pid and "-m nightlight " in words
        }


def run(
    *words: str, environment: Mapping[str, str], stdin: str = "", seconds: float = 120
) -> "subprocess.CompletedProcess[str]":
    """One command as an operator types it."""
    return subprocess.run(
        [sys.executable, "-m", "nightlight", *words],
        check=False,
        cwd=ROOT,
        env=dict(environment),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
    )


def run_here(*words: str, environment: Mapping[str, str], stdin: str | bytes = "") -> Result:
    """One command in this process: the same code and the same words, without a second of imports. Not in a running loop."""
    unset = {name: None for name in os.environ if name.startswith("NIGHTLIGHT_")}
    done = CliRunner().invoke(nightlight.app, words, input=stdin, env={**unset, **environment})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def eventually(what: Callable[[], T], *, within: float = 20.0, every: float = 0.1) -> T:
    """What `what` returns once it is true (not empty, not None). Fails after `within` seconds with what it returned last."""
    deadline = time.monotonic() + within
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {within} s: {found!r}"
        time.sleep(every)
    return found


def free_ports(count: int) -> int:
    """The first of `count` ports in a row that nobody has now."""
    for first in range(21_000 + os.getpid() % 500 * 20, 60_000, count):
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(first, first + count):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise AssertionError("no free ports")


def own_environment(data: Path, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a house: nothing of ours that the machine may have set, its own data directory."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NIGHTLIGHT_")}
    return {**clean, "NIGHTLIGHT_DATA_DIR": str(data), "PYTHONPATH": str(ROOT), **(given or {})}


@contextlib.contextmanager
def house(data: Path, *, given: Mapping[str, str] | None = None) -> Iterator[House]:
    """Start one, and stop it at the end. `given` are settings, such as a real broker's address."""
    environment = own_environment(data, given)
    data.mkdir(parents=True, exist_ok=True)
    log = data / "terminal.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "nightlight", "up", "--ports-from", str(free_ports(10))],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=output,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"nightlight up did not start: {log.read_text()[-2000:]}"
            yield House(json.loads(line), data, environment, process, log, {})
        finally:
            process.terminate()
            process.wait(timeout=15)
            process.stdout.close()  # type: ignore[union-attr]


def settle_in(home: House, *, waits: tuple[float, float, float] = (2, 2, 3)) -> None:
    """Made-up children, three people on call for a day from an hour ago, a quick policy, and one agency for each kind."""
    now = utc_now().astimezone(LONDON)
    today = now.date()
    _import(home, "children", children(today))
    _import(home, "responders", RESPONDERS)
    _import(home, "rota", rota(now))
    roles = ("primary", "backup", "manager")
    rows = [
        f"Islington,{step},{role},sms,{wait}"
        for step, (role, wait) in enumerate(zip(roles, waits, strict=True), start=1)
    ]
    _import(home, "policies", "\n".join(("team,step,role,channels,wait_seconds", *rows, "")))
    for agency, types in (
        ("met-custody", "arrest"),
        ("whittington", "admission"),
        ("highbury-school", "exclusion"),
        ("met-missing", "missing"),
    ):
        home.add_agency(agency, types)


def children(today: date) -> str:
    """The four of WHO as the CSV of contract section 5."""
    person = "child_id,family_name,given_name,date_of_birth,sex,postcode,nhs_number"
    entry = "action,authority,team,reason,legal_basis,decided_by,starts_on,review_on,expires_on,approach"
    rest = ("add", "E09000019", "Islington", "at risk", "Children Act 1989 s17", "panel", today)
    dates = (today + timedelta(days=60), today + timedelta(days=80))
    rows = [",".join(map(str, (*who, *rest, *dates, "not at home"))) for who in WHO]
    return "\n".join((f"{person},{entry}", *rows, ""))


def rota(now: datetime) -> str:
    """Ada first, Bo second, Mo the manager, for a day from an hour ago."""
    starts, ends = (f"{now + timedelta(hours=hours):%Y-%m-%d %H:%M}" for hours in (-1, 24))
    people = (("ada", "primary"), ("bo", "backup"), ("mo", "manager"))
    return "\n".join(
        ("team,person,role,starts,ends", *(f"Islington,{person},{role},{starts},{ends}" for person, role in people), "")
    )


def _import(home: House, noun: str, csv: str) -> None:
    file = home.data / f"{noun}.csv"
    file.write_text(csv)
    home.does(noun, "import", str(file))
