"""The CSV of watched children (contract section 5): all of it or nothing, and every error named by line and column, never by value."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.person import Sex
from schemas.settings import Mode
from store.csvs import BadFile
from store.roster import COLUMNS, Action, read
from tests.store_cast import TODAY

GOOD: dict[str, str] = {
    "child_id": "c-1",
    "action": "add",
    "authority": "E09000019",
    "team": "Islington",
    "family_name": "Lampwick",
    "given_name": "Robin",
    "other_names": "Jay; Lee",
    "previous_family_names": "",
    "date_of_birth": "2010-03-14",
    "sex": "male",
    "postcode": "n19gu",
    "address_line": "1 Wharf Road",
    "nhs_number": "999 000 0018",
    "upn": "",
    "pnc_id": "",
    "cro_number": "",
    "reason": "at risk",
    "legal_basis": "Children Act 1989 s47",
    "decided_by": "strategy meeting",
    "starts_on": "2026-11-01",
    "review_on": "2027-01-20",
    "expires_on": "2027-03-01",
    "approach": "ring the aunt first",
}


def table(*rows: dict[str, str], columns: tuple[str, ...] = COLUMNS, delimiter: str = ",", end: str = "\n") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, delimiter=delimiter, lineterminator=end, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def wrong(data: bytes, *, mode: Mode = Mode.REHEARSAL) -> list[tuple[int, str | None]]:
    """Where the file is wrong."""
    with pytest.raises(BadFile) as refused:
        read(data, mode=mode, today=TODAY)
    return [(problem.line, problem.column) for problem in refused.value.problems]


def test_a_row_becomes_an_entry_in_canonical_form() -> None:
    (change,) = read(table(GOOD), mode=Mode.REHEARSAL, today=TODAY)

    assert (change.line, change.action, change.child_id) == (2, Action.ADD, "c-1")
    assert change.child is not None
    assert (change.child.nhs_number, change.child.postcode) == ("9990000018", "N1 9GU")
    assert (change.child.other_names, change.child.sex) == (("Jay", "Lee"), Sex.MALE)


@pytest.mark.parametrize(
    "data",
    [
        table(GOOD, end="\r\n"),
        table(GOOD, end="\r"),
        b"\xef\xbb\xbf" + table(GOOD),
        table(GOOD, delimiter=";"),
        b"\xef\xbb\xbf" + table(GOOD, delimiter=";", end="\r\n"),
        table(GOOD, columns=tuple(reversed(COLUMNS))),
        b"\n\n" + table(GOOD) + b"\n,,,\n",
        table(GOOD).replace(b"child_id", b" Child_ID "),
    ],
    ids=["CRLF", "CR", "BOM", "semicolons", "Excel", "order", "empty lines", "header's case"],
)
def test_a_spreadsheet_may_write_it_its_own_way(data: bytes) -> None:
    (change,) = read(data, mode=Mode.REHEARSAL, today=TODAY)

    assert change.child is not None
    assert change.child.other_names == ("Jay", "Lee")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("child_id", ""),
        ("child_id", "c 1"),
        ("child_id", "=cmd()"),
        ("child_id", "x" * 65),
        ("action", ""),
        ("action", "upsert"),
        ("authority", ""),
        ("authority", "Islington"),
        ("team", ""),
        ("team", "x" * 61),
        ("team", "Isling\nton"),
        ("family_name", "x" * 10_000),
        ("other_names", "x" * 10_000),
        ("other_names", ";".join("abcdefghijklmnopqrstuvwxyz")),
        ("date_of_birth", "2010-02-30"),
        ("date_of_birth", "14/03/2010"),
        ("date_of_birth", "20100314"),
        ("date_of_birth", "2027-01-01"),
        ("date_of_birth", "1990-01-01"),
        ("sex", "m"),
        ("postcode", "N1"),
        ("postcode", "ZZ99 3VZ"),
        ("nhs_number", "9990000019"),
        ("nhs_number", "0000000000"),
        ("upn", "A123"),
        ("pnc_id", "2001/1"),
        ("cro_number", "1"),
        ("reason", ""),
        ("legal_basis", ""),
        ("decided_by", ""),
        ("starts_on", ""),
        ("starts_on", "2026-13-01"),
        ("review_on", ""),
        ("review_on", "2026-11-20"),
        ("review_on", "2026-10-31"),
        ("expires_on", ""),
        ("expires_on", "2027-01-19"),
        ("approach", "x" * 2001),
    ],
)
def test_a_bad_cell_is_named_by_line_and_column_and_never_by_its_value(column: str, value: str) -> None:
    data = table({**GOOD, "child_id": "c-0"}, {**GOOD, column: value})

    with pytest.raises(BadFile) as refused:
        read(data, mode=Mode.REHEARSAL, today=TODAY)

    assert {(problem.line, problem.column) for problem in refused.value.problems} == {(3, column)}
    assert len(value) < 6 or value not in str(refused.value)


@pytest.mark.parametrize(("days", "taken"), [(0, True), (90, True), (91, False)])
def test_a_review_is_at_most_ninety_days_from_the_import(days: int, taken: bool) -> None:
    review = TODAY + timedelta(days=days)
    data = table({**GOOD, "review_on": review.isoformat(), "expires_on": "2028-01-01"})

    assert taken is (_problems(data) == [])


def test_a_review_before_the_start_is_refused() -> None:
    row = {**GOOD, "starts_on": "2026-12-01", "review_on": "2026-11-30"}

    assert wrong(table(row)) == [(2, "review_on")]


def test_every_error_of_every_row_is_named_at_once() -> None:
    bad = {**GOOD, "child_id": "", "sex": "m", "review_on": "soon"}

    assert wrong(table(bad, GOOD, {**GOOD, "child_id": "c-2", "team": ""})) == [
        (2, "child_id"),
        (2, "sex"),
        (2, "review_on"),
        (4, "team"),
    ]


def test_a_row_with_a_cell_too_few_does_not_hide_what_is_wrong_with_the_others() -> None:
    data = table({**GOOD, "sex": "m"}) + b"c-2,add\n" + b"\n".join(table({**GOOD, "team": ""}).split(b"\n")[1:])

    assert wrong(data) == [(2, "sex"), (3, None), (4, "team")]


def test_a_row_that_does_not_fit_the_list_is_named_with_all_the_others() -> None:
    data = table({**GOOD, "action": "update"}, {**GOOD, "child_id": "c-2"}, {**GOOD, "child_id": "c-3", "sex": "m"})

    with pytest.raises(BadFile) as refused:
        read(data, mode=Mode.REHEARSAL, today=TODAY, listed={"c-2"})

    places = [(problem.line, problem.column) for problem in refused.value.problems]
    assert places == [(2, "child_id"), (3, "action"), (4, "sex")]


def test_an_entry_needs_something_to_recognise_the_child_by() -> None:
    nameless = {**GOOD, "nhs_number": "", "family_name": ""}

    assert wrong(table(nameless)) == [(2, "family_name")]


def test_a_child_is_in_the_file_once() -> None:
    assert wrong(table(GOOD, {**GOOD, "child_id": "c-2"}, GOOD)) == [(4, "child_id")]


def test_a_removal_needs_its_id_alone() -> None:
    row = dict.fromkeys(GOOD, "") | {"child_id": "c-1", "action": "remove"}

    (change,) = read(table(row), mode=Mode.REHEARSAL, today=TODAY)

    assert (change.action, change.child) == (Action.REMOVE, None)


def test_a_rehearsal_takes_synthetic_nhs_numbers_only() -> None:
    row = {**GOOD, "nhs_number": "4010232137"}  # the data dictionary's own example

    assert wrong(table(row)) == [(2, "nhs_number")]
    assert _problems(table(row), mode=Mode.LIVE) == []


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"", (1, None)),
        (b"\n\n", (1, None)),
        (table(), (1, None)),
        (table(GOOD).replace(b"Robin", b"Ro\0bin"), (2, None)),
        (table(GOOD).replace(b"Robin", b"Ren\xe9"), (2, None)),
        (table(GOOD, {**GOOD, "child_id": "c-2"}) + b'"c-3,never closed\n', (4, None)),
        (table(GOOD) + b"c-2,add\n", (3, None)),
        (table(GOOD)[:-1] + b",more\n", (2, None)),
        (table(GOOD, columns=tuple(column for column in COLUMNS if column != "team")), (1, "team")),
        (table(GOOD, columns=(*COLUMNS, "gang")), (1, "number 24")),
        (table(GOOD, columns=(*COLUMNS, "team")), (1, "team")),
        (table(GOOD).replace(b"Robin", b"x" * 200_000), (2, None)),
        ("\n".join(",".join(GOOD.values()) for _ in range(2)).encode(), (1, "child_id")),
    ],
    ids=[
        "empty",
        "blank",
        "header alone",
        "NUL",
        "not UTF-8",
        "open quote",
        "short row",
        "long row",
        "missing column",
        "unknown column",
        "column twice",
        "huge cell",
        "no header",
    ],
)
def test_a_broken_file_says_where(data: bytes, where: tuple[int, str | None]) -> None:
    assert wrong(data)[0] == where


def test_a_column_that_may_be_empty_may_be_left_out_whole() -> None:
    kept = tuple(column for column in COLUMNS if column not in ("approach", "upn", "other_names"))

    (change,) = read(table(GOOD, columns=kept), mode=Mode.REHEARSAL, today=TODAY)

    assert change.child is not None
    assert (change.child.approach, change.child.upn, change.child.other_names) == ("", None, ())


def test_a_file_without_a_header_does_not_print_its_first_child() -> None:
    with pytest.raises(BadFile) as refused:
        read(table(GOOD).split(b"\n", 1)[1], mode=Mode.REHEARSAL, today=TODAY)

    assert not any(value in str(refused.value) for value in ("Lampwick", "2010-03-14", "9990000018", "999 000 0018"))


def test_lines_are_counted_as_an_editor_shows_them() -> None:
    two_lines = {**GOOD, "address_line": "1 Wharf Road\nLondon"}

    assert wrong(table(two_lines, {**GOOD, "child_id": "c-2", "sex": "m"})) == [(2, "address_line"), (4, "sex")]


@given(st.binary(max_size=400))
def test_any_bytes_are_taken_or_refused(data: bytes) -> None:
    assert _problems(data) != []


@given(st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=30)))
def test_any_cells_are_taken_or_refused(cells: dict[str, str]) -> None:
    _problems(table({**GOOD, **cells}))


def test_a_list_of_many_rows_is_read_whole() -> None:
    header, row, _ = table(GOOD).split(b"\n")
    data = b"\n".join([header, *(row.replace(b"c-1", b"c-%d" % number, 1) for number in range(20_000))])

    changes = read(data, mode=Mode.REHEARSAL, today=TODAY)

    assert len({change.child_id for change in changes}) == 20_000


def _problems(data: bytes, **how: Any) -> list[Any]:
    try:
        read(data, mode=how.get("mode", Mode.REHEARSAL), today=TODAY)
    except BadFile as problem:
        return list(problem.problems)
    return []
