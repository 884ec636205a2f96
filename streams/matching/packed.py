"""A child or a person in a few bytes, so that thousands of pairs can be compared at a time: hashes and letters, no names, and
enough of them to say how alike two entries could be at most."""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from schemas.person import IDENTIFIERS
from streams.matching.compare import numbers
from streams.matching.folding import Words
from streams.matching.keys import Sounds, is_address, swapped
from streams.matching.names import Names
from streams.matching.normalise import Entry, usable

Records = NDArray[Any]
Units = NDArray[Any]

RECORD: Final = np.dtype(
    [
        ("place", "<u8"),  # the postcode's letters, the last one lowest
        ("birth", "<u4"),  # yyyymmdd, four bits a digit
        ("turned", "<u4"),  # the same with day and month changed over; 0 if that is no date
        ("house", "<u4"),
        ("line", "<u4"),
        ("first", "<u4"),  # where the units of its names begin, and how many there are
        ("units", "<u2"),
        ("marks", "u1"),  # which identifiers there are, and which of them are usable
        ("more", "u1"),
    ]
)
UNIT: Final = np.dtype(
    [
        ("sounds", "<u8"),  # a bit for each way it sounds
        ("hashed", "<u4"),  # of the letters
        ("letters", "<u4"),  # a bit for each letter
        ("per_letter", "<f4"),  # one divided by the length
        ("repeated", "<i2"),  # letters that it has once already
        ("known", "<u2"),  # place among the names that have other forms; 0: not among them
        ("start", "u1"),  # the first letter
        ("kind", "u1"),
        ("", "V6"),
    ]
)
"""A name in all its forms is each of its words, and each form as a whole: two forms are as alike as two of these, at most.

32 bytes, as a record has: numpy moves 32 at a time six times as fast as 28."""

_RECORD: Final = struct.Struct("<Q5IH2B")
_UNIT: Final = struct.Struct("<Q2IfhH2B6x")

FEMALE, MALE, SEVERAL_PLACES, ANY_GIVEN, ANY_FAMILY, PLAIN = 1, 2, 4, 8, 16, 32
"""Bits of `more`. PLAIN: one given and one family name, a unit each."""

FAMILY, WHOLE = 1, 2
"""Bits of `kind`: of the family name; a whole form, not a word of one."""

MOST_UNITS: Final = 12
"""Of one name; with more, any name may be among them."""

SOUND: Final = len(IDENTIFIERS)
"""Shift from "there is one" to "it is usable"."""

_SEX: Final = {"f": FEMALE, "m": MALE, "": 0}
_BIT_OF_KIND: Final = {kind: 1 << place for place, kind in enumerate(IDENTIFIERS)}


class Packed(NamedTuple):
    """Records and the units that they speak of."""

    records: Records
    units: Units


class Name(NamedTuple):
    """The units of one name one after another, and how many there are."""

    units: bytes
    number: int


Aliases = tuple[Words, ...]
NameOf = Callable[[Aliases, int], Name]


