"""The live join: the watched children in memory, and the question asked of them for each event."""

import gc
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from typing import Protocol

import numpy as np
from rapidfuzz.distance import JaroWinkler
from rapidfuzz.process import cdist

from schemas.base import utc_now
from schemas.moments import Candidate, Decision, Lane
from schemas.person import Person
from streams.matching import names as name_tables
from streams.matching.compare import NameCompare
from streams.matching.explain import explain
from streams.matching.frequency import Frequencies
from streams.matching.index import SURE, Counts, Index, Keys, Rows, Weights
from streams.matching.keys import IDENTIFIER, LABELS, Sounds, filed, sought
from streams.matching.lanes import Facts, choose
from streams.matching.model import Model
from streams.matching.normalise import Entry, Known, entry, form, identifiers_only
from streams.matching.posterior import posterior
from streams.matching.roll import Roll
from streams.matching.score import Scored, Scorer

FEW = 24
"""Candidates that are compared in full: the others are in fewer or larger blocks of the index."""

MANY = 8
"""From so many on, those found in one block alone need a name that is alike, or an identifier."""

GLANCED = 120
"""Candidates whose whole names are glanced at, to choose the few."""

LIKE_ENOUGH = 0.70
"""Whole-name Jaro-Winkler that a candidate found in one block alone needs when there are many."""

ALIKE_BITS = 12.0
"""What the same whole name is worth then, in bits; a block of one child in 4,000 is as much."""

GROWN_UP = 18
"""Years."""


class Listed(Known, Protocol):
    """A child of the list: `WatchedChild`, or anything that knows as much."""

    @property
    def child_id(self) -> str: ...


def today() -> date:
    """The day it is, in UTC: an age is not worth a time zone."""
    return utc_now().date()


