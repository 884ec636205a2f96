"""Who an event is about: as the agency wrote it (`Person`), and as we can use it (`Identity`)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from schemas.base import Flag, Name, Shape, or_absent
from schemas.identifiers import LONGEST, Checked, cro_number, nhs_number, pnc_id, postcode, upn


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class BirthDateIs(StrEnum):
    """How sure the agency is of the date of birth."""

    RECORDED = "recorded"
    ESTIMATED = "estimated"
    CLAIMED = "claimed"


def _plain_date(value: Any) -> Any:
    """`YYYY-MM-DD` alone: a number or a time of day would be guessed at, and a guess is another child."""
    if isinstance(value, date) or (isinstance(value, str) and _DATE.fullmatch(value)):
        return value
    raise ValueError("write it as YYYY-MM-DD")


_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_Written = Annotated[str, Field(json_schema_extra={"format": "date"})]
PlainDate = Annotated[date, BeforeValidator(_plain_date, json_schema_input_type=_Written)]


def _cut(value: Any) -> Any:
    """So much of an identifier or a postcode that is far too long as shows that it cannot be one: it rejects nothing."""
    return value.strip()[: LONGEST + 1] if isinstance(value, str) and len(value) > LONGEST else value


Identifier = Annotated[str, BeforeValidator(_cut, json_schema_input_type=str)]

Names = Annotated[tuple[Name, ...], Field(max_length=20)]

IDENTIFIERS = {"nhs_number": nhs_number, "upn": upn, "pnc_id": pnc_id, "cro_number": cro_number}


class Person(Shape):
    """A person as the agency knows them (contract section 3). Every field is optional but one identifier, or surname and birth date.

    An identifier that cannot be right is kept as it was typed: `Identity` sets it aside, and a typo is still worth comparing.
    """

    family_name: Name | None = None
    given_name: Name | None = None
    other_names: Annotated[Names, or_absent(Names, ())] = ()
    previous_family_names: Annotated[Names, or_absent(Names, ())] = ()
    date_of_birth: PlainDate | None = None
    date_of_birth_is: Annotated[BirthDateIs, or_absent(BirthDateIs, BirthDateIs.RECORDED)] = BirthDateIs.RECORDED
    sex: Sex | None = None
    postcode: Identifier | None = None
    address_line: Name | None = None
    nhs_number: Identifier | None = None
    upn: Identifier | None = None
    pnc_id: Identifier | None = None
    cro_number: Identifier | None = None
    identity_reliable: Annotated[Flag, or_absent(Flag, True)] = True

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if any(getattr(self, field) for field in IDENTIFIERS) or (self.family_name and self.date_of_birth):
            return self
        raise ValueError("give one identifier, or family_name with date_of_birth")


@dataclass(frozen=True, slots=True)
class SetAside:
    """An identifier that cannot be used as it stands. `typed` is never logged, and is only compared as a typo."""

    field: str
    problem: str
    typed: str


@dataclass(frozen=True, slots=True)
class Identity:
    """The parts of a person that can be relied on, in canonical form. `set_aside` holds what could not."""

    person: Person
    nhs_number: str | None
    upn: str | None
    pnc_id: str | None
    cro_number: str | None
    postcode: str | None
    set_aside: tuple[SetAside, ...]

    @classmethod
    def of(cls, person: Person) -> Self:
        checked = _checked(person)
        place = postcode(person.postcode) if person.postcode else None
        return cls(
            person=person,
            postcode=place.canonical if place else None,
            set_aside=_set_aside(person, checked),
            **{field: checked[field].canonical if field in checked else None for field in IDENTIFIERS},
        )

    def identifiers(self) -> Iterator[tuple[str, str]]:
        """The usable ones, as (field, canonical value)."""
        for field in IDENTIFIERS:
            if value := getattr(self, field):
                yield field, value


def unusable(person: Person) -> tuple[SetAside, ...]:
    """Their identifiers that cannot be used as they stand: `Identity.set_aside` alone."""
    return _set_aside(person, _checked(person))


def _checked(person: Person) -> dict[str, Checked]:
    return {field: check(text) for field, check in IDENTIFIERS.items() if (text := getattr(person, field))}


def _set_aside(person: Person, checked: Mapping[str, Checked]) -> tuple[SetAside, ...]:
    return tuple(
        SetAside(field, str(check.problem), getattr(person, field)) for field, check in checked.items() if check.problem
    )
