"""The keys under which a child is filed, and those under which an event's person is looked for (matching page, 3.2).

A key is a 64-bit hash: the index holds no names. Python's own hash is salted for each process, so keys mean nothing outside it.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache, reduce
from itertools import combinations
from operator import or_
from typing import NamedTuple
from zlib import crc32

from doublemetaphone import doublemetaphone

from streams.matching.folding import Words
from streams.matching.names import Names
from streams.matching.normalise import Entry, Mark, usable

MOST_CODES = 10
"""Of one person: twelve names of twelve words would fill the index with nonsense."""

MOST_SOUNDS = 3
"""Of one word: two by its letters, and that of the name it is a spelling of."""

# What a key is made of: part of its hash, and the label of the metric. Plain numbers, because an enum's hash costs more than the key.
IDENTIFIER, BIRTH, NAME_AND_BIRTH, NAMES, NAME_AND_PLACE, POSTCODE, STREET = range(7)
LABELS = ("identifier", "birth", "name-and-birth", "names", "name-and-place", "postcode", "street")

Group = tuple[int, list[int]]
"""What some keys are made of, and their hashes."""


class Sound(NamedTuple):
    """How a word sounds: one code or a few, the word itself if it has no sound in Latin letters; and the same as bits of 64."""

    codes: tuple[str, ...]
    bits: int


class Sounds:
    """How words sound. Remembers nothing but the shipped names: a word that somebody typed is not kept."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._hear: Callable[[str], Sound] = self._sound
        known = sorted({*names.given, *names.family, *names.spellings, *names.nicknames})
        self._known = {word: self._sound(word) for word in known}
        self._others = {
            word: tuple(sorted({code for other in others for code in self(other)}))
            for word, others in names.nicknames.items()
        }

    def remembering(self) -> "Sounds":
        """One that remembers every word it hears: for one batch or the loading of a list, and no longer."""
        found = Sounds.__new__(Sounds)  # `copy` takes ten times as long
        found.__dict__.update(self.__dict__)
        found._hear = cache(self._sound)  # noqa: SLF001 - its own
        return found

    def __call__(self, word: str) -> tuple[str, ...]:
        return (self._known.get(word) or self._hear(word)).codes

    def of(self, forms: tuple[Words, ...]) -> tuple[str, ...]:
        """The codes of every word of more than a letter, and of words that may be written as one: Anne Marie and Annemarie."""
        if len(forms) == 1 and len(forms[0]) == 1 and len(forms[0][0]) > 1:
            return self(forms[0][0])
        wholes = ["".join(form) for form in forms if len(form) > 1]
        words = [word for form in forms for word in form if len(word) > 1]
        return tuple([code for word in (*words, *wholes) for code in self(word)])

    def bits(self, word: str) -> int:
        """Two words that sound the same have one in common."""
        return (self._known.get(word) or self._hear(word)).bits

    def of_other_forms(self, word: str) -> tuple[str, ...]:
        """How the short and the long forms of a given name sound."""
        return self._others.get(word, ())

    def _sound(self, word: str) -> Sound:
        first, second = doublemetaphone(word)
        heads = self._names.spellings.get(word)
        if not heads and (not second or second == first):
            code = first or word
            return Sound((code,), _bit(code))
        codes = {first or word, second or first or word}
        codes.update(doublemetaphone(head)[0] or head for head in heads or ())
        return Sound(tuple(sorted(codes)), reduce(or_, map(_bit, codes)))


def _bit(code: str) -> int:
    """One of 64, the same in every process: who is compared depends on it."""
    return 1 << (crc32(code.encode()) & 63)


