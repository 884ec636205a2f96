"""Many pairs of a person and a listed child, and the most that each could weigh: who need not be compared is known by it."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from streams.matching.bounds import Row, Shares, Table, weigh, weigh_marks
from streams.matching.frequency import Frequencies
from streams.matching.likeness import Codes, Likeness, Truth, likeness
from streams.matching.model import Model
from streams.matching.normalise import Entry
from streams.matching.packed import Packed, Packer
from streams.matching.score import Same

AT_A_TIME = 20_000
"""Pairs looked at together: their columns stay in the processor's cache, and a list of namesakes cannot fill the memory."""


class Asked(NamedTuple):
    """One event's person. `same` and `row`: log2 m of its door, and the same as a row of bits."""

    entry: Entry
    same: Same
    row: Row


class Pairs(NamedTuple):
    """Pair `i` is of the person `of[i]` and the child in `row[i]`; `named[i]`: found by an identifier."""

    of: Codes
    row: Codes
    named: Truth


class Sieve:
    """Weighs pairs against one model."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._household = Row(model, model.household)
        self._row = cache(self._row_of)

    def asked(self, entry: Entry, door: str | None, birth_date_is: str) -> Asked:
        return Asked(entry, *self._row(door if door in self._model.doors else None, birth_date_is))

    def _row_of(self, door: str | None, birth_date_is: str) -> tuple[Same, Row]:
        same = self._model.same(door, birth_date_is)
        return same, Row(self._model, same, apart=self._model.generation_apart)

    def look(
        self, asked: Sequence[Asked], pairs: Pairs, listed: Packed, packer: Packer, frequencies: Frequencies
    ) -> "Look":
        """`listed`: the record of each pair's child."""
        entries = [one.entry for one in asked]
        packed = packer.all(entries)
        parts = [
            likeness(packed, pairs.of[part], Packed(listed.records[part], listed.units), packer.kin)
            for part in (slice(start, start + AT_A_TIME) for start in range(0, max(len(pairs.of), 1), AT_A_TIME))
        ]
        alike = parts[0] if len(parts) == 1 else Likeness(*map(np.concatenate, zip(*parts, strict=True)))
        shares = Shares(self._model, frequencies, entries)
        return Look(self._model, self._household, asked, pairs, alike, packed.records["marks"], shares)


class Look(NamedTuple):
    """How alike all pairs of a batch could be."""

    model: Model
    household: Row
    asked: Sequence[Asked]
    pairs: Pairs
    alike: Likeness
    marks: Codes
    shares: Shares

    def children(self) -> Table:
        """For each pair the most that "the same child" could weigh."""
        rows = [one.row for one in self.asked]
        bits = self.shares.fit(rows, slice(None))
        found = weigh(self.alike, self.pairs.of, bits, self.model.swapped_names)
        return found + weigh_marks(self.alike, self.pairs.of, rows, self.marks, self.pairs.named)

    def households(self, person: int, own: Codes) -> Table:
        """For each pair in `own`, which are of one person, the most that "somebody else of the child's household" could weigh."""
        alike, of, rows = self.alike.of(own), np.zeros(len(own), np.int64), [self.household]
        bits = self.shares.fit(rows, slice(person, person + 1))
        found = weigh(alike, of, bits, self.model.swapped_names)
        return found + weigh_marks(alike, of, rows, self.marks[person : person + 1], self.pairs.named[own])
