"""The doctor tries everything, names what is wrong with what to do, and is quiet about what is well."""

import json
from pathlib import Path

import pytest

from schemas.sealing import Keyring, save
from tests.house import own_environment, run
from tests.terminal import Terminal

DEAD = "127.0.0.1:9"


def findings(terminal: Terminal, **given: str) -> dict[str, list[tuple[str, str]]]:
    """What → (state, sentence) of each finding."""
    told: dict[str, list[tuple[str, str]]] = {}
    for line in terminal("doctor", "--json", **given).stdout.splitlines():
        if line.startswith("{"):
            one = json.loads(line)
            told.setdefault(one["what"], []).append((one["state"], one["says"]))
    return told


def test_with_json_every_line_is_a_finding_and_no_log_line_is_among_them(terminal: Terminal, tmp_path: Path) -> None:
    environment = {**own_environment(tmp_path), **terminal.environment, "NIGHTLIGHT_KAFKA": DEAD}

    done = run("doctor", "--json", environment=environment)

    assert done.stderr == ""
    assert all(json.loads(line).keys() == {"what", "state", "says"} for line in done.stdout.splitlines())


def test_in_an_empty_house_each_thing_that_is_wrong_is_named_with_what_to_do(terminal: Terminal) -> None:
    done = terminal("doctor", KAFKA=DEAD)

    said = done.stdout
    assert done.exit_code == 1
    assert "nightlight keys make" in said
    assert f"Kafka at {DEAD} does not answer" in said
    assert "well   database" in said
    assert "'nightlight agencies add'" in said
    assert "Traceback" not in said + done.stderr


def test_a_house_whose_list_rota_and_feeds_are_there_has_nothing_wrong_but_the_broker(
    settled: Terminal, tmp_path: Path
) -> None:
    settled.does("agencies", "add", "met-custody", "--types", "arrest", "--authorities", "E09000019")

    told = findings(settled, KAFKA=DEAD)

    assert told["children"] == [("well", "4 on the list.")]
    assert told["feeds"] == [("well", "1 registered, none of them silent.")]
    assert told["clock"][0][0] == "well"
    assert told["broker"][0][0] == "wrong"


def test_a_list_sealed_with_keys_that_are_lost_is_named_by_id(settled: Terminal, tmp_path: Path) -> None:
    save(Keyring.make(), tmp_path / "others.json")

    told = findings(settled, KAFKA=DEAD, KEYRING_FILE=str(tmp_path / "others.json"))

    ((state, says),) = told["children"]
    assert state == "wrong"
    assert says.startswith("4 cannot be read with these keys, as W-")


def test_a_database_that_does_not_answer_is_one_finding_and_the_rest_is_tried_all_the_same(bare: Terminal) -> None:
    told = findings(bare, KAFKA=DEAD, DATABASE_URL=f"postgresql://nobody@{DEAD}/none")

    assert told["database"][0][0] == "wrong"
    assert "providers" in told


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"MODE": "live", "PUBLIC_URL": "http://example.org"}, "must be an https address"),
        ({"MODE": "live", "PUBLIC_URL": "https://example.org"}, "HEARTBEAT_URL is not set"),
        ({}, "This is a rehearsal"),
    ],
)
def test_what_going_live_still_needs_is_said(given: dict[str, str], says: str, bare: Terminal) -> None:
    told = findings(bare, KAFKA=DEAD, DATABASE_URL=f"postgresql://nobody@{DEAD}/none", **given)

    assert says in told["mode"][0][1]


def test_a_provider_that_does_not_answer_is_wrong(bare: Terminal) -> None:
    twilio = {"TWILIO_ACCOUNT_SID": "AC0", "TWILIO_AUTH_TOKEN": "made-up", "TWILIO_FROM": "+447700900999"}

    told = findings(
        bare, KAFKA=DEAD, DATABASE_URL=f"postgresql://nobody@{DEAD}/none", TWILIO_API=f"http://{DEAD}", **twilio
    )

    assert ("wrong", True) in [(state, says.startswith("sms by twilio")) for state, says in told["providers"]]
