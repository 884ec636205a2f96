"""The live join: the watched children in memory, and the question asked of them for each event."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from math import inf, log2
from typing import NamedTuple

import numpy as np

from schemas.base import utc_now
from schemas.moments import Candidate, Decision, Lane
from schemas.person import Person
from streams.matching import names as name_tables
from streams.matching.bounds import Table
from streams.matching.compare import NameCompare
from streams.matching.explain import explain
from streams.matching.frequency import Frequencies
from streams.matching.index import Index, Rows
from streams.matching.keys import IDENTIFIER, LABELS, Sounds, area, filed, sought
from streams.matching.lanes import Facts, choose
from streams.matching.loading import Listed, entry_of, fill
from streams.matching.model import Model
from streams.matching.normalise import Entry, entry, identifiers_only
from streams.matching.packed import Packer
from streams.matching.posterior import posterior
from streams.matching.roll import Roll
from streams.matching.score import Scored, Scorer
from streams.matching.sieve import Asked, Pairs, Sieve, Weighed

FEW = 16
"""Candidates that are compared in full at most, those who could weigh most first: whom more than so many could outdo is far off."""

BEST = 5
"""Candidates in an answer."""

FILL = 16
"""Pairs that are looked at for the best five even of nobody: in a crowd who matters less is chosen by what finds it."""

NEAR = 0.001
"""A child of less than this chance, against a stranger's 1, changes no answer, nor does somebody else of its household: a no is
explained where some child could come as near as this, and who is nobody's business is compared with nobody."""

GROWN_UP = 18
"""Years."""


