"""The weights: how likely each comparison level is for the same child (m), a stranger (u) and another of the child's household (h).

Data, not code: `model.json` is the shipped table, made from published error rates; `--model FILE` takes another of the same shape.
Thresholds belong to the model and are fixed before a test set is opened. A model file comes from outside: one that would page
on anything, or on nothing, is refused.
"""

import json
import re
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from math import log2
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from schemas.base import Shape

SHIPPED = Path(__file__).parent / "model.json"

LEVELS: Final = {
    "given_name": ("exact", "variant", "very-similar", "similar", "initial", "alike", "differ"),
    "family_name": ("exact", "variant", "very-similar", "similar", "initial", "alike", "differ"),
    "date_of_birth": ("exact", "swapped", "one-digit", "two-parts", "same-year", "differ"),
    "postcode": ("exact", "one-edit", "sector", "outcode", "differ"),
    "sex": ("same", "differ"),
    "house": ("exact", "one-edit", "differ"),
    "street": ("exact", "very-similar", "differ"),
    "nhs_number": ("exact", "one-edit", "two-edits", "differ"),
    "upn": ("exact", "one-edit", "two-edits", "differ"),
    "pnc_id": ("exact", "one-edit", "two-edits", "differ"),
    "cro_number": ("exact", "one-edit", "two-edits", "differ"),
}
"""The comparison levels of each field, best first: what `compare` answers as a number."""

LARGEST: Final = 1_000_000
"""Bytes of a model file: a hundred times the shipped one."""

Chance = Annotated[float, Field(gt=0, lt=1)]
Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")]
Cost = Annotated[float, Field(ge=-20, le=0)]
Bits = tuple[float, ...]


class ModelRefused(ValueError):
    """The model file cannot be used: one sentence that says why."""


class Table(Shape):
    """One field, level by level. A missing field counts nothing."""

    levels: tuple[str, ...]
    m: tuple[Chance, ...]
    u: tuple[Chance, ...]
    h: tuple[Chance, ...]

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if not len(self.levels) == len(self.m) == len(self.u) == len(self.h):
            raise ValueError("m, u and h have one number for each level")
        for row in (self.m, self.u, self.h):
            _one(row)
        if not (self.m[0] > self.u[0] and self.m[-1] < self.u[-1]):
            raise ValueError("the best level must speak for the same child, and the worst against")
        return self


def _one(row: tuple[float, ...]) -> None:
    if not 0.95 <= sum(row) <= 1.05:
        raise ValueError("the chances of all levels together must be 1")


class Prior(Shape):
    """`share_on_list`: of all events, those about a listed child. `household`: events of others at home for each of the child's."""

    share_on_list: Chance
    least_children: Annotated[int, Field(ge=1)]
    household: Annotated[float, Field(ge=0, le=10)]

    def each(self, listed: int) -> float:
        """The chance of any one child of a list so long, before anything is compared, against a stranger's 1."""
        return self.share_on_list / max(listed, self.least_children)


class Thresholds(Shape):
    """Probabilities: page from `page` with the runner-up below `runner_up`; review from `review` over all candidates together.

    `namesakes`: with another postcode and no identifier, a page only if no more others than this are expected in England with
    the same name and birth date.
    """

    page: Annotated[float, Field(ge=0.9, lt=1)]
    review: Annotated[float, Field(gt=0, le=0.5)]
    runner_up: Annotated[float, Field(gt=0, le=0.1)]
    namesakes: Annotated[float, Field(ge=0, le=1)]


