"""What is left of a file when it has been read: the rows that were refused, and a summary without anybody's name."""

import csv
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from connectors.inbox.folder import REJECTED, SUMMARY, Dropped
from connectors.inbox.text import Row
from connectors.inbox.told import guarded

MOST_REASONS: Final = 50


@dataclass
class Tally:
    """What is counted while a file is read. Reasons are our own sentences with the file's headings: no value is among them."""

    rows: int = 0
    taken: int = 0
    refused: int = 0
    types: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    unused: tuple[int, ...] = ()
    problem: str | None = None
    seen_before: bool = False

    def refuse(self, reason: str) -> None:
        self.refused += 1
        known = reason in self.reasons or len(self.reasons) < MOST_REASONS
        self.reasons[reason if known else "other reasons"] += 1

    def summary(self, **more: Any) -> Mapping[str, Any]:
        return {
            **more,
            "rows": self.rows,
            "taken": self.taken,
            "refused": self.refused,
            "types": dict(sorted(self.types.items())),
            "reasons": dict(self.reasons.most_common()),
            "columns_not_used": list(self.unused),
            "same_file_before": self.seen_before,
            **({"problem": self.problem} if self.problem else {}),
        }


class Rejects:
    """Writes `NAME.rejected.csv`, beginning with the first bad row; nothing if there is none.

    The file's own columns, then `reason`, the row's `line` in the file, and `text`: the row as it was, if it was not CSV.
    It is a draft until `keep`, so that a crash leaves no half of one.
    """

    def __init__(self, file: Dropped, headings: Sequence[str]) -> None:
        self._file = file
        self._headings = tuple(headings)
        self._draft = file.path.with_name(f".{file.stem}{REJECTED}.draft")
        self._open: IO[str] | None = None

    def __enter__(self) -> Self:
        self._draft.unlink(missing_ok=True)  # of a run that was cut off
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._open is not None:
            self._open.close()
            self._draft.unlink(missing_ok=True)

    def add(self, row: Row, reason: str) -> None:
        fits = row.cells is not None and len(row.cells) == len(self._headings)
        cells = row.cells if fits and row.cells is not None else [""] * len(self._headings)
        line = [*map(guarded, cells), guarded(reason), str(row.line), "" if fits else guarded(row.text)]
        self._writer().writerow(line)

    def keep(self) -> Path | None:
        """Put the draft in its place, safe on disk: the path, or None if no row was refused.

        A `.rejected.csv` of an earlier file of this name is somebody's work still to do: the new one gets a number.
        """
        if self._open is None:
            return None
        self._open.flush()
        os.fsync(self._open.fileno())
        self._open.close()
        self._open = None
        place, number = self._file.beside(REJECTED), 1
        while place.exists() and not _same(place, self._draft):
            number += 1
            place = self._file.beside(f".{number}{REJECTED}")
        self._draft.replace(place)
        return place

    def _writer(self) -> Any:
        if self._open is None:
            descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            self._open = os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="")
            # With a mark at its start: a spreadsheet that opens it without one spoils every accent.
            self._lines = csv.writer(self._open)
            self._lines.writerow([*map(guarded, self._headings), "reason", "line", "text"])
        return self._lines


def write_summary(file: Dropped, summary: Mapping[str, Any]) -> None:
    """`NAME.summary.json`, whole or not at all."""
    draft = file.path.with_name(f".{file.stem}{SUMMARY}.draft")
    draft.unlink(missing_ok=True)
    draft.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(file.beside(SUMMARY))


def set_aside(file: Dropped) -> Path:
    """A file that cannot be read at all, as it is, under the name of its rejects."""
    place, number = file.beside(REJECTED), 1
    while place.exists():
        number += 1
        place = file.beside(f".{number}{REJECTED}")
    file.path.rename(place)
    return place


def sync(folder: Path) -> None:
    """What was renamed and removed in it stays so after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _same(one: Path, other: Path) -> bool:
    with one.open("rb") as first, other.open("rb") as second:
        return one.stat().st_size == other.stat().st_size and all(
            first.read(1 << 16) == chunk for chunk in iter(lambda: second.read(1 << 16), b"")
        )
