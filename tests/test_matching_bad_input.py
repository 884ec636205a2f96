"""`nightlight match` with files as they come: every line is answered, every row is taken, named, or refused, and nothing crashes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands.offline import read_lines
from streams.matching.listing import ListRefused
from streams.matching.offline import LONGEST, match_lines

ROOT = Path(__file__).parent.parent
HEADER = "child_id,family_name,given_name,date_of_birth,postcode\n"
AMINA = "C1,Qwestbury,Amina,2011-02-03,N1 9GU\n"
PERSON = {"family_name": "Qwestbury", "given_name": "Amina", "date_of_birth": "2011-02-03", "postcode": "N1 9GU"}


def event(name: str = "e1", **person: Any) -> str:
    return json.dumps({"id": name, "person": PERSON | person}, ensure_ascii=False)


def match(tmp_path: Path, children: bytes, events: bytes) -> subprocess.CompletedProcess[bytes]:
    (tmp_path / "children.csv").write_bytes(children)
    (tmp_path / "events.jsonl").write_bytes(events)
    return subprocess.run(
        [sys.executable, "-m", "nightlight", "match", "--children", "children.csv", "--events", "events.jsonl"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )


BAD_LINES = {
    b"": "not JSON",
    b"{": "not JSON",
    b"[[[[": "not JSON",
    b"null": "not a JSON object",
    b'{"id": "x", "person": {"family_name": "Garc\xeda", "date_of_birth": "2011-02-03"}}': "not UTF-8",
    b'{"id": "x", "person": "' + b"x" * LONGEST + b'"}': "longer than 262,144 characters",
    event(family_name="x" * 10_000).encode(): "person.family_name: ",
    event(date_of_birth="2011-02-30").encode(): "person.date_of_birth: ",
    event(date_of_birth=20110203).encode(): "person.date_of_birth: ",
    event(family_name=None).encode(): "person: ",
    event(colour="red").encode(): "person.colour: ",
    b'{"id": ' + b"9" * 5_000 + b"}": "not JSON",
}


def test_every_line_of_junk_is_answered_in_its_place_and_the_good_ones_around_it_are_matched(tmp_path: Path) -> None:
    lines = [line for bad in BAD_LINES for line in (bad, event("good").encode())]

    done = match(tmp_path, (HEADER + AMINA).encode(), b"\n".join(lines) + b"\n")

    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr, len(answers)) == (0, b"", len(lines))
    for expected, bad, good in zip(BAD_LINES.values(), answers[::2], answers[1::2], strict=True):
        assert bad["error"].startswith(expected)
        assert (bad["lane"], bad["child"]) == ("none", None)
        assert (good["id"], good["lane"], good["child"]) == ("good", "page", "C1")
    assert b"Garc" not in done.stdout


@pytest.mark.parametrize(
    ("children", "events"),
    [
        ("\ufeff" + HEADER + AMINA, "\ufeff" + event()),
        ((HEADER + AMINA).replace("\n", "\r\n"), event() + "\r\n"),
        ((HEADER + AMINA).replace("\n", "\r"), event()),
        (HEADER + AMINA.replace("Amina", '"Am\u202eina\u200b"'), event()),
        (HEADER + AMINA.replace("Amina", "Ami\u0301na"), event(given_name="Am\u00edna")),
        (HEADER + AMINA.replace("Qwestbury", "QWESTBURY "), event(family_name=" qwestbury")),
        (HEADER + AMINA.replace("N1 9GU", "n19gu"), event(postcode="Nl 9GU")),
    ],
    ids=["byte order mark", "CRLF", "CR alone", "marks of direction", "combining marks", "case and blanks", "l for 1"],
)
def test_what_differs_only_in_how_it_is_written_is_folded(tmp_path: Path, children: str, events: str) -> None:
    (tmp_path / "children.csv").write_bytes(children.encode())
    (tmp_path / "events.jsonl").write_bytes(events.encode())

    answers, complaints = answered(tmp_path)

    assert complaints == []
    assert [(line["lane"], line["child"]) for line in answers] == [("page", "C1")]


@pytest.mark.parametrize(
    ("children", "sentence"),
    [
        (b"", b"the list of children has no column child_id\n"),
        ((HEADER + "C1,Garc\u00eda,Ana,2011-02-03,\n").encode("latin-1"), b"the list of children is not UTF-8\n"),
        ((HEADER + AMINA).encode("utf-16"), b"the list of children is not UTF-8\n"),
        (b"PK\x03\x04\x14\x00\x06", b"the list of children has no column child_id\n"),
    ],
    ids=["empty", "Latin-1", "UTF-16", "a spreadsheet"],
)
def test_a_file_that_is_no_list_is_refused_in_one_sentence(tmp_path: Path, children: bytes, sentence: bytes) -> None:
    done = match(tmp_path, children, event().encode())

    assert (done.returncode, done.stdout, done.stderr) == (1, b"", sentence)


def test_an_empty_list_and_no_events_are_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "children.csv").write_text(HEADER)
    (tmp_path / "events.jsonl").write_text(event())

    answers, complaints = answered(tmp_path)

    assert ([line["lane"] for line in answers], complaints) == (["none"], [])
    (tmp_path / "events.jsonl").write_text("")
    assert answered(tmp_path) == ([], [])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(children=st.binary(max_size=120), events=st.lists(st.binary(max_size=80), max_size=4))
def test_no_bytes_crash_it_and_one_line_in_is_one_line_out(
    tmp_path: Path, children: bytes, events: list[bytes]
) -> None:
    lines = [line.replace(b"\n", b" ") for line in events] + [event().encode()]
    (tmp_path / "children.csv").write_bytes((HEADER + AMINA).encode() + children.replace(b"\x00", b""))
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(lines))

    try:
        answers, _ = answered(tmp_path)
    except ListRefused:
        return

    assert len(answers) == len(lines)
    assert all("lane" in line for line in answers)


def answered(tmp_path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    complaints: list[str] = []
    with read_lines(str(tmp_path / "events.jsonl")) as lines:
        found = [json.loads(line) for line in match_lines(tmp_path / "children.csv", lines, complain=complaints.append)]
    return found, complaints
