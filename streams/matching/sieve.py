"""Many pairs of a person and a listed child, and the most that each could weigh: who need not be compared is known by it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np

from streams.matching.bounds import Row, Shares, Table, weigh_beside, weigh_marks, weigh_names
from streams.matching.cut import Cut, edge
from streams.matching.frequency import Frequencies
from streams.matching.keys import IDENTIFIER, Sounds
from streams.matching.likeness import Beside, Codes, Likeness, Truth, beside_names, likeness
from streams.matching.model import Model
from streams.matching.normalise import Entry
from streams.matching.packed import Packed, Packer, Records
from streams.matching.score import Same

AT_A_TIME = 20_000
"""Pairs looked at together: their columns stay in the processor's cache, and a list of namesakes cannot fill the memory."""

CROWD = 200
"""Pairs of one person from which on the first cut is made."""


class Asked(NamedTuple):
    """One event's person. `same` and `row`: log2 m of its door, and the same as a row of bits."""

    entry: Entry
    same: Same
    row: Row


class Pairs(NamedTuple):
    """Pair `i` is of the person `of[i]` and the child in `row[i]`, found by a key of the kind `kind[i]`; once for each key.

    `lost[n]`: the kinds of keys of person `n` that find more children than are looked at.
    """

    of: Codes
    row: Codes
    kind: Codes
    lost: Sequence[Collection[int]]

    def at(self, places: Codes) -> "Pairs":
        """These alone."""
        return self._replace(of=self.of[places], row=self.row[places], kind=self.kind[places])

    def met(self) -> tuple[list[int], "Pairs"]:
        """Who is in a pair at all, and the pairs with these alone counted: about the others there is nothing to ask."""
        has = np.bincount(self.of, minlength=len(self.lost)) > 0
        whom: list[int] = has.nonzero()[0].tolist()
        if len(whom) == len(self.lost):
            return whom, self
        place = np.cumsum(has) - 1
        return whom, self._replace(of=place[self.of], lost=[self.lost[person] for person in whom])


class Weighed(NamedTuple):
    """For each pair the most that "the same child" and "somebody else of the child's household" could weigh, in bits; and that the
    names could, for the child, if given and family name are taken for one another."""

    pairs: Pairs
    child: Table
    household: Table
    crossed: Table


class People(NamedTuple):
    """Those who are asked about, packed. `rows` are what every code weighs for the child, of each of them, and then for somebody
    else of its household; `bits` the same, by how common their names and places are."""

    asked: Sequence[Asked]
    packed: Packed
    rows: Sequence[Row]
    bits: Table

    @property
    def marks(self) -> list[int]:
        """Which identifiers each has, and which of them are usable; twice, as `rows`."""
        found: list[int] = self.packed.records["marks"].tolist()
        return found * 2

    def both(self, of: Codes) -> Codes:
        """The places in `rows` of these people, in two rows."""
        return np.stack([of, of + len(self.asked)])

    def at(self, places: Codes) -> "People":
        """These alone."""
        asked = [self.asked[place] for place in places]
        both = self.both(places).ravel()
        packed = Packed(self.packed.records[places], self.packed.units)
        return People(asked, packed, [self.rows[place] for place in both], self.bits[both])


Listed = Callable[[Codes], Packed]
"""The records of these rows of the list."""