class Matcher:
    """The list in memory and the rule that reads it. One thread at a time: the event loop owns it.

    `load` replaces the list; `put` and `remove` are in force when they return, and what is removed is nowhere in memory then.
    `on_overflow` is told the kind of each block that grew beyond the index's cap, each time it is met.
    """

    def __init__(
        self,
        model: Model | None = None,
        *,
        on_overflow: Callable[[str], None] = lambda _: None,
        clock: Callable[[], date] = today,
        background: bool = True,
    ) -> None:
        self._model = model or Model.load()
        self.model_name = self._model.label
        self._clock = clock
        self._on_overflow = on_overflow
        self._names = name_tables.load()
        self._sounds = Sounds(self._names)
        self._compare = NameCompare(self._names, self._sounds)
        self._index = Index(background=background)
        self._roll = self._empty()
        self._same = cache(self._model.same)

    def __len__(self) -> int:
        return len(self._roll)

    def load(self, children: Iterable[Listed]) -> None:
        """Replaces the list, or leaves it as it was if `children` raises. Of two with one id the last counts.

        Some 25 µs a child, and it blocks for as long.
        """
        roll = self._empty()
        with _uncollected():
            keys, rows = self._filed(children, roll)
        self._index.fill(keys, rows)
        self._roll = roll

    def put(self, child: Listed) -> None:
        """Adds the child, or replaces what was known of it."""
        self.remove(child.child_id)
        one = entry(child, self._clock())
        self._index.add(self._roll.add(child.child_id, one), filed(one, self._sounds))

    def remove(self, child_id: str) -> None:
        """Nothing happens if the child is not on the list."""
        struck = self._roll.strike(child_id)
        if struck is None:
            return
        row, one = struck
        self._index.drop(row, filed(one, self._sounds))

    def decide(self, person: Person, *, door: str | None = None, sensitive: bool = False) -> Decision:
        """Who this is, how surely, and why. `door` is where the event came in (admission, arrest, exclusion, missing).

        `sensitive`: the sender restricts the record, so that a human decides. The same list and person give the same answer.
        """
        now = self._clock()
        asked = entry(person, now)
        if asked.nameless or not person.identity_reliable:
            asked = identifiers_only(asked)
        same = self._same(door if door in self._model.doors else None, person.date_of_birth_is.value)
        scorer = Scorer(asked, same, self._model, self._compare, self._roll.frequencies)
        found = [(scorer.score(one, row), one) for row, one in self._candidates(asked)]
        if not found:
            return Decision(lane=Lane.NONE, model=self.model_name)
        entries = {scored.row: one for scored, one in found}
        ranked = self._ranked([scored for scored, _ in found])
        facts = Facts(adult=_grown_up(asked.birth, entries[ranked[0][1].row].birth, now), restricted=sensitive)
        return self._answer(ranked, facts)

    def _ranked(self, found: list[Scored]) -> list[tuple[float, Scored]]:
        """With their probabilities, best first; ties by id, so that the order of loading makes no difference."""
        chances = posterior(found, len(self), self._model.prior)
        pairs = zip(chances, found, strict=True)
        return sorted(pairs, key=lambda pair: (-pair[0], -pair[1].child, self._roll.child_id(pair[1].row)))

    def _answer(self, ranked: list[tuple[float, Scored]], facts: Facts) -> Decision:
        best, probabilities = ranked[0][1], [chance for chance, _ in ranked]
        lane, held = choose(best, probabilities, facts, self._model.thresholds)
        return Decision(
            lane=lane,
            child=None if lane is Lane.NONE else self._roll.child_id(best.row),
            candidates=tuple(
                Candidate(child=self._roll.child_id(one.row), weight=round(one.child, 2), probability=min(chance, 1.0))
                for chance, one in ranked[:5]
            ),
            why=explain(best, probabilities, held, self._model.swapped_names),
            model=self.model_name,
        )

    def _candidates(self, asked: Entry) -> list[tuple[int, Entry]]:
        keys = sought(asked, self._sounds, self._names)
        if not keys:
            return []
        met: set[int] = set()
        identifiers = sum(kind == IDENTIFIER for kind, _ in keys)  # they come first
        rows, weights, counts = self._index.find(
            [key for _, key in keys], lambda place: met.add(keys[place][0]), identifiers
        )
        for block in sorted(met):
            self._on_overflow(LABELS[block])
        if len(rows) > MANY:
            rows = self._likeliest(asked, *_heaviest(rows, weights, counts))
        return self._roll.at(rows.tolist())

    def _likeliest(self, asked: Entry, rows: Rows, weights: Weights, counts: Counts) -> Rows:
        """The FEW in the most telling blocks, where a name that is alike as a whole tells as much as a block.

        A row found in one block only needs such a name.
        """
        names = [one.whole for _, one in self._roll.at(rows.tolist())]
        if len(names) < len(rows) or not asked.whole:
            return rows[:FEW]
        alike = cdist([asked.whole], names, scorer=JaroWinkler.similarity)[0]
        likely = ((counts > 1) | (alike >= LIKE_ENOUGH) | (weights >= SURE)).nonzero()[0]
        order = np.argsort(-(weights + ALIKE_BITS * alike)[likely], kind="stable")
        chosen: Rows = rows[likely[order[:FEW]]]
        return chosen

    def _filed(self, children: Iterable[Listed], roll: Roll) -> tuple[Keys, Rows]:
        forms, now, sounds = cache(form), self._clock(), self._sounds
        keys, counts, replaced = array("q"), array("i"), []
        for child in children:
            if struck := roll.strike(child.child_id):
                replaced.append(struck[0])
            one = entry(child, now, forms)
            roll.add(child.child_id, one)
            own = filed(one, sounds)
            keys.extend(own)
            counts.append(len(own))
        rows = np.repeat(np.arange(len(counts), dtype=np.int32), np.frombuffer(counts, np.int32))
        kept = ~np.isin(rows, replaced) if replaced else slice(None)
        return np.frombuffer(keys, np.int64)[kept], rows[kept]

    def _empty(self) -> Roll:
        return Roll(Frequencies(self._model, self._names))


def _heaviest(rows: Rows, weights: Weights, counts: Counts) -> tuple[Rows, Weights, Counts]:
    """Those in the most telling blocks, first of all."""
    place = np.argsort(-weights, kind="stable")[:GLANCED]
    return rows[place], weights[place], counts[place]


def _grown_up(asked: int, child: int, now: date) -> bool:
    """Whether the event is about an adult and the child is none. Dates as yyyymmdd, 0 is missing."""
    limit = (now.year - GROWN_UP) * 10000 + now.month * 100 + now.day
    return 0 < asked <= limit and not 0 < child <= limit


@contextmanager
def _uncollected() -> Iterator[None]:
    """Half a million small tuples: the collector would walk them again and again, and none is garbage.

    They are then frozen, else a collection in the middle of an event would walk the whole list: 0.7 s.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
        gc.freeze()
