"""How alike two entries are, field by field: a level each, none for what either does not have."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from rapidfuzz.distance import OSA, JaroWinkler

from streams.matching.folding import Words, as_spelt, names_nobody
from streams.matching.keys import Sounds, is_address, swapped
from streams.matching.names import Names
from streams.matching.normalise import Entry, Mark, usable

EXACT, VARIANT, VERY_SIMILAR, SIMILAR, INITIAL, ALIKE, DIFFER = range(7)
"""Levels of a name, best first."""

_DEMOTED = {VERY_SIMILAR: SIMILAR, SIMILAR: ALIKE}


class Level(NamedTuple):
    """One field's comparison. `word` is the name that agreed (for its frequency), `forms` how many aliases were tried."""

    field: str
    level: int
    word: Words = ()
    forms: int = 1
    valid: bool = True


class NameCompare:
    """Levels of two names. Holds what is known of names and their sounds; keeps nothing of those it compares."""

    def __init__(self, names: Names, sounds: Sounds) -> None:
        self._names = names
        self._sounds = sounds

    def best(self, field: str, ones: tuple[Words, ...], others: tuple[Words, ...]) -> Level | None:
        """The best of every alias of the one with every alias of the other. None if either has no name."""
        if not ones or not others:
            return None
        forms = len(ones) * len(others)
        if forms == 1:
            level = self.level(ones[0], others[0])
            return Level(field, level, _counted(level, ones[0], others[0]))
        level, place, one = min(
            (self.level(one, other), place, one) for one in ones for place, other in enumerate(others)
        )
        return Level(field, level, _counted(level, one, others[place]), max(len(ones), len(others)))

    def level(self, one: Words, other: Words) -> int:
        if one == other:
            return EXACT
        left, right = "".join(one), "".join(other)
        if left == right:
            return EXACT
        if len(left) == 1 or len(right) == 1:
            return INITIAL if left[0] == right[0] else DIFFER
        if len(one) == 1 and len(other) == 1:
            return self._words(left, right)
        return self._several(one, other, left, right)

    def _words(self, left: str, right: str) -> int:
        names = self._names
        if names.same(left, right):
            return VARIANT
        level = self._spelt(left, right)
        # Aaron and Aron are one slip apart, and so are Hassan and Hussain: twins. A name that is known and is another is not a slip.
        if level in _DEMOTED and (_feminine(left, right) or self._two_names(left, right)):
            return _DEMOTED[level]
        return level

    def _two_names(self, left: str, right: str) -> bool:
        return self._names.known(left) and self._names.known(right) and as_spelt(left) != as_spelt(right)

    def _spelt(self, left: str, right: str) -> int:
        alike = JaroWinkler.similarity(left, right)
        if alike >= 0.92:
            return VERY_SIMILAR
        if alike >= 0.85 and _slipped(left, right):
            return SIMILAR
        if alike >= 0.6 and not set(self._sounds(left)).isdisjoint(self._sounds(right)):
            return SIMILAR
        return ALIKE if alike >= 0.75 else DIFFER

    def _several(self, one: Words, other: Words, left: str, right: str) -> int:
        """Some words shared and the rest missing: a variant. Some shared and the rest different: as alike as the rest is. What is
        another spelling, or similar, says no more than what is shared: Muhammad Hassan may be a brother of Mohammed Ali."""
        rest, rest_of_other = _without(one, other), _without(other, one)
        if len(rest) < len(one):
            shared = (word for word in one if word not in rest)
            if not (rest and rest_of_other) and all(map(names_nobody, shared)):
                return ALIKE
            return self._beside(VARIANT, rest, rest_of_other)
        pairs = [(self._words(a, b), a, b) for a in one for b in other if len(a) > 1 and len(b) > 1]
        best, a, b = min(pairs, key=_either_way, default=(DIFFER, "", ""))
        if best < ALIKE:
            best = self._beside(max(best, VERY_SIMILAR), _without(one, (a,)), _without(other, (b,)))
        return best if len(one) == len(other) else min(best, self._spelt(left, right))

    def _beside(self, agreed: int, rest: Words, rest_of_other: Words) -> int:
        """What words that agree come to, beside those that are left."""
        if not rest or not rest_of_other:
            return agreed
        return max(SIMILAR, agreed, min(ALIKE, self.level(rest, rest_of_other)))


def _counted(level: int, one: Words, other: Words) -> Words:
    """The name whose bearers are counted: a space in it makes Mc Donald no rarer than McDonald."""
    return one if level == EXACT and len(one) < len(other) else other


def _either_way(pair: tuple[int, str, str]) -> tuple[int, list[str]]:
    """The same pair is the best one whoever is compared with whom."""
    return pair[0], sorted(pair[1:])