def filed(entry: Entry, sounds: Sounds) -> list[int]:
    """Every key of a child."""
    codes = _codes(entry, sounds)
    keys = [hash((IDENTIFIER, mark)) for mark in entry.marks]
    keys += [hash((NAMES, pair)) for pair in combinations(codes, 2)]
    if birth := entry.birth:
        keys.append(hash((BIRTH, birth)))
        keys += _names_and_birth(codes, birth)
    for place in (entry.postcode, *entry.places):
        if place:
            outcode = place[:-3]
            keys.append(hash((POSTCODE, place)))
            keys += [hash((code, 3, outcode)) for code in codes]
    if is_address(entry.line):
        areas = {area(place) for place in (entry.postcode, *entry.places)}
        keys += [hash((STREET, entry.line)), *[hash((STREET, entry.line, each)) for each in areas]]
    return keys


def sought(asked: Entry, sounds: Sounds) -> list[Group]:
    """Every key to look under: those of a child, the birth date with day and month swapped, the short and long forms of given
    names, and every identifier one slip away from one that fails its check. Identifiers come first."""
    codes = _codes(asked, sounds)
    groups: list[Group] = [
        (IDENTIFIER, [hash((IDENTIFIER, slip)) for mark in asked.marks for slip in _slips(mark)]),
        (NAMES, [hash((NAMES, pair)) for pair in combinations(codes, 2)]),
    ]
    if birth := asked.birth:
        turned = swapped(birth)
        groups.append((BIRTH, [hash((BIRTH, each)) for each in ((birth, turned) if turned else (birth,))]))
        groups.append((NAME_AND_BIRTH, _names_and_birth(codes, birth)))
    if place := asked.postcode:
        outcode = place[:-3]
        groups.append((POSTCODE, [hash((POSTCODE, place))]))
        groups.append((NAME_AND_PLACE, [hash((code, 3, outcode)) for code in codes]))
    if is_address(asked.line):
        line, here = asked.line, area(asked.postcode)
        where = [(STREET, line, here), (STREET, line, "")] if here else [(STREET, line)]
        groups.append((STREET, [hash(each) for each in where]))
    for form in asked.given:
        if others := sounds.of_other_forms(form[0]):
            groups.append((NAMES, [hash((NAMES, _ordered(other, code))) for other in others for code in codes]))
    return groups


def area(postcode: str) -> str:
    """The letters that it begins with: every town has a High Street."""
    return postcode[: 2 if postcode[1:2].isalpha() else 1]


def _names_and_birth(codes: list[str], birth: int) -> list[int]:
    """Each name with two of the three parts of the birth date."""
    year, month, day = birth // 10000 * 100, birth // 100, birth % 100
    parts = (month, ~(birth % 10000), ~(year + day))
    return [hash((code, part)) for code in codes for part in parts]


def swapped(birth: int) -> int:
    """yyyymmdd with day and month changed over, or 0 if that is no date or the same one."""
    year, month, day = birth // 10000, birth // 100 % 100, birth % 100
    return year * 10000 + day * 100 + month if day <= 12 and day != month else 0


def is_address(line: str) -> bool:
    """A number and a street, not a number alone."""
    return line.count(" ") >= 2 and _DIGIT.search(line) is not None


_DIGIT = re.compile(r"\d")


def _codes(entry: Entry, sounds: Sounds) -> list[str]:
    """How the words of every form sound, in order of the alphabet, each once. A single letter is no word to file under."""
    return sorted({*sounds.of(entry.given), *sounds.of(entry.family)})[:MOST_CODES]


def _ordered(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)


def _slips(mark: Mark) -> Iterable[Mark]:
    """The mark, and if it fails its check every one that a single slip could have made it from: a digit changed, two changed
    over, one left out or one too many."""
    if usable(mark):
        return (mark,)
    value = mark.value
    found = {value}
    for at, sign in enumerate(value):
        head, tail = value[:at], value[at + 1 :]
        found.add(head + tail)
        found.add(head + tail[:1] + sign + tail[1:])
        if sign.isdigit():
            found.update(head + digit + tail for digit in "0123456789")
            found.update(head + digit + sign + tail for digit in "0123456789")
    return [Mark(mark.kind, each) for each in found]
