"""The most that each child could weigh, in bits, for thousands of pairs at a time: never less than what `score` finds.

A child of whom even that is far too little need not be compared word by word, and nearly all that an index finds are such.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import log2
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.person import IDENTIFIERS
from streams.matching import likeness as like
from streams.matching.folding import Words
from streams.matching.frequency import Frequencies
from streams.matching.likeness import Beside, Codes, Likeness, Truth
from streams.matching.model import Model
from streams.matching.normalise import Entry
from streams.matching.packed import SOUND
from streams.matching.score import Same

Table = NDArray[np.float64]

WIDTHS: Final = (
    like.NO_NAME + 1,
    like.NO_NAME + 1,
    like.NEW_YEAR + 1,
    like.ANY_PLACE + 1,
    like.NO_SEX + 1,
    like.DOORS + 1,
)
GIVEN, FAMILY, BIRTH, PLACE, SEX, DOOR = accumulate((0, *WIDTHS[:-1]))
"""Where each field begins in a row of bits: one number for each code of `likeness`."""

ALL_MARKS: Final = 1 << 2 * len(IDENTIFIERS)


class Row:
    """What each code weighs against a stranger. `first`: log2 of the probabilities of m, or of h."""

    def __init__(self, model: Model, first: Same, *, apart: float = 0.0) -> None:
        """`apart`: what is added where the birth dates are a generation apart."""
        least_given = min(model.least_given, model.least_given_beside_unknown)
        self._bits = {
            field: [m - u for m, u in zip(first[field], model.stranger[field], strict=True)] for field in first
        }
        self.codes = np.array(
            [
                *self._name("given_name", first["given_name"][0] - log2(least_given)),
                *self._name("family_name", first["family_name"][0] - log2(model.least_family)),
                *self._birth(first["date_of_birth"][0] - log2(model.first_of_january), apart),
                *self._place(),
                *self._bits["sex"],
                0.0,
                *self._door(),
            ]
        )
        self._marks: dict[int, Table] = {}

    def _name(self, field: str, rare: float) -> list[float]:
        """A level may turn out to be any worse one, which is not always fewer bits."""
        worse = _best_from(self._bits[field])
        exact = max(rare, worse[1])
        return [exact, exact, *worse[1:], 0.0]

    def _birth(self, new_year: float, apart: float) -> list[float]:
        bits = self._bits["date_of_birth"]
        return [*bits[:-1], bits[-1] + max(apart, 0.0), 0.0, new_year]

    def _place(self) -> list[float]:
        bits = self._bits["postcode"]
        return [bits[0], max(bits[1:]), *bits[2:], 0.0, max(bits)]

    def _door(self) -> list[float]:
        house, street = self._bits["house"], self._bits["street"]
        far = [0.0, 0.0, max(street[1], 0.0), max(street[0], 0.0)]
        near = [max(house[1:]), max(house), max(house), max(house)]
        return [*far, *near, *map(max, far, near), 0.0]

    def marks(self, asked: int) -> Table:
        """By what the child has. None is equal, which the index finds by itself; two usable ones are then of two people."""
        found = self._marks.get(asked)
        if found is None:
            found = self._marks[asked] = np.array([self._differing(asked, child) for child in range(ALL_MARKS)])
        return found

    def _differing(self, asked: int, child: int) -> float:
        total = 0.0
        for place, kind in enumerate(IDENTIFIERS):
            bits = self._bits[kind]
            if asked & child & 1 << place:
                usable = asked & child & 1 << place + SOUND
                total += bits[3] if usable else max(bits[1], bits[2], 0.0)
        return total

    def equal(self, asked: int) -> float:
        """Of all the identifiers that are asked for."""
        return sum(self._bits[kind][0] for place, kind in enumerate(IDENTIFIERS) if asked & 1 << place)


class Shares:
    """How common the names and the places of some people are, at the least: what is exact weighs by it."""

    def __init__(self, model: Model, frequencies: Frequencies, asked: Sequence[Entry]) -> None:
        """What is kept is what each person's share adds to the bits of a row, in the order of EXACT."""
        stranger = model.stranger["postcode"]
        expected = (stranger[0], stranger[2], stranger[3])
        least_given = log2(min(model.least_given, model.least_given_beside_unknown))
        least_family = log2(model.least_family)
        adds = []
        for one in asked:
            given = least_given - log2(_rarest(frequencies.given_at_least, one.given)) if one.given else 0.0
            family = least_family - log2(_rarest(frequencies.family, one.family)) if one.family else 0.0
            shares = frequencies.places(one.postcode) if one.postcode else _NOWHERE
            places = [
                min(bits - log2(share), 0.0) if share else 0.0 for bits, share in zip(expected, shares, strict=True)
            ]
            adds.append((given, family, *places))
        self._adds = np.array(adds)

    def fit(self, rows: Sequence[Row]) -> Table:
        """The bits of each person's row, as they are for that person; there may be several rows to a person, in turns. An exact name
        is never worth less than a variant."""
        bits = np.array([row.codes for row in rows])
        bits[:, EXACT] += np.tile(self._adds, (len(rows) // len(self._adds), 1))
        for name in (GIVEN, FAMILY):
            np.maximum(bits[:, name + like.SAME], bits[:, name + like.VARIANT], out=bits[:, name + like.SAME])
        return bits


def _rarest(share: Callable[[Words], float], forms: Sequence[Words]) -> float:
    """Of a name's forms, each as it is and, of several words, written as one."""
    if len(forms) == 1 and len(forms[0]) == 1:
        return share(forms[0])
    return min(share(each) for form in forms for each in {form, ("".join(form),)})


_NOWHERE: Final = (0.0, 0.0, 0.0)
EXACT: Final = (GIVEN + like.SAME, FAMILY + like.SAME, PLACE, PLACE + like.SECTOR, PLACE + like.OUTCODE)
"""What weighs by how common it is."""


def weigh_names(alike: Likeness, of: Codes, bits: Table, swapped: float) -> tuple[Table, Table]:
    """The names as they stand, and read crosswise at the cost of `swapped`. Pair `i` is weighed by `bits[of[i]]`."""
    flat, base = bits.ravel(), of * bits.shape[1]
    straight = flat[base + (GIVEN + alike.given)] + flat[base + (FAMILY + alike.family)]
    crossed = flat[base + (GIVEN + alike.crossed_given)] + flat[base + (FAMILY + alike.crossed_family)]
    return straight, crossed + swapped


def weigh_beside(beside: Beside, of: Codes, bits: Table) -> Table:
    """All but the names and the identifiers."""
    flat, base = bits.ravel(), of * bits.shape[1]
    found: Table = flat[base + (BIRTH + beside.birth)]
    for field, code in ((PLACE, beside.place), (SEX, beside.sex), (DOOR, beside.door)):
        found += flat[base + (field + code)]
    return found


def weigh_marks(beside: Beside, of: Codes, rows: Sequence[Row], asked: Sequence[int], named: Truth) -> Table:
    """The identifiers of each pair; `asked` has those of each person. `named`: the index found the child by one of them."""
    kinds = list(dict.fromkeys(zip(rows, asked, strict=True)))
    place = {kind: number for number, kind in enumerate(kinds)}
    kind_of = np.array([place[kind] for kind in zip(rows, asked, strict=True)])[of]
    differing = np.concatenate([row.marks(marks) for row, marks in kinds])
    equal = np.array([row.equal(marks) for row, marks in kinds])
    found: Table = np.where(named, equal[kind_of], differing[kind_of * ALL_MARKS + beside.marks])
    return found


def _best_from(bits: Sequence[float]) -> list[float]:
    """For each place the largest from there on."""
    return list(accumulate(reversed(bits), max))[::-1]
