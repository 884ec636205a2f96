"""Each example in `examples/` does what its first line says, against a whole Nightlight."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import House, eventually, house

pytestmark = pytest.mark.timeout(180)  # a whole house

EXAMPLES = Path(__file__).parent.parent / "examples"
AGENCY = "example-agency"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("examples")) as running:
        running.add_agency(AGENCY, "arrest,admission,missing")
        yield running


@pytest.mark.parametrize("command", [("sh", "send.sh"), (sys.executable, "send.py"), ("sh", "send_fhir.sh")])
def test_a_sender_over_http_is_told_that_its_event_is_kept(command: tuple[str, str], home: House) -> None:
    program, script = command

    done = run(home, program, script, home.urls["gateway"], AGENCY)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("{")
    assert accepted(home, "gateway", "fhir" if "fhir" in script else "http")


def test_a_sender_with_a_wrong_key_says_what_it_was_told(home: House) -> None:
    done = run(home, sys.executable, "send.py", home.urls["gateway"], AGENCY, key="nl_" + "0" * 40)

    assert done.returncode == 1
    assert "No key, or not a key in force" in done.stderr


def test_an_integration_engine_is_answered_aa(home: House) -> None:
    host, _, port = home.urls["mllp"].removeprefix("mllp://").rpartition(":")

    def answer() -> str:
        return run(home, sys.executable, "send_hl7.py", host, port, "EXAMPLE-EPR", AGENCY).stdout.strip()

    eventually(lambda: answer() == "AA")  # a moment after it was registered
    assert accepted(home, "mllp-http", "mllp")


def test_a_dropped_file_is_taken(home: House) -> None:
    folder = home.data / "inbox" / AGENCY
    folder.mkdir(parents=True)

    shutil.copy(EXAMPLES / "missing.csv", folder / "missing.csv.part")
    (folder / "missing.csv.part").rename(folder / "missing.csv")

    eventually(lambda: accepted(home, "inbox", "inbox"), within=60)
    assert not (folder / "missing.rejected.csv").exists()


def accepted(home: House, process: str, door: str) -> bool:
    return bool(re.search(rf'accepted_total\{{door="{door}",feed="{AGENCY}"', home.metrics(process)))


def run(home: House, program: str, script: str, *words: str, key: str = "") -> "subprocess.CompletedProcess[str]":
    environment = {**home.environment, "NIGHTLIGHT_KEY": key or home.keys[AGENCY]}
    return subprocess.run(
        [program, str(EXAMPLES / script), *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
