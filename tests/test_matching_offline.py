"""`nightlight match`: one line for each line, in order, whatever is in the files."""

import json
import os
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from benchmarks import register
from streams.matching.listing import ListRefused
from streams.matching.model import SHIPPED, Model, ModelRefused
from streams.matching.offline import match_lines
from tests.house import run

HEADER = "child_id,family_name,given_name,other_names,date_of_birth,sex,postcode,nhs_number\n"
AMINA = "C1,Qwestbury,Amina,Minnie;Mina,2011-02-03,female,N1 9GU,9990000018\n"
PERSON = {"family_name": "Qwestbury", "given_name": "Amina", "date_of_birth": "2011-02-03", "postcode": "N1 9GU"}


def answers(
    tmp_path: Path, children: str | bytes, events: Iterable[str], **options: Any
) -> tuple[list[dict[str, Any]], list[str]]:
    path, complaints = tmp_path / "children.csv", []
    path.write_bytes(children if isinstance(children, bytes) else children.encode())
    lines = [json.loads(line) for line in match_lines(path, events, complain=complaints.append, **options)]
    return lines, complaints


def event(name: str = "e1", **person: Any) -> str:
    return json.dumps({"id": name, "door": "arrest", "person": PERSON | person})


def test_every_line_is_answered_in_order_in_the_shape_of_the_contract(tmp_path: Path) -> None:
    lines, complaints = answers(
        tmp_path,
        HEADER + AMINA,
        [event("e1"), event("e2", family_name="Nobody", given_name="X", date_of_birth="2008-09-19")],
    )

    assert complaints == []
    assert [line["id"] for line in lines] == ["e1", "e2"]
    assert list(lines[0]) == ["id", "lane", "child", "candidates", "why", "model"]
    assert (lines[0]["lane"], lines[0]["child"]) == ("page", "C1")
    assert list(lines[0]["candidates"][0]) == ["child", "weight", "probability"]
    assert (lines[1]["lane"], lines[1]["child"]) == ("none", None)


def test_it_says_when_the_index_stands_and_then_answers_each_line_as_it_comes(tmp_path: Path) -> None:
    path, asked = tmp_path / "children.csv", []
    path.write_text(HEADER + AMINA)

    def events() -> Iterable[str]:
        asked.append("e1")
        yield event("e1")
        asked.append("e2")
        yield event("e2")

    lines = match_lines(path, events(), announce=True)

    ready = json.loads(next(lines))
    assert (ready["ready"], ready["children"]) == (True, 1)
    assert ready["build_seconds"] > 0
    assert asked == []
    assert json.loads(next(lines))["id"] == "e1"
    assert asked == ["e1"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("{", "not JSON"),
        ("", "not JSON"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "not JSON"),
        ('{"id": "e1"}', "person: Input should be a valid dictionary or instance of Person"),
        (event(date_of_birth="2011-02-30"), "person.date_of_birth: "),
        (event(family_name="x" * 10_000), "person.family_name: "),
        (event(nickname="Minnie"), "person.nickname: "),
        (json.dumps({"id": "e1", "person": {"given_name": "Amina"}}), "person: "),
    ],
)
def test_a_line_that_is_no_event_is_answered_with_what_is_wrong(tmp_path: Path, line: str, error: str) -> None:
    lines, _ = answers(tmp_path, HEADER + AMINA, [line, event("e2")])

    assert lines[0]["error"].startswith(error)
    assert "Qwestbury" not in lines[0]["error"]
    assert (lines[0]["lane"], lines[1]["lane"]) == ("none", "page")


