"""How one feed's files are written: `mapping.toml` in its folder, a table from our fields to its columns and words."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationError

from connectors.findings import findings
from connectors.inbox.dates import Order
from connectors.inbox.fields import BY_NAME, ENVELOPE, fold
from schemas.base import Shape
from schemas.events import EVENTS

FILE: Final = "mapping.toml"
LARGEST: Final = 256 * 1024
ENCODINGS: Final = {"utf-8": "utf-8", "utf-16": "utf-16", "cp1252": "cp1252", "latin-1": "latin-1"}


class BadMapping(Exception):
    """The file cannot be used: the folder's files wait until it is mended. One sentence that names what is wrong."""


def full_type(name: str) -> str:
    """`nightlight.arrest.v1`, of that or of `arrest`. Raises ValueError."""
    full = name if name in EVENTS else f"nightlight.{name.strip().lower()}.v1"
    if full not in EVENTS:
        raise ValueError(f"must be one of {', '.join(each.split('.')[1] for each in EVENTS)}")
    return full


def _known(names: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in names:
        if name not in BY_NAME and name not in ENVELOPE:
            raise ValueError(f"there is no field '{name}': docs/for-agencies.md has a list")
    return names


def _encoding(name: str) -> str:
    if name.lower() not in ENCODINGS:
        raise ValueError(f"must be one of {', '.join(ENCODINGS)}")
    return ENCODINGS[name.lower()]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/London") from None
    return name


class Mapping_(Shape):  # noqa: N801 - `Mapping` is Python's
    """A feed's own ways. Everything has a default: a file with our own column names needs no mapping at all."""

    type: Annotated[str, AfterValidator(full_type)] | None = None
    """Of every row that does not say another."""
    dates: Order = Order.ISO
    zone: Annotated[str, AfterValidator(_zone)] = "Europe/London"
    """Of times without an offset."""
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    columns: Annotated[Mapping[str, str], AfterValidator(_known)] = {}
    """Our field → the heading of their column."""
    fixed: Annotated[Mapping[str, str], AfterValidator(_known)] = {}
    """Our field → what it is in every row that has no column for it, or nothing in it."""
    values: Annotated[Mapping[str, Mapping[str, str]], AfterValidator(_known)] = {}
    """Our field → their word → ours. Capitals and spaces at the ends do not matter."""

    @property
    def headings(self) -> Mapping[str, str]:
        """Their heading, folded → our field."""
        return {fold(theirs): ours for ours, theirs in self.columns.items()}

    def word(self, field: str, text: str) -> str:
        """Our word for theirs."""
        words = self.values.get(field)
        return {fold(theirs): ours for theirs, ours in words.items()}.get(fold(text), text) if words else text


PLAIN: Final = Mapping_()
"""For a folder without a mapping."""


def load(folder: Path) -> Mapping_:
    """The folder's mapping, or the plain one. Raises BadMapping."""
    path = folder / FILE
    try:
        if path.stat().st_size > LARGEST:
            raise BadMapping(f"{FILE} is larger than {LARGEST // 1024} KiB")
        told = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return PLAIN
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BadMapping(f"{FILE} is not TOML in UTF-8: {problem}") from None
    except OSError as problem:
        raise BadMapping(f"{FILE} cannot be read ({problem.strerror})") from None
    try:
        return Mapping_.model_validate(told)
    except ValidationError as problem:
        first = findings(problem, Mapping_, "")[0]
        raise BadMapping(f"{FILE}: {first.path or 'it'} {first.message}") from None