def _slipped(one: str, other: str) -> bool:
    """Whether one can have become the other: cut short, or at most a sign in three changed. Jaro-Winkler is fondest of names that
    begin alike, and so are parents: Harpreet and Hardeep, Abdirahman and Abdikarim, Oluwaseun and Oluwatosin are twins."""
    if one.startswith(other) or other.startswith(one):
        return True
    most = max(len(one), len(other)) // 3
    return OSA.distance(one, other, score_cutoff=most) <= most


def _feminine(one: str, other: str) -> bool:
    """Amir and Amira, Daniel and Danielle: brother and sister."""
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and long[len(short) :] in ("a", "e", "ah", "le", "ne")


def _without(one: Words, other: Words) -> Words:
    return tuple(word for word in one if word not in other)


def birth(one: int, other: int) -> Level | None:
    """yyyymmdd against yyyymmdd; 0 is missing."""
    if not one or not other:
        return None
    return Level("date_of_birth", _birth(one, other))


def _birth(one: int, other: int) -> int:
    if one == other:
        return 0
    if swapped(one) == other:
        return 1
    left, right = f"{one:08d}", f"{other:08d}"
    if sum(a != b for a, b in zip(left, right, strict=True)) == 1:
        return 2
    parts = (one // 10000 == other // 10000) + (one // 100 % 100 == other // 100 % 100) + (one % 100 == other % 100)
    if parts == 2:
        return 3
    return 4 if one // 10000 == other // 10000 else 5


def postcode(one: str, other: str) -> Level | None:
    if not one or not other:
        return None
    return Level("postcode", _postcode(one, other))


def _postcode(one: str, other: str) -> int:
    if one == other:
        return 0
    if OSA.distance(one, other, score_cutoff=1) == 1:
        return 1
    if one[:-3] != other[:-3]:
        return 4
    return 2 if one[-3] == other[-3] else 3


def sex(one: str, other: str) -> Level | None:
    return Level("sex", int(one != other)) if one and other else None


_NUMBER = re.compile(r"\b[0-9]{1,5}[a-z]?\b")


def house_key(line: str) -> str:
    """What is compared of a line: its numbers, or its first word if it has none."""
    return " ".join(sorted(numbers(line))) or line.split()[0]


def numbers(line: str) -> list[str]:
    return _NUMBER.findall(line)


def house(one: str, other: str) -> Level | None:
    """The numbers of two address lines of one postcode, `4 22b` of `flat 4 22b high st`; the first word where a house has a name."""
    if not one or not other:
        return None
    left, right = house_key(one), house_key(other)
    return Level("house", 0 if left == right else 1 if OSA.distance(left, right, score_cutoff=1) == 1 else 2)


def street(one: str, other: str) -> Level | None:
    """Two whole lines without a postcode that agrees: they speak for each other or say nothing, since people move."""
    if not (is_address(one) and is_address(other)):
        return None
    if one == other:
        return Level("street", 0)
    alike = JaroWinkler.similarity(one, other) >= 0.92 and numbers(one) == numbers(other)
    return Level("street", 1) if alike else None


def mark(one: Mark, other: Mark, *, sound: bool) -> Level | None:
    """Two identifiers of a kind; `sound`: the first is usable.

    Two usable ones that differ are two people, however near. One that fails its check is a typo, or, far off, says nothing.
    """
    if one.value == other.value:
        return Level(one.kind, 0)
    if sound and usable(other):
        return Level(one.kind, 3)
    distance = OSA.distance(one.value, other.value, score_cutoff=2)
    return Level(one.kind, distance, valid=False) if distance <= 2 else None


def all_marks(ones: Mapping[Mark, bool], others: tuple[Mark, ...]) -> list[Level]:
    """Each identifier of the event, and whether it is usable, with the child's of its kind; of several, former ones among
    them, with the one that fits best."""
    found: list[Level] = []
    for one, sound in ones.items():
        best: Level | None = None
        for other in others:
            if one.kind == other.kind and (level := mark(one, other, sound=sound)) is not None:
                best = level if best is None or level.level < best.level else best
        if best is not None:
            found.append(best)
    return found


def _fit(level: Level | None) -> int:
    return 99 if level is None else level.level


def all_but_names(one: Entry, other: Entry, marks: Mapping[Mark, bool]) -> list[Level]:
    """Birth date, postcode, sex, house or street, and identifiers: `marks` are those of `one`, and whether each is usable."""
    place = postcode(one.postcode, other.postcode)
    near = place is not None and place.level <= 1
    if other.places and not near:
        place = min([place, *[postcode(one.postcode, each) for each in other.places]], key=_fit)
    door = house(one.line, other.line) if near else street(one.line, other.line)
    found = (birth(one.birth, other.birth), place, sex(one.sex, other.sex), door)
    return [level for level in found if level is not None] + all_marks(marks, other.marks)