class Question(NamedTuple):
    """Who is this? `door` is where the event came in (admission, arrest, exclusion, missing).

    `sensitive`: the sender restricts the record, so that a human decides.
    """

    person: Person
    door: str | None = None
    sensitive: bool = False


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
        self._packer = Packer(self._names, self._sounds)
        self._sieve = Sieve(self._model)
        self._index = Index(background=background)
        self._roll = self._empty()
        self._nobody = Decision(lane=Lane.NONE, model=self.model_name)

    def __len__(self) -> int:
        return len(self._roll)

    def load(self, children: Iterable[Listed]) -> None:
        """Replaces the list, or leaves it as it was if `children` raises. Of two with one id the last counts.

        Some 25 to 50 µs a child, and it blocks for as long.
        """
        roll = self._empty()
        self._index.fill(*fill(roll, children, self._sounds, self._packer, self._clock()))
        self._roll = roll

    def put(self, child: Listed) -> None:
        """Adds the child, or replaces what was known of it."""
        self.remove(child.child_id)
        one = entry_of(child, self._clock())
        row = self._roll.add(child.child_id, one)
        self._roll.table.put(row, *self._packer.pack(one, self._roll.table.next_unit))
        self._index.add(row, filed(one, self._sounds))

    def remove(self, child_id: str) -> None:
        """Nothing happens if the child is not on the list."""
        struck = self._roll.strike(child_id)
        if struck is None:
            return
        row, one = struck
        self._roll.table.erase(row)
        self._index.drop(row, filed(one, self._sounds))

    def decide(
        self,
        person: Person,
        *,
        door: str | None = None,
        sensitive: bool = False,
        without: Collection[str] = (),
    ) -> Decision:
        """Who this is, how surely, and why: with five candidates, however far off. `door`, `sensitive` as in Question.

        `without`: children whom it is known not to be. The same list and person give the same answer.
        """
        return self._decide([Question(person, door, sensitive)], near=0.0, without=without)[0]

    def decide_each(self, questions: Sequence[Question]) -> list[Decision]:
        """As `decide`, of each: many together take half as long."""
        return self._decide(questions, near=0.0, without=())

    def decide_all(self, questions: Sequence[Question], *, without: Collection[str] = ()) -> list[Decision]:
        """The same lanes and children in the same order, at a fraction of the cost: where no child could come NEAR none is named."""
        return self._decide(questions, near=NEAR, without=without)

    def glance(self, children: Iterable[Listed]) -> Callable[[Person], bool]:
        """A quick look for these children alone: whether a person is filed under any of their keys, so that to decide is worth
        while. It holds hashes, and none of the children."""
        now = self._clock()
        wanted = {key for child in children for key in filed(entry_of(child, now), self._sounds)}

        def near(person: Person) -> bool:
            groups = sought(entry(person, now), self._sounds)
            return any(not wanted.isdisjoint(keys) for _, keys in groups)

        return near

    def _decide(self, questions: Sequence[Question], *, near: float, without: Collection[str]) -> list[Decision]:
        if not questions:
            return []
        now, sounds = self._clock(), self._sounds.remembering()
        packer = self._packer.hearing(sounds)
        everybody = [self._asked(question, now) for question in questions]
        met, pairs = self._pairs([one.entry for one in everybody], sounds, without).met()
        answers = [self._nobody] * len(questions)
        if not met:
            return answers
        asked = [everybody[number] for number in met]
        found = self._sieve.sift(
            self._sieve.people(asked, packer, self._roll.frequencies),
            pairs,
            self._roll.packed,
            packer,
            sounds,
            floor=self._bits(NEAR),
            least=0 if near else FILL,
        )
        for place in self._worth_comparing(found, len(asked), near):
            scored = self._scored(asked[place], found, (found.pairs.of == place).nonzero()[0])
            if scored:
                number = met[place]
                answers[number] = self._answer(asked[place].entry, scored, now, sensitive=questions[number].sensitive)
        return answers

    def _worth_comparing(self, found: Weighed, count: int, near: float) -> list[int]:
        """Whose child may be near, or who may come to a review by several who are not. A child found by two keys counts twice."""
        chances, of = self._chance(found.child), found.pairs.of
        somebody = np.bincount(of[chances >= near], minlength=count) > 0
        together = np.bincount(of, chances, minlength=count) >= self._model.thresholds.review / 2
        worth: list[int] = (somebody | together).nonzero()[0].tolist()
        return worth

    def _asked(self, question: Question, now: date) -> Asked:
        person = question.person
        one = entry(person, now)
        if one.nameless or not person.identity_reliable:
            one = identifiers_only(one)
        return self._sieve.asked(one, question.door, person.date_of_birth_is.value)

    def _pairs(self, asked: Sequence[Entry], sounds: Sounds, without: Collection[str]) -> Pairs:
        """Every person with every child that shares a key."""
        keys: list[int] = []
        kinds: list[int] = []
        counts = []
        for one in asked:
            before = len(keys)
            for kind, group in sought(one, sounds):
                keys += group
                kinds += [kind] * len(group)
            counts.append(len(keys) - before)
        kind_of, person = np.array(kinds, np.int8), np.repeat(np.arange(len(counts)), counts)
        met: set[tuple[int, int]] = set()
        places, rows = self._index.find(
            keys, kind_of == IDENTIFIER, lambda place: met.add((int(person[place]), kinds[place]))
        )
        for _, block in sorted(met):
            self._on_overflow(LABELS[block])
        lost = [{block for person, block in met if person == place} for place in range(len(asked))]
        if without:
            others = np.isin(rows, [self._roll.row(child) for child in without], invert=True)
            places, rows = places[others], rows[others]
        return Pairs(person[places], rows, kind_of[places], lost)

    def _chance(self, bits: Table) -> Table:
        """Of each child, against a stranger's 1."""
        chance: Table = self._model.prior.each(len(self)) * np.exp2(np.minimum(bits, 200.0))
        return chance

    def _bits(self, chance: float) -> float:
        """What a child must weigh for such a chance."""
        return log2(chance / self._model.prior.each(len(self)))

    def _scored(self, asked: Asked, found: Weighed, own: Rows) -> list[Scored]:
        """The children whom it is worth while to compare, compared: the best one, all who could come NEAR, and others up
        to five; at most FEW. `own`: the places of the person's pairs."""
        scorer = Scorer(asked.entry, asked.same, self._model, self._compare, self._roll.frequencies)
        most = found.child[own]
        order = np.lexsort((found.pairs.row[own], -most))
        rows, crossed = found.pairs.row[own][order], found.crossed[own][order]
        matters = (np.maximum(most, found.household[own]) >= self._bits(NEAR))[order]
        scored: dict[int, Scored] = {}
        best, left = -inf, int(matters.sum())
        columns = rows, most[order], matters, crossed
        for row, reach, needed, turned in zip(*(column.tolist() for column in columns), strict=True):
            enough = reach < best and len(scored) >= BEST
            if enough and not left:
                break
            left -= needed
            if row in scored or (enough and not needed):
                continue
            for _, one in self._roll.at([row]):
                scored[row] = scorer.score(one, row, crossed=turned)
                best = max(best, scored[row].child)
            if len(scored) == FEW:
                break
        return list(scored.values())

    def _answer(self, asked: Entry, scored: list[Scored], now: date, *, sensitive: bool) -> Decision:
        """With their probabilities, best first; ties by id, so that the order of loading makes no difference."""
        chances = posterior(scored, len(self), self._model.prior)
        ranked = sorted(
            zip(chances, scored, strict=True),
            key=lambda pair: (-pair[0], -pair[1].child, self._roll.child_id(pair[1].row)),
        )
        best, probabilities = ranked[0][1], [chance for chance, _ in ranked]
        ((_, child),) = self._roll.at([best.row])
        facts = Facts(
            adult=_grown_up(asked.birth, child.birth, now),
            restricted=sensitive,
            near=bool(asked.postcode) and area(asked.postcode) in map(area, (child.postcode, *child.places)),
        )
        lane, held = choose([one for _, one in ranked], probabilities, facts, self._model.thresholds)
        return Decision(
            lane=lane,
            child=None if lane is Lane.NONE else self._roll.child_id(best.row),
            candidates=tuple(
                Candidate(child=self._roll.child_id(one.row), weight=round(one.child, 2), probability=min(chance, 1.0))
                for chance, one in ranked[:BEST]
            ),
            why=explain(best, probabilities, held, self._model.swapped_names),
            model=self.model_name,
        )

    def _empty(self) -> Roll:
        return Roll(Frequencies(self._model, self._names))


def _grown_up(asked: int, child: int, now: date) -> bool:
    """Whether the event is about an adult and the child is none. Dates as yyyymmdd, 0 is missing."""
    limit = (now.year - GROWN_UP) * 10000 + now.month * 100 + now.day
    return 0 < asked <= limit and not 0 < child <= limit
