"""Bytes as rows: every encoding an office saves in, and no row that can swallow another."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.inbox.text import LONGEST_LINE, Row, Unreadable, look, rows

SMALL = "id,family_name\n1,Grünwald-O’Neil\n2,Tallow\n"


def read(text: str, delimiter: str | None = None) -> list[Row]:
    return list(rows(io.StringIO(text, newline=None), delimiter))


def cells(text: str) -> list[list[str] | None]:
    return [row.cells for row in read(text)]


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("utf-8", "utf-8-sig"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
    ],
)
def test_a_file_is_read_in_whichever_encoding_it_was_saved(tmp_path: Path, written: str, known: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(SMALL.encode(written))

    seen = look(path)

    assert seen.encoding == known
    assert seen.ended
    with path.open(encoding=seen.encoding) as file:
        assert [row.cells for row in rows(file)][1] == ["1", "Grünwald-O’Neil"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"id,name\n1,\x81\x8d\n", "UTF-8"),
        (b"id,name\n1,a\0b\n", "UTF-8"),
        (bytes(range(256)) * 10, "UTF-8"),
        (b"PK\x03\x04" + bytes(2000), "UTF-8"),
    ],
    ids=["nothing", "no encoding", "NUL", "bytes", "a spreadsheet"],
)
def test_what_is_no_text_is_refused_whole(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)

    with pytest.raises(Unreadable, match=says):
        look(tmp_path / "a.csv")


def test_the_same_bytes_have_the_same_digest_and_others_another(tmp_path: Path) -> None:
    for name, content in (("a", SMALL), ("b", SMALL), ("c", SMALL + " ")):
        (tmp_path / name).write_text(content)

    digests = [look(tmp_path / name).digest for name in ("a", "b", "c")]

    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_tells_the_delimiter(delimiter: str) -> None:
    assert cells(f"id{delimiter}name{delimiter}x\n1{delimiter}a b{delimiter}\n") == [
        ["id", "name", "x"],
        ["1", "a b", ""],
    ]


@pytest.mark.parametrize("said", ["sep=;", "SEP=;", '"sep=;"'])
def test_a_spreadsheets_own_first_line_tells_the_delimiter_and_is_no_header(said: str) -> None:
    assert cells(f"{said}\nid;name, whole\n1;a\n") == [["id", "name, whole"], ["1", "a"]]
    assert len(cells(f"id;name\n{said}\n")) == 2  # further down it is a row like any other


def test_lines_that_hold_nothing_are_passed_over_and_numbers_are_the_editors() -> None:
    found = read('\n\nid,name\n\n,\n1,"a\nb"\n2,c')

    assert [(row.line, row.cells) for row in found] == [(3, ["id", "name"]), (6, ["1", "a\nb"]), (8, ["2", "c"])]


def test_a_stray_quote_spoils_its_own_row_and_none_behind_it() -> None:
    text = 'id,name\n1,A\n2,"B\n' + "".join(f"{number},C\n" for number in range(3, 200))

    found = read(text)

    assert [row.line for row in found if row.cells is None] == [3]
    assert len([row for row in found if row.cells]) == 199
    assert found[2].text == '2,"B'


def test_two_stray_quotes_far_apart_do_not_hide_what_is_between_them() -> None:
    text = 'id,name\n1,"A\n2,B\n3,C\n4,D"x\n5,E\n'

    taken = [row.cells for row in read(text) if row.cells]

    assert ["2", "B"] in taken
    assert ["3", "C"] in taken
    assert ["5", "E"] in taken


def test_a_line_without_end_is_one_bad_row() -> None:
    found = read("id,name\n1," + "x" * (3 * LONGEST_LINE) + "\n2,B\n")

    assert [row.cells is None for row in found] == [False, True, False]
    assert len(found[1].text) <= 200


CELL = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
    lambda text: bool(text.strip(" ,;\t|")) and not set(text) & {"\u2028", "\u2029", "\x85"}
)


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=20))
def test_whatever_a_csv_writer_writes_is_read_back(table: list[list[str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["a", "b", "c"], *table])

    assert cells(out.getvalue()) == [["a", "b", "c"], *table]


@given(st.text(st.sampled_from('ab,"\n\r; \t'), max_size=400))
def test_no_text_hangs_or_crashes_and_every_line_is_in_some_row(text: str) -> None:
    found = read(text)

    lines = io.StringIO(text, newline=None).read().split("\n")
    letters = sum(line.count("a") for line in lines)
    assert sum(row.text.count("a") for row in found) == letters
