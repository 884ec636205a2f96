"""What a comparison weighs, in bits: for "the same child" and for "somebody else of that child's household", both against a stranger."""

from collections.abc import Mapping
from math import inf, log2
from typing import NamedTuple

from streams.matching.compare import EXACT, SIMILAR, VARIANT, Level, NameCompare, all_but_names
from streams.matching.folding import Words
from streams.matching.frequency import Frequencies
from streams.matching.model import Bits, Model
from streams.matching.normalise import Entry, usable

ELSEWHERE = 4
"""Level of a postcode that has nothing in common with the other."""

ONE_DIGIT = 2
"""Level of a birth date that is the other but for a digit, or for day and month changed over."""

NEW_YEAR = 1_01
"""1 January, as mmdd."""

GENERATION = 12_00_00
"""Twelve years between two birth dates, as yyyymmdd: no slip of one digit in a year of this century, but another generation."""


class Finding(NamedTuple):
    """One field's level and its bits. `one_in`: the name that agreed is borne by one in so many; 0 where that was not used."""

    field: str
    level: int
    child: float
    household: float
    one_in: int = 0
    valid: bool = True


class Scored(NamedTuple):
    """One candidate, row of the list. `child` and `household` are log2 likelihood ratios against a stranger.

    `personal`: the only name that one of the two has is the other's only one or given name, wherever it was written.
    """

    row: int
    child: float
    household: float
    findings: tuple[Finding, ...]
    swapped: bool = False
    personal: bool = False


Same = Mapping[str, Bits]
Forms = tuple[Words, ...]
Names = tuple[tuple[Finding, ...], bool]


class Scorer:
    """What one event's person is compared with, one child after another. Made for each event: it remembers the names it has
    compared, since the candidates share a few, and goes with the event."""

    def __init__(self, asked: Entry, same: Same, model: Model, compare: NameCompare, frequencies: Frequencies) -> None:
        """`same` is the model's log2 m for the event's door."""
        self._asked = asked
        self._same = same
        self._model = model
        self._compare = compare
        self._frequencies = frequencies
        self._stranger = model.stranger
        self._household = model.household
        self._marks = {mark: usable(mark) for mark in asked.marks}
        self._seen: dict[tuple[Forms, Forms], Names] = {}
        self._known: dict[tuple[str, int, bool, bool, bool, bool], Finding] = {}

    def score(self, child: Entry, row: int, *, crossed: float = inf) -> Scored:
        """`crossed`: the most that the names could weigh if given and family name are taken for one another."""
        both = child.given, child.family
        if both not in self._seen:
            self._seen[both] = self._names(child, crossed)
        names, swapped = self._seen[both]
        levels = all_but_names(self._asked, child, self._marks)
        moved = any(found.field == "postcode" and found.level == ELSEWHERE for found in levels)
        born = child.birth
        new_year, apart = born % 10000 == NEW_YEAR, abs(self._asked.birth - born) >= GENERATION
        findings = (*names, *[self._plain(found, new_year, apart, moved) for found in levels])
        cost = self._model.swapped_names if swapped else 0.0
        same, home = cost, cost
        for finding in findings:
            same += finding.child
            home += finding.household
        if _namesake_twin(findings):
            home += self._model.twins_of_one_name
        personal = self._personal(child, swapped) and any(found.level <= VARIANT for found in names)
        return Scored(row, same, home, findings, swapped, personal)

    def _personal(self, child: Entry, swapped: bool) -> bool:
        """Many Afghan and Tamil children have one name, and forms have nowhere to put it but under the family's."""
        asked = self._asked
        if child.given or child.unnamed or asked.unnamed:
            return False
        return swapped or not asked.given

    def _names(self, child: Entry, most: float) -> Names:
        """Given with given and family with family; crosswise if that fits better by more than the cost of a swap."""
        straight = self._pair(self._asked.given, self._asked.family, child)
        if len(straight) != 1 and any(finding.level < SIMILAR for finding in straight):
            return straight, False
        weight = sum([finding.child for finding in straight])
        if most < weight:
            return straight, False
        crossed = self._pair(self._asked.family, self._asked.given, child)
        gain = sum([finding.child for finding in crossed]) - weight
        return (crossed, True) if gain + self._model.swapped_names > 0 else (straight, False)

    def _pair(self, given: Forms, family: Forms, child: Entry) -> tuple[Finding, ...]:
        levels = (
            self._compare.best("given_name", given, child.given),
            self._compare.best("family_name", family, child.family),
        )
        last = child.family[0] if child.family else ()
        return tuple(self._name(level, last) for level in levels if level is not None)

    def _name(self, found: Level, family: Words) -> Finding:
        """A name that agrees weighs by how rare it is; tried against several aliases, it weighs less."""
        field, level = found.field, found.level
        stranger, household = self._stranger[field][level], self._household[field][level]
        one_in = 0
        if level in (EXACT, VARIANT):
            given = field == "given_name"
            share = self._frequencies.given(found.word, family) if given else self._frequencies.family(found.word)
            stranger = log2(share) if level == EXACT else max(stranger, log2(share))
            one_in = round(1 / share)
        if found.forms > 1:
            stranger = min(stranger + log2(found.forms), -0.01)
        return Finding(field, level, self._same[field][level] - stranger, household - stranger, one_in)

    def _plain(self, found: Level, new_year: bool, apart: bool, moved: bool) -> Finding:
        """Remembered too: there are few levels."""
        key = found.field, found.level, found.valid, new_year, apart, moved
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._weighed(*key)
        return known

    def _weighed(self, field: str, level: int, valid: bool, new_year: bool, apart: bool, moved: bool) -> Finding:
        """1 January is the day that offices write for "some time that year": more people share it than were born on it."""
        stranger, same = self._stranger[field][level], self._same[field][level]
        if field == "date_of_birth" and level == 0 and new_year:
            stranger = log2(self._model.first_of_january)
        if field == "date_of_birth" and level == 5 and apart:
            same += self._model.generation_apart
        if field == "street" and moved:
            stranger = max(stranger, log2(self._model.street_elsewhere))
        if field == "postcode" and (share := self._frequencies.place(self._asked.postcode, level)):
            stranger = max(stranger, log2(share))
        return Finding(field, level, same - stranger, self._household[field][level] - stranger, 0, valid)


def _namesake_twin(findings: tuple[Finding, ...]) -> bool:
    """Whether somebody else of the household would have to be a twin of the same given name."""
    born = named = False
    for finding in findings:
        if finding.field == "given_name":
            named = finding.level == EXACT
        elif finding.field == "date_of_birth":
            born = finding.level <= ONE_DIGIT
    return born and named
