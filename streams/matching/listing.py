"""A file of watched children, read for matching alone: a field that cannot be right is set aside and named, the child stays.

The import (contract section 5) is all or nothing; this is for looking at a list offline: every child
that can be recognised should be.
"""

import csv
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from schemas.person import IDENTIFIERS, Sex
from streams.matching.normalise import unlikely

Complain = Callable[[str], None]

SEVERAL: Final = ("other_names", "previous_family_names")
COLUMNS: Final = frozenset(
    (
        "child_id",
        "family_name",
        "given_name",
        "date_of_birth",
        "sex",
        "postcode",
        "address_line",
        *SEVERAL,
        *IDENTIFIERS,
    )
)
"""Those that matter here; the others of section 5 may be there and are not read."""

LONGEST: Final = (
    dict.fromkeys(COLUMNS, 200) | dict.fromkeys(SEVERAL, 4000) | dict.fromkeys(IDENTIFIERS, 64) | {"postcode": 20}
)
"""Characters: of names as in `Person`. What is longer is set aside here and named; there a name is refused, an identifier cut."""


class Listed(NamedTuple):
    """A child as far as matching needs it; made without pydantic, which would take as long as all the rest."""

    child_id: str
    family_name: str | None = None
    given_name: str | None = None
    other_names: tuple[str, ...] = ()
    previous_family_names: tuple[str, ...] = ()
    date_of_birth: date | None = None
    sex: Sex | None = None
    postcode: str | None = None
    address_line: str | None = None
    nhs_number: str | None = None
    upn: str | None = None
    pnc_id: str | None = None
    cro_number: str | None = None


class Lines(Protocol):
    """A `csv.reader`."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


class ListRefused(ValueError):
    """The file is no list of children: one sentence that says why."""


def read(path: Path, complain: Complain, today: date) -> Iterator[Listed]:
    """The children, in order. `complain` gets a sentence for each row left out and each field set aside, never with a value.

    Left out: a row without a child_id, with one that came before, or with neither a name nor an identifier. Set aside: a birth date
    on which nobody can have been born, as of `today`. Raises ListRefused.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _children(csv.reader(file), complain, today)
    except OSError as problem:
        raise ListRefused(f"the list of children cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise ListRefused("the list of children is not UTF-8") from problem
    except csv.Error as problem:
        raise ListRefused(f"the list of children is no CSV: {problem}") from problem


def _children(rows: Lines, complain: Complain, today: date) -> Iterator[Listed]:
    header = [name.strip() for name in next(rows, [])]
    if "child_id" not in header:
        raise ListRefused("the list of children has no column child_id")
    if len(set(header)) < len(header):
        raise ListRefused("the list of children has two columns of one name")
    wanted = [(place, name) for place, name in enumerate(header) if name in COLUMNS]
    remove = header.index("action") if "action" in header else len(header)
    seen: dict[str, int] = {}
    for row in rows:
        line = rows.line_num
        values = {name: text for place, name in wanted if place < len(row) and (text := row[place].strip())}
        if len(row) > len(header):
            complain(f"line {line}: more cells than columns; those beyond are not read")
        if why := _unusable(values, row[remove : remove + 1], seen):
            complain(f"line {line}: {why}; left out")
            continue
        child = _child(values, line, complain, today)
        if child is not None:
            seen[child.child_id] = line
            yield child


def _unusable(values: dict[str, str], action: list[str], seen: dict[str, int]) -> str | None:
    if not values:
        return "empty"
    if action and action[0].strip().lower() == "remove":
        return "to be removed"
    own = values.get("child_id")
    if own is None:
        return "no child_id"
    if own in seen:
        return f"child_id is that of line {seen[own]}"
    return None


def _child(values: dict[str, str], line: int, complain: Complain, today: date) -> Listed | None:
    own = values.pop("child_id")
    if not _ID.fullmatch(own):
        complain(f"line {line}, child_id: not 1 to 64 letters, digits and . _ / -; left out")
        return None
    shaped: dict[str, Any] = {}
    for name, text in values.items():
        if why := _wrong(name, text, today):
            complain(f"line {line}, {name}: {why}; set aside")
            continue
        shape = _SHAPES.get(name)
        shaped[name] = shape(text) if shape else text
    if not ("family_name" in shaped or "given_name" in shaped or not shaped.keys().isdisjoint(IDENTIFIERS)):
        complain(f"line {line}: neither a name nor an identifier; left out")
        return None
    return Listed(own, **shaped)


def _wrong(name: str, text: str, today: date) -> str | None:
    if len(text) > LONGEST[name]:
        return f"longer than {LONGEST[name]} characters"
    if name == "date_of_birth":
        born = _date(text)
        return unlikely(born, today) if born else "not a date written YYYY-MM-DD"
    if name == "sex" and text not in _SEXES:
        return "not female, male, other or unknown"
    return None


def _date(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if len(text) == len("2010-03-14") else None


def _several(text: str) -> tuple[str, ...]:
    return tuple(each for part in text.split(";") if (each := part.strip()))[:20]


_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
_SEXES: Final = {sex.value: sex for sex in Sex}
_SHAPES: Final[dict[str, Callable[[str], Any]]] = {
    "date_of_birth": date.fromisoformat,
    "sex": _SEXES.__getitem__,
    "other_names": _several,
    "previous_family_names": _several,
}
