"""`nightlight up` as an operator has it: everything in one terminal, changed while it runs, stopped without a trace."""

import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiokafka
import httpx2
import psycopg
import pytest

from schemas.authorities import authorities
from schemas.base import utc_now
from schemas.london import today
from schemas.moments import MOMENTS
from schemas.sealing import KeyringFile
from schemas.wire import event_key
from store.database import libpq_url
from tests.events import DATA, cloud_event
from tests.house import ROOT, WHO, House, children, eventually, free_ports, house, own_environment, run, settle_in
from tests.web import WEB

pytestmark = pytest.mark.timeout(240)  # two of these start a whole house, twice over, on a machine that may be busy

PROCESSES = ("gateway", "mllp-http", "inbox", "desk", "pager", "streams-a", "streams-b", "phone")
STOPS_WITHIN = 10  # seconds: contract section 1
NEW = ("W-9", "Quarrel", "Ottoline", "2012-08-09", "female", "E8 1AA", "9990000050")
STRANGER = ("", "Strangways", "Ptolemy", "2012-05-05", "male", "SW9 8XX", "9990000069")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house on the embedded broker and database, with three people on call who have all the time in the world."""
    with house(tmp_path_factory.mktemp("up")) as running:
        settle_in(running, waits=(600, 600, 600))
        yield running


def arrest(name: str, who: tuple[str, ...]) -> dict[str, Any]:
    """An arrest as a custody suite reports it; `who` is a line of WHO."""
    fields = ("child_id", "family_name", "given_name", "date_of_birth", "sex", "postcode", "nhs_number")
    person = dict(zip(fields, who, strict=True))
    del person["child_id"]
    data = {**DATA["nightlight.arrest.v1"], "custody_record": name, "person": person}
    return cloud_event("nightlight.arrest.v1", id=name, data=data)


def rows(home: House, query: str, *values: Any) -> list[Any]:
    held = json.loads((home.data / "running.json").read_text())
    with psycopg.connect(libpq_url(held["database"])) as database:
        return database.execute(query, values).fetchall()


def outcome(home: House, name: str) -> str | None:
    """What the arrest of this name came to, if it was about a watched child."""
    key = event_key(KeyringFile(home.data / "keyring.json"), "met-custody", name)
    found = rows(home, "SELECT outcome FROM facts WHERE event_key = %s", key)
    return found[0][0] if found else None


def loaded(home: House) -> list[float]:
    """How many children each lane has in its index."""
    found = [re.search(r"^nightlight_children_loaded (\S+)", home.metrics(f"streams-{lane}"), re.M) for lane in "ab"]
    return [float(each[1]) for each in found if each]


def descendants(pid: int) -> dict[int, str]:
    """Every process below this one, with its command: programs, servers, and what holds their leashes."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    entries = [line.split(None, 2) for line in listed.splitlines()[1:]]
    found: dict[int, str] = {}
    parents = {pid}
    while parents:
        below = {int(child): words for child, parent, words in entries if int(parent) in parents}
        found |= below
        parents = set(below)
    return found


def still_there(pids: dict[int, str]) -> dict[int, str]:
    """Which of these live; one that has ended and waits for its parent to look is gone."""
    listed = subprocess.run(["ps", "-eo", "pid,stat"], capture_output=True, text=True, check=True).stdout
    alive = {int(pid) for pid, state in map(str.split, listed.splitlines()[1:]) if not state.startswith("Z")}
    return {pid: words for pid, words in pids.items() if pid in alive}


def test_one_line_of_json_names_every_address_and_no_password(home: House) -> None:
    assert home.urls.pop("ready", True) is True
    assert home.urls.keys() == {*PROCESSES, "kafka", "mllp"}
    assert re.fullmatch(r"mllp://127\.0\.0\.1:\d+", home.urls["mllp"])
    assert all(re.fullmatch(r"http://127\.0\.0\.1:\d+", home.urls[process]) for process in PROCESSES)
    assert "is ready" in home.log.read_text()
    assert (home.data / "running.json").stat().st_mode & 0o77 == 0


