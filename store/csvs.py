"""CSV as people's spreadsheets write it: read whole, and every cell that cannot be taken named by line and column, never by its value."""

import csv
import io
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

LARGEST = 256 * 1024 * 1024
"""Bytes. 400,000 watched children are about 100 MB."""

Check = Callable[[str], Any]
"""From the text of a cell, without spaces around it, to its value. Raises Refused."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Refused(ValueError):
    """A cell cannot be taken. The message says what to write instead, and never repeats the cell."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Where a file cannot be taken, and what to write there. `line` counts from 1, the header's line, as an editor shows it."""

    line: int
    column: str | None
    says: str

    def __str__(self) -> str:
        return f"line {self.line}, {f'column {self.column}' if self.column else 'the whole line'}: {self.says}"


class BadFile(Exception):
    """Nothing of the file was taken. `problems` are all that is wrong, in order of line."""

    def __init__(self, problems: Collection[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(slots=True)
class Findings:
    """Problems as they are found: a file is read to its end, so that everything is mended in one go."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, line: int, column: str | None, says: str) -> None:
        self.problems.append(Problem(line, column, says))

    def stop(self) -> None:
        """Raise BadFile if anything was found."""
        if self.problems:
            raise BadFile(self.problems)


@dataclass(frozen=True, slots=True)
class Row:
    """One line below the header: its number in the file, and its cells by column."""

    line: int
    cells: Mapping[str, str]

    def checked(self, checks: Mapping[str, Check], findings: Findings) -> dict[str, Any] | None:
        """Every column's value, or None after noting what is wrong."""
        values: dict[str, Any] = {}
        for column, check in checks.items():
            try:
                values[column] = check(self.cells[column])
            except Refused as problem:
                findings.add(self.line, column, str(problem))
        return values if len(values) == len(checks) else None


def read(data: bytes, columns: Collection[str], findings: Findings, *, optional: Collection[str] = ()) -> list[Row]:
    """The rows of a CSV file with these columns, in any order; empty lines are passed over.

    An `optional` column that the file does not have is empty in every row.

    Commas, or the semicolons of a European Excel; a byte-order mark and any line ends are fine. A row with too many or too
    few cells, and a quote that never ends, go to `findings`, beside what the caller finds in the rows that can be read.
    Raises BadFile: not UTF-8, a NUL, columns missing or unknown, no rows at all.
    """
    text = _decode(data)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    rows: list[Row] = []
    header: list[str] = []
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _header(cells, columns, optional, line)
            elif len(cells) != len(header):
                findings.add(line, None, f"has {len(cells)} cells where the header has {len(header)}")
            else:
                given = dict(zip(header, (cell.strip() for cell in cells), strict=True))
                rows.append(Row(line, {**dict.fromkeys(optional, ""), **given}))
    except csv.Error as problem:
        findings.add(start, None, f"is not CSV ({problem}): look for a quote that is not closed")
    if not rows and not findings.problems:
        findings.add(1, None, "the file has no rows: write a header, and one line for each entry")
        findings.stop()
    return rows


def text(longest: int, *, required: bool = True) -> Check:
    """Printable text on one line, at most `longest` characters. An empty cell is refused, or None."""

    def check(cell: str) -> str | None:
        if not cell:
            _refuse_empty(required=required)
            return None
        if len(cell) > longest:
            raise Refused(f"is longer than {longest} characters")
        if _UNPRINTABLE.search(cell):
            raise Refused("holds a line break or another character that cannot be printed")
        return cell

    return check


def shaped(pattern: str, says: str) -> Check:
    """Text that fits a pattern as a whole; `says` what to write."""
    shape = re.compile(pattern)

    def check(cell: str) -> str:
        if not cell:
            _refuse_empty(required=True)
        if not shape.fullmatch(cell):
            raise Refused(says)
        return cell

    return check


def one_of(kinds: type[StrEnum], *, required: bool = True) -> Check:
    """One word of a closed list."""

    def check(cell: str) -> StrEnum | None:
        if not cell:
            _refuse_empty(required=required)
            return None
        try:
            return kinds(cell.lower())
        except ValueError:
            raise Refused(f"write one of {', '.join(kinds)}") from None

    return check


def iso_date(*, required: bool = True) -> Check:
    """A date as YYYY-MM-DD alone: 03/04/2026 is March to some and April to others."""

    def check(cell: str) -> date | None:
        if not cell:
            _refuse_empty(required=required)
            return None
        try:
            return date.fromisoformat(cell if _DATE.fullmatch(cell) else "")
        except ValueError:
            raise Refused("write a date that exists, as YYYY-MM-DD") from None

    return check


def several(check: Check, *, most: int = 20, required: bool = False) -> Check:
    """A tuple of cells with `;` between them; empty parts are passed over."""

    def split(cell: str) -> tuple[Any, ...]:
        parts = [part.strip() for part in cell.split(";")]
        values = tuple(check(part) for part in parts if part)
        if len(values) > most:
            raise Refused(f"holds more than {most}")
        if not values and required:
            _refuse_empty(required=True)
        return values

    return split


def _refuse_empty(*, required: bool) -> None:
    if required:
        raise Refused("is empty")


def _decode(data: bytes) -> str:
    if len(data) > LARGEST:
        raise BadFile([Problem(1, None, f"the file is larger than {LARGEST // 1024 // 1024} MB")])
    try:
        text_ = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise BadFile([Problem(line, None, "is not UTF-8: save the file as 'CSV UTF-8'")]) from None
    if (nul := text_.find("\0")) >= 0:
        raise BadFile([Problem(text_.count("\n", 0, nul) + 1, None, "holds a NUL: save the file as 'CSV UTF-8'")])
    return text_


def _delimiter(text_: str) -> str:
    header = next((line for line in text_.splitlines() if line.strip()), "")
    return ";" if header.count(";") > header.count(",") else ","


def _header(cells: list[str], columns: Collection[str], optional: Collection[str], line: int) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    findings = Findings()
    for name in columns:
        if name not in names and name not in optional:
            findings.add(line, name, "is missing from the header")
    for place, name in enumerate(names, start=1):
        if name not in columns:
            # Not its name: a file without a header has a child in this line.
            findings.add(line, f"number {place}", f"is not known here: the columns are {', '.join(columns)}")
        elif name in names[: place - 1]:
            findings.add(line, name, "is in the header twice")
    findings.stop()
    return names