class Model(Shape):
    """A table with a name and a version. `doors` and `birth_dates` hold other m values where a source is known to err otherwise.

    In bits: `swapped_names` is the cost of reading given and family name crosswise; `twins_of_one_name` is added to the household's
    side where given name and birth date agree, because h of a given name counts fathers, and twins are never called the same;
    `generation_apart` is added where two birth dates are twelve years and more apart. `street_elsewhere` is u of an address line
    that agrees in another postcode: there is a 12 High Street in every town. `least_given`, `least_family`: how common a name is
    at least, known to our tables or not; `least_given_beside_unknown`: a given name beside a family name that no table knows.
    """

    name: Label
    version: Label
    made: Annotated[str, StringConstraints(max_length=40)]
    source: Annotated[str, StringConstraints(max_length=2000)]
    fields: dict[str, Table]
    birth_dates: dict[str, tuple[Chance, ...]]
    doors: dict[str, dict[str, tuple[Chance, ...]]]
    first_of_january: Chance
    swapped_names: Cost
    twins_of_one_name: Cost
    least_given: Chance
    least_given_beside_unknown: Chance
    generation_apart: Cost
    street_elsewhere: Chance
    least_family: Chance
    least_listed: Annotated[int, Field(ge=1)]
    prior: Prior
    thresholds: Thresholds

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for field, levels in LEVELS.items():
            if field not in self.fields or self.fields[field].levels != levels:
                raise ValueError(f"the field {field} is missing or has other levels")
        for rows in (*self.doors.values(), *({"date_of_birth": row} for row in self.birth_dates.values())):
            for field, row in rows.items():
                if field not in LEVELS or len(row) != len(LEVELS[field]):
                    raise ValueError("another m has not the levels of its field")
                _one(row)
        if _HASH.fullmatch(self.version) and self.version != content_version(self.model_dump(mode="json")):
            raise ValueError("the version is not that of the content: the file was changed after it was made")
        return self

    @classmethod
    def load(cls, path: Path = SHIPPED) -> Self:
        """Raises ModelRefused if the file is no model."""
        try:
            with path.open("rb") as file:
                text = file.read(LARGEST + 1)
        except OSError as problem:
            raise ModelRefused(f"the model file cannot be read: {problem.strerror}") from problem
        if len(text) > LARGEST:
            raise ModelRefused(f"the model file is no model: it is larger than {LARGEST:,} bytes")
        try:
            return cls.parse(json.loads(text))
        except (ValueError, RecursionError) as problem:
            if isinstance(problem, ModelRefused):
                raise
            raise ModelRefused("the model file is no JSON") from problem

    @classmethod
    def parse(cls, facts: object) -> Self:
        """Raises ModelRefused, and says which part is wrong but never what was written there."""
        try:
            return cls.model_validate(facts)
        except ValidationError as problem:
            first = problem.errors(include_input=False, include_url=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"] if str(part) in _PARTS or isinstance(part, int))
            raise ModelRefused(f"the model file is no model: {where or 'the whole'}: {first['msg']}") from problem

    @property
    def label(self) -> str:
        """Named in every decision."""
        return f"{self.name}-{self.version}"

    def same(self, door: str | None, birth_date_is: str) -> dict[str, Bits]:
        """log2 of m for each field and level, as this door and this kind of birth date have it."""
        rows = {field: self.fields[field].m for field in LEVELS} | self.doors.get(door or "", {})
        if birth_date_is in self.birth_dates:
            rows["date_of_birth"] = self.birth_dates[birth_date_is]
        return {field: tuple(map(log2, row)) for field, row in rows.items()}

    @cached_property
    def stranger(self) -> dict[str, Bits]:
        """log2 of u."""
        return {field: tuple(map(log2, self.fields[field].u)) for field in LEVELS}

    @cached_property
    def household(self) -> dict[str, Bits]:
        """log2 of h."""
        return {field: tuple(map(log2, self.fields[field].h)) for field in LEVELS}


def content_version(facts: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits of everything that the model says, its own version left out."""
    said = {key: value for key, value in facts.items() if key != "version"}
    return sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:12]


_HASH: Final = re.compile(r"[0-9a-f]{12}")
_PARTS: Final = frozenset(
    (*Model.model_fields, *Table.model_fields, *Prior.model_fields, *Thresholds.model_fields, *LEVELS)
)