class Packer:
    """Holds what is known of names; keeps nothing of those it packs."""

    def __init__(self, names: Names, sounds: Sounds) -> None:
        self._sounds = sounds
        words = sorted({*names.nicknames, *names.spellings})
        self._known: Mapping[str, int] = {word: place for place, word in enumerate(words, start=1)}
        self.kin = _kin(names, self._known)

    def hearing(self, sounds: Sounds) -> "Packer":
        """The same, that hears with these."""
        found = Packer.__new__(Packer)
        found.__dict__.update(self.__dict__)
        found._sounds = sounds  # noqa: SLF001 - its own
        return found

    def pack(self, one: Entry, first: int, name: NameOf | None = None) -> tuple[bytes, bytes]:
        """The record, and its units, which lie from `first` on. `name` may remember, but not longer than a list is loaded."""
        birth = one.birth
        given, family = (name or self.name)(one.given, 0), (name or self.name)(one.family, FAMILY)
        record = _RECORD.pack(
            int.from_bytes(one.postcode.encode(), "big"),
            int(str(birth), 16),
            int(str(swapped(birth)), 16) if birth else 0,
            _house(one.line) if one.line else 0,
            _hashed(one.line) if one.line and is_address(one.line) else 0,
            first,
            given.number + family.number,
            _marks(one) if one.marks else 0,
            _SEX[one.sex]
            | SEVERAL_PLACES * bool(one.places)
            | ANY_GIVEN * (given.number == 0 < len(one.given))
            | ANY_FAMILY * (family.number == 0 < len(one.family))
            | PLAIN * (given.number == family.number == 1),
        )
        return record, given.units + family.units

    def name(self, forms: Aliases, kind: int) -> Name:
        """`kind` is FAMILY or 0."""
        if len(forms) == 1 and len(forms[0]) == 1:
            return Name(self._unit(forms[0][0], kind | WHOLE), 1)
        wholes = {"".join(form) for form in forms}
        words = {word for form in forms for word in form} - wholes
        if len(wholes) + len(words) > MOST_UNITS:
            return Name(b"", 0)
        units = [self._unit(text, kind | WHOLE) for text in wholes] + [self._unit(text, kind) for text in words]
        return Name(b"".join(units), len(units))

    def _unit(self, text: str, kind: int) -> bytes:
        length, own = len(text), letters(text)
        return _UNIT.pack(
            self._sounds.bits(text),
            crc32(text.encode()),
            own,
            1 / length,
            length - own.bit_count(),
            self._known.get(text, 0),
            ord(text[0]) & 0xFF,
            kind,
        )

    def all(self, entries: Sequence[Entry]) -> Packed:
        records, units, first = [], [], 0
        for one in entries:
            record, own = self.pack(one, first)
            records.append(record)
            units.append(own)
            first += len(own) // UNIT.itemsize
        return Packed(np.frombuffer(b"".join(records), RECORD), np.frombuffer(b"".join(units), UNIT))


def letters(text: str) -> int:
    """A bit for each of a to z that is in it; all other signs share six more."""
    try:
        return sum(map(_BIT_OF_LETTER.__getitem__, set(text)))
    except KeyError:
        places = {place if 0 <= (place := ord(sign) - 97) < 26 else 26 + place % 6 for sign in text}
        return sum(1 << place for place in places)


_BIT_OF_LETTER: Final = {chr(97 + place): 1 << place for place in range(26)}


def _hashed(text: str) -> int:
    """32 bits, never 0; the same in every process."""
    return crc32(text.encode()) or 1


def _house(line: str) -> int:
    """Two lines have the same if `compare` takes them for one house; all lines without a number have one."""
    found = numbers(line)
    return _hashed(" ".join(sorted(found)) if len(found) > 1 else found[0] if found else "")


def _marks(one: Entry) -> int:
    """Usable: the only one of its kind, and its check holds."""
    found = 0
    for mark in one.marks:
        bit = _BIT_OF_KIND[mark.kind]
        sound = usable(mark) and not found & bit
        found = found | bit | bit << SOUND if sound else (found | bit) & ~(bit << SOUND)
    return found


def _kin(names: Names, known: Mapping[str, int]) -> NDArray[np.bool_]:
    """Of every two known words whether they are spellings of one name, or a name and its short form."""
    kin = np.zeros((len(known) + 1, len(known) + 1), np.bool_)
    for members in _families(names, known):
        kin[np.ix_(members, members)] = True
    for word, others in names.nicknames.items():
        kin[known[word], [known[other] for other in others]] = True
    return kin


def _families(names: Names, known: Mapping[str, int]) -> Iterator[list[int]]:
    heads = {head for own in names.spellings.values() for head in own}
    for head in sorted(heads):
        yield [known[word] for word, own in names.spellings.items() if head in own]
