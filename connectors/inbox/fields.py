"""Every column that a file may have: the envelope's, the person's, and each type's own, by the names of contract section 3."""

import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum, auto
from functools import cache
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel

from schemas.events import (
    EVENTS,
    AboutPerson,
    ArrestReported,
    ChildAdmitted,
    ChildDischarged,
    ChildExcluded,
    ChildFound,
    ChildMissing,
    ChildSearched,
    CustodyReleased,
    Event,
    ThreatToLifeWarned,
)
from schemas.person import Person


class Kind(Enum):
    """How a cell of this field is read."""

    TEXT = auto()
    LIST = auto()
    DATE = auto()
    INSTANT = auto()
    YES_OR_NO = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """One field of an event: where it goes below `data`, and how it is read."""

    place: tuple[str, ...]
    kind: Kind


ENVELOPE: Final = ("id", "source", "type", "time", "authority", "mode")
OURS: Final = ("reason", "line", "text")
"""What a `.rejected.csv` has beside the file's own columns: passed over when it comes back mended."""

ALIASES: Final[Mapping[str, str]] = {
    "surname": "family_name",
    "last_name": "family_name",
    "legal_surname": "family_name",
    "forename": "given_name",
    "first_name": "given_name",
    "legal_forename": "given_name",
    "middle_names": "other_names",
    "dob": "date_of_birth",
    "birth_date": "date_of_birth",
    "gender": "sex",
    "post_code": "postcode",
    "address": "address_line",
    "nhs_no": "nhs_number",
    "pnc": "pnc_id",
    "pnc_number": "pnc_id",
    "cro": "cro_number",
    "unique_pupil_number": "upn",
    "custody_number": "custody_record",
    "urn": "school_urn",
    "la": "authority",
}
"""Headings that everybody writes and nobody means in two ways."""

OWN_TIME: Final[Mapping[type[Event], tuple[str, ...]]] = {
    ArrestReported: ("arrested_at", "detention_authorised_at"),
    CustodyReleased: ("released_at",),
    ChildAdmitted: ("arrived_at",),
    ChildDischarged: ("left_at",),
    ChildExcluded: ("decided_at",),
    ChildMissing: ("reported_at",),
    ChildFound: ("found_at",),
    ThreatToLifeWarned: ("issued_at",),
    ChildSearched: ("at",),
}
"""When it happened, in the type's own words: a row need not say it twice. The first is what `time` stands in for."""

YES: Final = frozenset({"yes", "y", "true", "t", "1"})
NO: Final = frozenset({"no", "n", "false", "f", "0"})


def fold(heading: str) -> str:
    """A heading as it is compared: `Date of Birth` and `date_of_birth` are one."""
    return re.sub(r"[^a-z0-9]+", "_", heading.strip().lower().replace("'", "")).strip("_")


def field_of(heading: str) -> str | None:
    """Which of our fields a heading means: by its name, with `person.` or `data.` before it, or as an alias."""
    name = fold(heading)
    for prefix in ("data_person_", "data_", "person_", "ce_"):
        if name.removeprefix(prefix) in BY_NAME or name.removeprefix(prefix) in ENVELOPE:
            return name.removeprefix(prefix)
    return ALIASES.get(name)


@cache
def columns_of(type_: str) -> Mapping[str, Column]:
    """The fields of one type by name: its own, its person's, and `of_source` and `of_id` for what it corrects."""
    return dict(_fields(EVENTS[type_], ()))


@cache
def required_of(type_: str) -> frozenset[str]:
    """Its own fields that must be there, a person apart."""
    event = EVENTS[type_]
    own = {name for name, field in event.model_fields.items() if field.is_required()} - {"person", "of"}
    return frozenset(own | ({"of_source", "of_id"} if "of" in event.model_fields else set()))


def is_about_person(type_: str) -> bool:
    return issubclass(EVENTS[type_], AboutPerson)


def _fields(model: type[BaseModel], above: tuple[str, ...]) -> list[tuple[str, Column]]:
    found: list[tuple[str, Column]] = []
    for name, field in model.model_fields.items():
        place = (*above, name)
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            prefix = "" if inner is Person else f"{name}_"
            found += [(prefix + below, column) for below, column in _fields(inner, place)]
            continue
        found.append((name, Column(place, _kind(inner))))
    return found


def _kind(annotation: Any) -> Kind:
    """By the type behind `| None` and behind what is annotated."""
    if typing.get_origin(annotation) is tuple:
        return Kind.LIST
    inner = [part for part in typing.get_args(annotation) if part is not type(None)]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        return _kind(inner[0])
    return KINDS.get(annotation, Kind.TEXT)


KINDS: Final[Mapping[Any, Kind]] = {
    bool: Kind.YES_OR_NO,
    date: Kind.DATE,
    datetime: Kind.INSTANT,
    AwareDatetime: Kind.INSTANT,
}

BY_NAME: Final[frozenset[str]] = frozenset(name for type_ in EVENTS for name in columns_of(type_))
"""Every field of any type."""

PLACES: Final[Mapping[tuple[str, ...], str]] = {
    column.place: name for type_ in EVENTS for name, column in columns_of(type_).items()
}
"""The other way: from a place below `data` to the field."""

PERSONS: Final[frozenset[str]] = frozenset(Person.model_fields)
