"""The keys under which a child is filed, and those under which an event's person is looked for (matching page, 3.2).

A key is a 64-bit hash: the index holds no names. Python's own hash is salted for each process, so keys mean nothing outside it.
"""

from itertools import combinations

from doublemetaphone import doublemetaphone

from streams.matching.names import Names
from streams.matching.normalise import Entry, Mark, usable

MOST_CODES = 10
"""Of one person: twelve names of twelve words would fill the index with nonsense."""


# What a key is made of: part of its hash, and the label of the metric. Plain numbers, because an enum's hash costs more than the key.
IDENTIFIER, BIRTH, NAME_AND_BIRTH, NAMES, NAME_AND_PLACE, POSTCODE, STREET = range(7)
LABELS = ("identifier", "birth", "name-and-birth", "names", "name-and-place", "postcode", "street")

Key = tuple[int, int]
"""What it is made of, and its hash."""


class Sounds:
    """How words sound. Remembers nothing but the shipped names: a word that somebody typed is not kept."""

    def __init__(self, names: Names) -> None:
        self._names = names
        known = {*names.given, *names.family, *names.spellings}
        self._known = {word: self._codes(word) for word in sorted(known)}

    def __call__(self, word: str) -> tuple[str, ...]:
        """One code or a few; the word itself if it has no sound in Latin letters."""
        return self._known.get(word) or self._codes(word)

    def _codes(self, word: str) -> tuple[str, ...]:
        first, second = doublemetaphone(word)
        codes = {first or word, second or first or word}
        for head in self._names.spellings.get(word, ()):
            codes.add(doublemetaphone(head)[0] or head)
        return tuple(sorted(codes))


def filed(entry: Entry, sounds: Sounds) -> list[int]:
    """Every key of a child."""
    codes = _codes(entry, sounds)
    birth, place = entry.birth, entry.postcode
    keys = [hash((IDENTIFIER, mark.kind, mark.value)) for mark in entry.marks]
    keys += [hash((NAMES, pair)) for pair in combinations(codes, 2)]
    if birth:
        month, both, day = birth // 100, birth % 10000, birth // 10000 * 100 + birth % 100
        keys.append(hash((BIRTH, birth)))
        for code in codes:
            keys += (hash((code, 0, month)), hash((code, 1, both)), hash((code, 2, day)))
    if place:
        outcode = place[:-3]
        keys.append(hash((POSTCODE, place)))
        keys += [hash((code, 3, outcode)) for code in codes]
    if is_address(entry.line):
        keys.append(hash((STREET, entry.line)))
    return keys


def sought(asked: Entry, sounds: Sounds, names: Names) -> list[Key]:
    """Every key to look under: those of a child, the birth date with day and month swapped, the short and long forms of given
    names, and every identifier one slip away from one that fails its check."""
    codes = _codes(asked, sounds)
    birth, outcode = asked.birth, asked.postcode[:-3]
    keys = [(IDENTIFIER, hash((IDENTIFIER, mark.kind, value))) for mark in asked.marks for value in _slips(mark)]
    keys += [(NAMES, hash((NAMES, pair))) for pair in combinations(codes, 2)]
    if birth:
        parts = (birth // 100, birth % 10000, birth // 10000 * 100 + birth % 100)
        keys += [(BIRTH, hash((BIRTH, each))) for each in (birth, swapped(birth)) if each]
        keys += [(NAME_AND_BIRTH, hash((code, which, part))) for code in codes for which, part in enumerate(parts)]
    if outcode:
        keys.append((POSTCODE, hash((POSTCODE, asked.postcode))))
        keys += [(NAME_AND_PLACE, hash((code, 3, outcode))) for code in codes]
    if is_address(asked.line):
        keys.append((STREET, hash((STREET, asked.line))))
    for form in asked.given:
        for other in names.nicknames.get(form[0], ()):
            keys += [(NAMES, hash((NAMES, _ordered(short, code)))) for short in sounds(other) for code in codes]
    return list(dict.fromkeys(keys))


def swapped(birth: int) -> int:
    """yyyymmdd with day and month changed over, or 0 if that is no date or the same one."""
    year, month, day = birth // 10000, birth // 100 % 100, birth % 100
    return year * 10000 + day * 100 + month if day <= 12 and day != month else 0


def is_address(line: str) -> bool:
    """A number and a street, not a number alone."""
    return line.count(" ") >= 2 and any(sign.isdigit() for sign in line)


def _codes(entry: Entry, sounds: Sounds) -> list[str]:
    """How the words of every form sound, in order of the alphabet, each once. A single letter is no word to file under."""
    codes: set[str] = set()
    for forms in (entry.given, entry.family):
        for form in forms:
            for word in form:
                if len(word) > 1:
                    codes.update(sounds(word))
    return sorted(codes)[:MOST_CODES]


def _ordered(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)


def _slips(mark: Mark) -> set[str]:
    """The value, and if it fails its check every one that a single slip could have made it from: a digit changed, two changed
    over, one left out or one too many."""
    value = mark.value
    if usable(mark):
        return {value}
    found = {value}
    for at, sign in enumerate(value):
        head, tail = value[:at], value[at + 1 :]
        found.add(head + tail)
        found.add(head + tail[:1] + sign + tail[1:])
        if sign.isdigit():
            found.update(head + digit + tail for digit in "0123456789")
            found.update(head + digit + sign + tail for digit in "0123456789")
    return found
