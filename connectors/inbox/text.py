"""A file's bytes as lines and rows: its encoding and delimiter found out, and no bad quote able to swallow the rows after it."""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Final

CHUNK: Final = 1 << 16
LARGEST: Final = 512 * 1024 * 1024
"""Bytes. A national file of a million rows is half of that."""
LONGEST_LINE: Final = 64 * 1024
MOST_LINES: Final = 20
"""Of one row: a cell may hold line ends, an address of twenty lines does not exist."""
DELIMITERS: Final = ",;\t|"
_NUL_PAIRS: Final = {"utf-16-le": re.compile(rb"(?:[^\0]\0){8}"), "utf-16-be": re.compile(rb"(?:\0[^\0]){8}")}
_EXCELS_OWN: Final = re.compile(r'"?sep=([,;\t|])"?[\r\n]*', re.IGNORECASE)
"""A first line with which a spreadsheet tells another what divides the cells."""


class Unreadable(Exception):
    """The whole file cannot be read. One sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at every byte says: what the file is, how it is encoded, and whether its last line has an end."""

    digest: str
    encoding: str
    ended: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it lies in the file. `cells` is None if it is not CSV, and `problem` then says why."""

    line: int
    text: str
    cells: list[str] | None
    problem: str = ""


def look(path: Path, *, encoding: str | None = None) -> Seen:
    """Read it once, a piece at a time. UTF-8, with or without a mark, unless its bytes say UTF-16; else Windows-1252.

    Raises Unreadable; OSError.
    """
    with path.open("rb") as file:
        if (size := file.seek(0, io.SEEK_END)) > LARGEST:
            raise Unreadable(f"is larger than {LARGEST // 1024 // 1024} MB: split it")
        file.seek(0)
        digest, last = blake2b(digest_size=32), b""
        for chunk in iter(lambda: file.read(CHUNK), b""):
            digest.update(chunk)
            last = chunk
        guesses = [encoding] if encoding else _guesses(file)
        found = next((guess for guess in guesses if _decodes(file, guess)), None)
    if not size:
        raise Unreadable("is empty")
    if found is None:
        raise Unreadable("is neither UTF-8, UTF-16 nor Windows-1252: save it as 'CSV UTF-8'")
    return Seen(digest.hexdigest(), found, last.rstrip(b"\0").endswith((b"\n", b"\r")))


def _guesses(file: IO[bytes]) -> list[str]:
    file.seek(0)
    start = file.read(16)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ["utf-16"]
    if start.startswith(codecs.BOM_UTF8):
        return ["utf-8-sig"]
    wide = [encoding for encoding, pairs in _NUL_PAIRS.items() if pairs.match(start)]
    return wide or ["utf-8-sig", "cp1252"]


def _decodes(file: IO[bytes], encoding: str) -> bool:
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            if "\0" in decoder.decode(chunk):
                return False
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def rows(file: IO[str], delimiter: str | None = None) -> Iterator[Row]:
    """Every row that is not empty, the header first, without ever holding more than one.

    A row that cannot be read is given with its first line alone, and reading goes on with the next: a stray quote spoils its
    own row and none behind it.
    """
    lines = _Lines(file)
    for number, text in lines:
        if number == 1 and (said := _EXCELS_OWN.fullmatch(text)):
            delimiter = delimiter or said[1]
            continue
        if not text.strip().strip("".join(DELIMITERS)):
            continue
        if delimiter is None:
            delimiter = _delimiter(text)
        yield _row(lines, number, text, delimiter)


class _Lines:
    """The lines of a file with their numbers; some can be put back."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._back: deque[tuple[int, str]] = deque()
        self._number = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while (line := self.next()) is not None:
            yield line

    def next(self) -> tuple[int, str] | None:
        if self._back:
            return self._back.popleft()
        text = self._file.readline(LONGEST_LINE + 1)
        if not text:
            return None
        if len(text) > LONGEST_LINE:  # the rest of it is passed over: it is no row of ours
            while (rest := self._file.readline(LONGEST_LINE)) and not rest.endswith("\n"):
                pass
        self._number += 1
        return self._number, text

    def put_back(self, lines: list[tuple[int, str]]) -> None:
        self._back.extendleft(reversed(lines))


def _row(lines: _Lines, number: int, text: str, delimiter: str) -> Row:
    if len(text) > LONGEST_LINE:
        return Row(number, text[:200], None, f"the line is longer than {LONGEST_LINE // 1024} KiB")
    further: list[tuple[int, str]] = []
    whole = text
    while whole.count('"') % 2 and len(further) < MOST_LINES and (line := lines.next()) is not None:
        further.append(line)
        whole += line[1]
    try:
        [cells] = csv.reader(io.StringIO(whole, newline=""), delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        lines.put_back(further)
        return Row(number, text.rstrip("\r\n"), None, "is not CSV: look for a quote that is not closed, or not doubled")
    return Row(number, whole.rstrip("\r\n"), cells)


def _delimiter(header: str) -> str:
    return max(DELIMITERS, key=header.count)