@pytest.mark.parametrize(
    ("row", "complaint", "kept"),
    [
        (
            "C2,Made,Grace,,2011-02-30,,,9990000026\n",
            "line 3, date_of_birth: not a date written YYYY-MM-DD; set aside",
            2,
        ),
        (
            "C2,Made,Grace,,03/02/2011,,,9990000026\n",
            "line 3, date_of_birth: not a date written YYYY-MM-DD; set aside",
            2,
        ),
        ("C2,Made,Grace,,2111-02-03,,,\n", "line 3, date_of_birth: in the future; set aside", 2),
        ("C2,Made,Grace,,0001-01-01,,,\n", "line 3, date_of_birth: more than 130 years ago; set aside", 2),
        (
            "C2,Made,Grace,,1900-01-01,,,\n",
            "line 3, date_of_birth: 1 January 1900, which is written where it is not known; set aside",
            2,
        ),
        (f"C2,{'x' * 10_000},Grace,,2011-02-03,,,\n", "line 3, family_name: longer than 200 characters; set aside", 2),
        ("C2,Made,Grace,,2011-02-03,girl,,\n", "line 3, sex: not female, male, other or unknown; set aside", 2),
        ("C1,Made,Grace,,2011-02-03,,,\n", "line 3: child_id is that of line 2; left out", 1),
        (",Made,Grace,,2011-02-03,,,\n", "line 3: no child_id; left out", 1),
        ("C 2,Made,Grace,,2011-02-03,,,\n", "line 3, child_id: not 1 to 64 letters, digits and . _ / -; left out", 1),
        (",,,,,,,\n", "line 3: empty; left out", 1),
        ("\n", "line 3: empty; left out", 1),
        ("C2,,,,2011-02-03,,,\n", "line 3: neither a name nor an identifier; left out", 1),
        ("C2,Made,Grace,,2011-02-03,,,,extra\n", "line 3: more cells than columns; those beyond are not read", 2),
    ],
)
def test_a_row_or_a_field_that_cannot_be_right_is_named_and_the_others_go_on(
    tmp_path: Path, row: str, complaint: str, kept: int
) -> None:
    lines, complaints = answers(tmp_path, HEADER + AMINA + row, [event()], announce=True)

    assert complaints == [complaint]
    assert lines[0]["children"] == kept
    assert lines[1]["lane"] == "page"


@pytest.mark.parametrize(
    "name", ["محمد", "Zoe\u0301\u0301\u0301", "\u202eanimA", "李小龍", "Аmina", "\x00Amina", "\ud7ff", "😀"]
)
def test_a_name_in_any_script_is_recognised_by_itself(tmp_path: Path, name: str) -> None:
    row = f'C2,Made,"{name}",,2012-02-03,,E8 1AA,\n'

    lines, complaints = answers(
        tmp_path,
        HEADER + AMINA + row,
        [event(family_name="Made", given_name=name, date_of_birth="2012-02-03", postcode="E8 1AA")],
    )

    assert complaints == []
    assert lines[0]["child"] == "C2"


@pytest.mark.parametrize(
    ("children", "refusal"),
    [
        ("", "no column child_id"),
        ("name\nAmina\n", "no column child_id"),
        ("child_id,sex,sex\n", "two columns of one name"),
        (b"child_id,family_name\nC1,Qw\xffst\n", "not UTF-8"),
        ('child_id,family_name\nC1,"' + "x" * 200_000 + '"\n', "no CSV"),
    ],
)
def test_a_file_that_is_no_list_is_refused_by_name(tmp_path: Path, children: str | bytes, refusal: str) -> None:
    with pytest.raises(ListRefused, match=refusal):
        answers(tmp_path, children, [event()])


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ListRefused, match="cannot be read"):
        list(match_lines(tmp_path / "nowhere.csv", []))


def test_another_model_is_named_in_every_answer_and_its_thresholds_hold(tmp_path: Path) -> None:
    table = json.loads(SHIPPED.read_text()) | {"version": "9"}
    table["thresholds"]["page"] = 0.999999999999
    path = tmp_path / "model.json"
    path.write_text(json.dumps(table))

    lines, _ = answers(tmp_path, HEADER + AMINA, [event()], model=path)

    assert (lines[0]["lane"], lines[0]["model"]) == ("review", "table-9")


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"fields": {}}, "given_name is missing"),
        ({"prior": {"share_on_list": 2, "least_children": 1, "household": 1}}, "prior.share_on_list"),
        ({"doors": {"arrest": {"date_of_birth": [0.5]}}}, "has not the levels"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_file_that_is_no_model_is_refused_by_name(tmp_path: Path, change: dict[str, Any], refusal: str) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(json.loads(SHIPPED.read_text()) | change))

    with pytest.raises(ModelRefused, match=refusal):
        Model.load(path)


def test_the_same_files_give_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    """Python salts its hashes anew for each process, and an auditor who asks again must read what was read before."""
    register.write(tmp_path / "children.csv", 1500, today=date(2026, 11, 20))
    asked = []
    for stranger in register.children(60, seed=8, first=500_000):
        asked.append(event(stranger.pop("child_id"), **stranger))
    (tmp_path / "events.jsonl").write_text("\n".join(asked))
    said = []

    for salt in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": salt}
        files = "--children", str(tmp_path / "children.csv"), "--events", str(tmp_path / "events.jsonl")
        done = run("match", *files, environment=environment)
        assert (done.returncode, done.stderr) == (0, "")
        said.append(done.stdout)

    assert len(said[0].splitlines()) == 60
    assert said[0] == said[1]


def test_each_row_of_the_shipped_table_adds_up_to_one() -> None:
    model = Model.load()

    for table in model.fields.values():
        for row in (table.m, table.u, table.h):
            assert sum(row) == pytest.approx(1, abs=0.02)