class Sieve:
    """Weighs pairs against one model."""

    def __init__(self, model: Model, *, crowd: int = CROWD) -> None:
        self._model = model
        self._crowd = crowd
        self._household = Row(model, model.household)
        self._row = cache(self._row_of)

    def asked(self, entry: Entry, door: str | None, birth_date_is: str) -> Asked:
        return Asked(entry, *self._row(door if door in self._model.doors else None, birth_date_is))

    def _row_of(self, door: str | None, birth_date_is: str) -> tuple[Same, Row]:
        same = self._model.same(door, birth_date_is)
        return same, Row(self._model, same, apart=self._model.generation_apart)

    def people(self, asked: Sequence[Asked], packer: Packer, frequencies: Frequencies) -> People:
        entries = [one.entry for one in asked]
        shares = Shares(self._model, frequencies, entries)
        rows = [one.row for one in asked] + [self._household] * len(asked)
        return People(asked, packer.all(entries), rows, shares.fit(rows))

    def weigh(self, people: People, pairs: Pairs, listed: Listed, packer: Packer) -> Weighed:
        """Every pair, by how alike the two could be at most."""
        beside = _joined(Beside, (own for own, _ in self._beside(people, pairs, listed)))
        return self._weigh(people, pairs, beside, listed, packer)

    def sift(
        self, people: People, pairs: Pairs, listed: Listed, packer: Packer, sounds: Sounds, *, floor: float, least: int
    ) -> Weighed:
        """As `weigh`; but of a person with a crowd only the children who could weigh as much as `floor`, they or somebody else of their
        household, or the best `least`.

        Who is left depends on nobody else in the batch.
        """
        crowds = np.bincount(pairs.of, minlength=len(people.asked)) > self._crowd
        if not crowds.any():
            return self.weigh(people, pairs, listed, packer)
        own = crowds.nonzero()[0]
        some, place = people.at(own), np.cumsum(crowds) - 1
        cut = self._cut(some, [pairs.lost[person] for person in own.tolist()], sounds)
        besides, most = [], np.full((2, len(pairs.of)), np.inf)
        for part, (beside, child) in zip(_parts(len(pairs.of)), self._beside(people, pairs, listed), strict=True):
            besides.append(beside)
            of = pairs.of[part]
            mine = crowds[of].nonzero()[0]
            codes = Beside(*(code[mine] for code in beside))
            most[:, part.start + mine] = cut.most(
                some.both(place[of[mine]]), pairs.kind[part][mine], codes, child[mine]
            )
        kept = most.max(0) >= floor
        if least:
            _fill(kept, most[0], pairs.of, crowds, least)
        places, beside = kept.nonzero()[0], _joined(Beside, besides)
        return self._weigh(people, pairs.at(places), Beside(*(code[places] for code in beside)), listed, packer)

    def _beside(self, people: People, pairs: Pairs, listed: Listed) -> Iterator[tuple[Beside, Records]]:
        """Part by part, with the children's records."""
        for part in _parts(len(pairs.of)):
            child = listed(pairs.row[part]).records
            yield beside_names(people.packed.records.take(pairs.of[part]), child), child

    def _cut(self, people: People, lost: Sequence[Collection[int]], sounds: Sounds) -> Cut:
        edges = [edge(one.entry, sounds, each) for one, each in zip(people.asked, lost, strict=True)]
        marks = [row.marks(own) for row, own in zip(people.rows, people.marks, strict=True)]
        return Cut(people.bits, marks, edges, self._model.swapped_names)

    def _weigh(self, people: People, pairs: Pairs, beside: Beside, listed: Listed, packer: Packer) -> Weighed:
        parts = []
        for part in _parts(len(pairs.of)):
            one = Packed(people.packed.records.take(pairs.of[part]), people.packed.units)
            parts.append(likeness(one, listed(pairs.row[part]), packer.kin))
        alike, of = _joined(Likeness, parts), people.both(pairs.of)
        straight, crossed = weigh_names(alike, of, people.bits, self._model.swapped_names)
        most = np.maximum(straight, crossed) + weigh_beside(beside, of, people.bits)
        most += weigh_marks(beside, of, people.rows, people.marks, pairs.kind == IDENTIFIER)
        return Weighed(pairs, most[0], most[1], crossed[0])


def _parts(count: int) -> Iterator[slice]:
    """At least one."""
    return (slice(start, start + AT_A_TIME) for start in range(0, max(count, 1), AT_A_TIME))


Shape = TypeVar("Shape", Beside, Likeness)


def _joined(shape: type[Shape], parts: Iterable[Shape]) -> Shape:
    found = list(parts)
    return found[0] if len(found) == 1 else shape(*map(np.concatenate, zip(*found, strict=True)))


def _fill(kept: Truth, most: Table, of: Codes, crowds: Truth, least: int) -> None:
    """Whoever has fewer than `least` gets the best of the others, and all who are as good as the last of them."""
    for person in (crowds & (np.bincount(of[kept], minlength=len(crowds)) < least)).nonzero()[0].tolist():
        own = (of == person).nonzero()[0]
        bounds = most[own]
        kept[own[bounds >= np.partition(bounds, -least)[-least]]] = True
