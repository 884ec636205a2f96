"""Who plays: the files in `data/`, which are also examples for operators, with their dates moved so that they are of today."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import zip_longest
from pathlib import Path

DATA = Path(__file__).parent / "data"

WRITTEN_ON = date(2026, 11, 4)
"""The day on which the files' dates were true. The rota reaches from nine days before it to 26 after."""

MOVED = frozenset({"starts_on", "review_on", "expires_on", "starts", "ends"})
"""Columns whose dates are of the present. A date of birth stays what it is."""

ON_EVENTS = ("family_name", "given_name", "date_of_birth", "sex", "postcode", "nhs_number")


@dataclass(frozen=True)
class Child:
    """A made-up child as an agency would write them. `id` is their place on the list, None for one who is not watched."""

    id: str | None
    authority: str
    person: dict[str, str]

    @property
    def label(self) -> str:
        """How the demo's screen names them. They are made up: no screen of Nightlight's own would."""
        return f"{self.person['given_name']} {self.person['family_name']}"


def file(name: str, *, today: date) -> bytes:
    """One of the demo's CSV files, as it would have been written today."""
    return moved((DATA / f"{name}.csv").read_bytes(), by=today - WRITTEN_ON)


def moved(data: bytes, *, by: timedelta) -> bytes:
    """A CSV with the dates of its present-day columns moved by whole days; times of day stay as they are."""
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _moved(cell, by) if name in MOVED else cell for name, cell in row.items()})
    return out.getvalue().encode()


def watched() -> tuple[Child, ...]:
    """The children on the list, in its order."""
    return tuple(_children("children"))


def not_watched() -> tuple[Child, ...]:
    """Children whom nobody has promised to watch: their events must leave nothing."""
    return tuple(_children("not_watched"))


def in_turn(children: Iterable[Child]) -> list[Child]:
    """One of each authority, then the next of each: whoever clicks twice sees both teams."""
    by_place: dict[str, list[Child]] = {}
    for child in children:
        by_place.setdefault(child.authority, []).append(child)
    return [child for rank in zip_longest(*by_place.values()) for child in rank if child]


def _moved(cell: str, by: timedelta) -> str:
    return f"{date.fromisoformat(cell[:10]) + by}{cell[10:]}"


def _children(name: str) -> Iterable[Child]:
    for row in csv.DictReader((DATA / f"{name}.csv").read_text().splitlines()):
        yield Child(row.get("child_id"), row["authority"], {field: row[field] for field in ON_EVENTS})
