"""The weights: how likely each comparison level is for the same child (m), a stranger (u) and another of the child's household (h).

Data, not code: `model.json` is the shipped table, made from published error rates; `--model FILE` takes another of the same shape.
Thresholds belong to the model and are fixed before a test set is opened.
"""

import json
from functools import cached_property
from math import log2
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, ValidationError, model_validator

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

Chance = Annotated[float, Field(gt=0, lt=1)]
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
        return self


class Prior(Shape):
    """`share_on_list`: of all events, those about a listed child. `household`: events of others at home for each of the child's."""

    share_on_list: Chance
    least_children: Annotated[int, Field(ge=1)]
    household: Annotated[float, Field(ge=0)]


class Thresholds(Shape):
    """Probabilities: page from `page` with the runner-up below `runner_up`; review from `review` over all candidates together."""

    page: Chance
    review: Chance
    runner_up: Chance


class Model(Shape):
    """A table with a name and a version. `doors` and `birth_dates` hold other m values where a source is known to err otherwise.

    In bits: `swapped_names` is the cost of reading given and family name crosswise; `twins_of_one_name` is added to the household's
    side where given name and birth date agree, because h of a given name counts fathers, and twins are never called the same.
    """

    name: str
    version: str
    made: str
    source: str
    fields: dict[str, Table]
    birth_dates: dict[str, tuple[Chance, ...]]
    doors: dict[str, dict[str, tuple[Chance, ...]]]
    first_of_january: Chance
    swapped_names: float
    twins_of_one_name: float
    least_given: Chance
    least_family: Chance
    least_listed: int
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
                    raise ValueError(f"another m of {field} has not its levels")
        return self

    @classmethod
    def load(cls, path: Path = SHIPPED) -> Self:
        """Raises ModelRefused if the file is no model."""
        try:
            return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except OSError as problem:
            raise ModelRefused(f"the model file cannot be read: {problem.strerror}") from problem
        except ValidationError as problem:
            first = problem.errors(include_input=False, include_url=False)[0]
            raise ModelRefused(
                f"the model file is no model: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            ) from problem
        except ValueError as problem:
            raise ModelRefused("the model file is no JSON") from problem

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