@pytest.mark.parametrize("process", PROCESSES)
def test_every_http_process_says_whether_it_lives_is_ready_what_it_counts_and_what_it_takes(
    home: House, process: str
) -> None:
    with httpx2.Client(base_url=home.urls[process], verify=authorities(), timeout=5) as client:
        answers = {path: client.get(path) for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs")}

    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert answers["/readyz"].json() == {"ready": True, "because": []}
    assert answers["/metrics"].headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answers["/openapi.json"].json()["openapi"].startswith("3.")
    assert "<table>" in answers["/docs"].text


def test_migrating_beside_it_finds_its_database_and_is_safe_to_repeat(home: House) -> None:
    assert [home.command("migrate").stdout for _ in range(2)] == ["The database is at this version.\n"] * 2


def test_the_doctor_beside_it_tries_the_providers_that_it_made_up_and_says_where_they_end(home: House) -> None:
    told = [json.loads(line) for line in home.command("doctor", "--json", check=False).stdout.splitlines()]

    where, *tried = [(one["state"], one["says"]) for one in told if one["what"] == "providers"]
    assert where == (
        "note",
        f"Texts and calls end on the screen of 'nightlight up', at {home.urls['phone']}: no real phone rings.",
    )
    assert ("well", "sms by twilio answers.") in tried
    assert {state for state, says in tried if says.startswith("sms")} == {"well"}
    assert all("only a drill tries it" in says for _, says in tried if not says.startswith("sms"))
    assert [one["says"] for one in told if one["what"] == "process"] == []


def test_a_provider_of_the_operators_own_is_tried_and_not_the_made_up_one(home: House) -> None:
    environment = {**home.environment, "NIGHTLIGHT_TWILIO_API": "http://127.0.0.1:9"}

    said = run("doctor", environment=environment).stdout

    assert "WRONG  providers   sms by twilio: " in said


def test_a_second_up_on_the_same_data_is_refused_in_one_sentence(home: House) -> None:
    refused = run("up", "--ports-from", str(free_ports(10)), environment=home.environment)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"Nightlight is already running on {home.data}: stop it first, or choose another --data.\n"


def test_a_port_that_is_taken_is_named_in_one_sentence_and_nothing_is_left_behind(home: House, tmp_path: Path) -> None:
    port = int(home.urls["streams-b"].rpartition(":")[2])

    refused = run("up", "--ports-from", str(port - 5), environment=own_environment(tmp_path / "other"))

    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.fullmatch(
        r"The gateway cannot have port \d+ on 127\.0\.0\.1, something else is using it: .+\.\n", refused.stderr
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"NIGHTLIGHT_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"},
            "PostgreSQL does not answer at NIGHTLIGHT_DATABASE_URL",
        ),
        ({"NIGHTLIGHT_DATA_DIR": "/dev/null/data"}, "/dev/null/data cannot be made"),
        ({"NIGHTLIGHT_KEYRING_FILE": "/nowhere/keyring.json"}, "NIGHTLIGHT_KEYRING_FILE: there is no file"),
    ],
)
def test_what_up_cannot_start_with_is_one_sentence(given: dict[str, str], says: str, tmp_path: Path) -> None:
    refused = run("up", "--ports-from", str(free_ports(10)), environment=own_environment(tmp_path / "data", given))

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(says)
    assert refused.stderr.count("\n") == 1


def test_an_agency_may_send_as_soon_as_it_has_its_key_and_no_more_within_a_second_of_losing_it(home: House) -> None:
    home.add_agency("new-suite", "arrest")
    event = {**arrest("new-1", STRANGER), "source": "new-suite"}

    first = home.send(event, agency="new-suite")
    home.does("agencies", "revoke", "new-suite")
    eventually(lambda: home.send(event, agency="new-suite").status_code == 401, within=1.5, every=0.05)

    assert first.status_code == 202


def test_a_child_put_on_the_list_or_taken_off_is_so_in_both_workers_within_a_second(home: House) -> None:
    before = loaded(home)
    row = children(today(utc_now())).splitlines()
    file = home.data / "new.csv"
    file.write_text("\n".join((row[0], row[1].replace(",".join(WHO[0]), ",".join(NEW)), "")))

    home.does("children", "import", str(file))
    eventually(lambda: loaded(home) == [count + 1 for count in before], within=1.5, every=0.05)
    home.send(arrest("new-2", NEW))
    eventually(lambda: outcome(home, "new-2") == "paged")
    home.does("children", "remove", NEW[0])
    eventually(lambda: loaded(home) == before, within=1.5, every=0.05)
    home.send(arrest("new-3", NEW))
    home.send(arrest("new-4", WHO[0]))
    eventually(lambda: outcome(home, "new-4") == "paged")

    assert outcome(home, "new-3") is None


def test_a_keyring_that_is_rotated_while_events_come_loses_none(home: House) -> None:
    names = [f"rotate-{number}" for number in range(6)]

    for name in names[:3]:
        home.send(arrest(name, WHO[1]))
    home.command("keys", "rotate")
    for name in names[3:]:
        assert home.send(arrest(name, WHO[1])).status_code == 202

    eventually(lambda: None not in [outcome(home, name) for name in names])
    assert [outcome(home, name) for name in names].count("paged") == 1
    assert "k2  (current)" in home.command("keys", "list").stdout


async def test_what_could_not_be_handled_is_listed_shown_and_sent_again(home: House) -> None:
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=home.urls["kafka"])
    await producer.start()
    sent = await producer.send_and_wait(MOMENTS, b"not sealed by anybody", headers=[("nl_kind", b"nonsense")])
    await producer.stop()
    place = f"{MOMENTS}/{sent.partition}/{sent.offset}"

    listed = eventually(lambda: [line for line in listing(home) if line.startswith(place)])
    shown = home.command("dead-letters", "show", place).stdout
    replayed = home.command("dead-letters", "replay", place).stdout
    eventually(lambda: {line.split()[0] for line in listing(home)} - {place})

    assert {line.split()[1] for line in listed} <= {"a", "b"}
    assert "the record: 21 bytes, unchanged" in shown
    assert "not sealed by anybody" not in shown
    assert replayed == f"{place} was sent again.\n"
    assert home.command("audit", "verify").stdout == "The chain holds.\n"


def listing(home: House) -> list[str]:
    return [line for line in home.command("dead-letters", "list").stdout.splitlines() if line.startswith("nightlight.")]


def test_the_answer_is_the_same_and_takes_the_same_time_whether_or_not_the_child_is_watched(home: House) -> None:
    kinds = ["watched", "unknown"] * 300
    random.Random(20261121).shuffle(kinds)  # what one event sets going in the workers must slow both kinds alike
    events = {"watched": WHO[2], "unknown": STRANGER}
    headers = {"Authorization": f"Bearer {home.keys['met-custody']}", "Content-Type": "application/cloudevents+json"}
    seconds: dict[str, list[float]] = {"watched": [], "unknown": []}
    shapes: dict[str, set[str]] = {"watched": set(), "unknown": set()}

    with httpx2.Client(base_url=home.urls["gateway"], headers=headers, timeout=15) as client:
        for number, kind in enumerate(kinds):
            body = json.dumps(arrest(f"same-{number:03}", events[kind]))
            began = time.perf_counter()
            answer = client.post("/v1/events", content=body)
            seconds[kind].append(time.perf_counter() - began)
            shapes[kind].add(shape(answer))

    assert shapes["watched"] == shapes["unknown"]
    assert len(shapes["watched"]) == 1
    medians = {kind: statistics.median(times) for kind, times in seconds.items()}
    assert 0.7 < medians["watched"] / medians["unknown"] < 1.4, medians


def shape(answer: httpx2.Response) -> str:
    """Everything of an answer, with a 0 for each digit: ids and times differ in nothing else."""
    names = [(name, value if name != "date" else "") for name, value in answer.headers.items()]
    return re.sub(r"[0-9]", "0", f"{answer.status_code} {names} {answer.text}")


def test_a_process_that_is_killed_is_begun_again(home: House) -> None:
    before = home.pids()

    os.kill(before["gateway"], signal.SIGKILL)
    after = eventually(lambda: home.pids().get("gateway") not in (None, before["gateway"]) and home.pids())
    eventually(lambda: WEB.get(f"{home.urls['gateway']}/readyz").status_code == 200 if answers(home) else False)

    assert after
    assert {name: pid for name, pid in after.items() if name != "gateway"} == {
        name: pid for name, pid in before.items() if name != "gateway"
    }
    assert home.send(arrest("killed-1", STRANGER)).status_code == 202
    assert "gateway ended with code -9; it is begun again" in home.log.read_text()


def answers(home: House) -> bool:
    try:
        return WEB.get(f"{home.urls['gateway']}/healthz").is_success
    except httpx2.TransportError:
        return False


def test_what_was_kept_is_there_after_a_kill_and_a_start(tmp_path: Path) -> None:
    """The whole of it is killed as a power cut would: nothing lives on, and the next start finds the list. Ctrl-C then ends that."""
    data = tmp_path / "house"
    with house(data) as first:
        file = data / "children.csv"
        file.write_text(children(today(utc_now())))
        first.does("children", "import", str(file))
        below = descendants(first.process.pid)
        first.process.kill()
        eventually(lambda: not still_there(below), within=STOPS_WITHIN)

    with house(data) as second:
        kept = second.command("children", "list").stdout
        below = descendants(second.process.pid)
        began = time.monotonic()
        second.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        second.process.send_signal(signal.SIGINT)  # an impatient hand
        code = second.process.wait(timeout=15)

    assert (code, time.monotonic() - began < STOPS_WITHIN) == (0, True)
    assert [line.split()[0] for line in kept.splitlines()[1:]] == [who[0] for who in WHO]
    assert len(below) > 2 * len(PROCESSES)
    assert still_there(below) == {}
    assert not (data / "running.json").exists()


def test_being_stopped_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "nightlight", "up", "--ports-from", str(free_ports(10))],
        cwd=ROOT,
        env=own_environment(tmp_path / "house"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        eventually(lambda: any("nightlight gateway" in words for words in descendants(process.pid).values()), within=60)
        below = descendants(process.pid)
        process.terminate()
        said, complaint = process.communicate(timeout=STOPS_WITHIN)

    assert process.returncode == 1
    assert said == b""
    assert complaint.splitlines()[-1] == b"Stopped before it was ready."
    assert b"Traceback" not in complaint
    assert still_there(below) == {}


def test_sigterm_stops_all_of_it_within_ten_seconds(home: House) -> None:
    """The last test here: it ends the house of the others."""
    below = descendants(home.process.pid)
    began = time.monotonic()

    home.process.terminate()
    code = home.process.wait(timeout=15)

    assert (code, time.monotonic() - began < STOPS_WITHIN) == (0, True)
    assert len(below) > 2 * len(PROCESSES)
    assert still_there(below) == {}
