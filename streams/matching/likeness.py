"""How alike two packed entries could be at most, for thousands of pairs at a time: the best level that `compare` could find.

Everything here is an upper bound and never too low; where the records do not tell, the better level is taken.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.matching.packed import (
    ANY_FAMILY,
    ANY_GIVEN,
    FAMILY,
    FEMALE,
    MALE,
    PLAIN,
    SEVERAL_PLACES,
    WHOLE,
    Packed,
    Records,
    Units,
)

Codes = NDArray[Any]
Bits = NDArray[Any]
Truth = NDArray[np.bool_]

RARE, SAME, VARIANT, VERY_SIMILAR, SIMILAR, INITIAL, ALIKE, DIFFER, NO_NAME = range(9)
"""Of a name: RARE may be exact, and no name in particular; SAME is exact, and one that was asked for; from there on the levels of
`compare`."""

BIRTHS: Final = 6
NO_BIRTH, NEW_YEAR = BIRTHS, BIRTHS + 1
"""Of a birth date: the levels of `compare`, missing, and exact on 1 January."""

ONE_EDIT, SECTOR, OUTCODE, ELSEWHERE, NO_PLACE, ANY_PLACE = range(1, 7)
"""Of a postcode: ONE_EDIT may be any but exact; ANY_PLACE is a child with former ones as well."""

NO_SEX: Final = 2

FEW_PAIRS: Final = 500
"""Below that, telling apart who has one name from who has several costs more than it saves."""

FAR, NEAR, PERHAPS_NEAR = range(3)
OTHER_HOUSE, SAME_NUMBER, SAME_HOUSE, SAME_LINE = range(4)
DOORS: Final = 12
"""Of an address line: how near the postcodes are, times four, and how alike the lines; DOORS is missing."""


class Beside(NamedTuple):
    """A code for each pair, of all that is compared but the names."""

    birth: Codes
    place: Codes
    sex: Codes
    door: Codes
    marks: Codes  # as the child has them packed


class Likeness(NamedTuple):
    """A code for each pair, of the names. `crossed_...`: given against family name and the other way round."""

    given: Codes
    family: Codes
    crossed_given: Codes
    crossed_family: Codes


def beside_names(one: Records, child: Records) -> Beside:
    """Record `i` of the one with record `i` of the other."""
    place = _place(one, child)
    return Beside(
        birth=_birth(one["birth"], one["turned"], child["birth"]),
        place=place,
        sex=_sex(one["more"], child["more"]),
        door=_door(one, child, place),
        marks=child["marks"],
    )


def likeness(one: Packed, child: Packed, kin: NDArray[np.bool_]) -> Likeness:
    """Record `i` of the one with record `i` of the other. `kin`: which known names are forms of one another."""
    names = _names(one.records, one.units, child.records, child.units, kin)
    names[1:3][names[1:3] == SAME] = RARE  # how common a given name is as a family name is not asked
    return Likeness(names[0], names[3], names[2], names[1])


def _names(one: Records, units: Units, other: Records, child_units: Units, kin: NDArray[np.bool_]) -> Codes:
    """The best of every unit with every unit: given with given, given with family, family with given, family with family."""
    if len(one) < FEW_PAIRS:
        return _many(one, units, other, child_units, kin)
    found = np.full((4, len(one)), NO_NAME, np.int8)
    plain = one["more"] & other["more"] & PLAIN != 0
    if len(places := plain.nonzero()[0]):
        first, second = one["first"][places].astype(np.int64), other["first"][places].astype(np.int64)
        left = units.take(np.concatenate([first, first, first + 1, first + 1]))
        right = child_units.take(np.concatenate([second, second + 1, second, second + 1]))
        found[:, places] = _units(left, right, kin).reshape(4, -1)
    if len(places := (~plain).nonzero()[0]):
        found[:, places] = _many(one.take(places), units, other.take(places), child_units, kin)
    return found


def _many(one: Records, units: Units, other: Records, child_units: Units, kin: NDArray[np.bool_]) -> Codes:
    """Those who have several names, or lack one."""
    across = other["units"].astype(np.int64)
    sizes = one["units"] * across
    of = np.repeat(np.arange(len(sizes)), sizes)
    step = np.arange(len(of)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    across = across[of]
    left = units.take(one["first"][of] + step // across)
    right = child_units.take(other["first"][of] + step % across)
    which = 2 * (left["kind"] & FAMILY) + (right["kind"] & FAMILY)
    found = np.full((4, len(sizes)), NO_NAME, np.int8)
    np.minimum.at(found, (which, of), _units(left, right, kin))
    if ((one["more"] | other["more"]) & (ANY_GIVEN | ANY_FAMILY)).any():
        for place, left_any, right_any in _ANY:
            found[place][(one["more"] & left_any | other["more"] & right_any) != 0] = RARE
    return found


_ANY: Final = (
    (0, ANY_GIVEN, ANY_GIVEN),
    (1, ANY_GIVEN, ANY_FAMILY),
    (2, ANY_FAMILY, ANY_GIVEN),
    (3, ANY_FAMILY, ANY_FAMILY),
)


def _units(left: Units, right: Units, kin: NDArray[np.bool_]) -> Codes:
    """What Jaro-Winkler could be: a letter that the other has not cannot match. Most are told apart by that alone."""
    letters = np.bitwise_count(left["letters"] & right["letters"])
    matching = letters + np.minimum(left["repeated"], right["repeated"])
    alike = matching * (left["per_letter"] + right["per_letter"]) + _ROUNDING  # Jaro is a third of this and one
    code: Codes = np.full(len(alike), DIFFER, np.int8)
    known = (left["known"].astype(np.bool_) & right["known"].astype(np.bool_)).nonzero()[0]
    code[known[kin[left["known"][known], right["known"][known]]]] = VARIANT
    near = (alike >= SOUNDS_FROM).nonzero()[0]
    code[near] = np.minimum(code[near], _near(left.take(near), right.take(near), alike[near]))
    return code


def _near(left: Units, right: Units, alike: Bits) -> Codes:
    """Those who share half their letters or so: `alike` is the share of the letters that match, in the one and in the other."""
    same_start = left["start"] == right["start"]
    better = alike + np.float32(0.15) * same_start
    same_sound = (left["sounds"] & right["sounds"]) != 0
    one_letter = np.maximum(left["per_letter"], right["per_letter"]) == 1.0
    code: Codes = DIFFER - (better >= ALIKE_FROM).astype(np.int8)
    code[same_start & one_letter] = INITIAL
    code[same_sound | (better >= SIMILAR_FROM)] = SIMILAR
    code[better >= VERY_SIMILAR_FROM] = VERY_SIMILAR
    same = (left["hashed"] == right["hashed"]).nonzero()[0]
    code[same] = np.where(left["kind"][same] & right["kind"][same] & WHOLE, SAME, VARIANT)
    return code


SOUNDS_FROM, ALIKE_FROM, SIMILAR_FROM, VERY_SIMILAR_FROM = map(np.float32, (0.8, 1.25, 1.4, 1.75))
"""Where a Jaro-Winkler of .60, .75, .85 and .92 can begin: the share of letters that match in the one and in the other, and from
the second on .15 more if they start with the same letter, which is worth more to it."""

_ROUNDING: Final = np.float32(1e-5)


def _birth(one: Bits, turned: Bits, other: Bits) -> Codes:
    """Four bits a digit, yyyymmdd. Exact, as in `compare`. `turned`: the first with day and month changed over."""
    apart = one ^ other
    parts = (apart >> 16 == 0) * np.uint8(4) + (apart & 0xFF00 == 0) * np.uint8(2) + (apart & 0xFF == 0)
    digits = apart | apart >> 1
    digits = (digits | digits >> 2) & 0x11111111
    code: Codes = _BY_PARTS.take(parts)
    code[np.bitwise_count(digits) == 1] = 2
    code[turned == other] = 1
    exact = (apart == 0).nonzero()[0]
    code[exact] = np.where(one[exact] & 0xFFFF == 0x101, NEW_YEAR, 0)
    code[(one == 0) | (other == 0)] = NO_BIRTH
    return code


_BY_PARTS: Final = np.array([5, 5, 5, 3, 4, 3, 3, 0], np.int8)
"""By whether the year, the month and the day agree."""


def _place(asked: Records, child: Records) -> Codes:
    """Eight bits a letter, the last one lowest. One edit may be said of a few that are two edits apart."""
    one, other = asked["place"], child["place"]
    apart = one ^ other
    code: Codes = ELSEWHERE - (apart >> 24 == 0).astype(np.int8) - (apart >> 16 == 0)
    code[_perhaps_one_edit(one, other, apart)] = ONE_EDIT
    code[apart == 0] = 0
    code[other == 0] = NO_PLACE
    code[child["more"] & SEVERAL_PLACES != 0] = ANY_PLACE
    code[one == 0] = NO_PLACE
    return code


def _perhaps_one_edit(one: Bits, other: Bits, apart: Bits) -> Truth:
    signs = apart | apart >> 4
    signs |= signs >> 2
    signs = (signs | signs >> 1) & 0x0101010101010101
    count = np.bitwise_count(signs)
    changed = (count == 1) | ((count == 2) & (signs & signs >> 8 != 0))
    # One left out: above the lowest sign that differs, the shorter is the longer moved by one.
    lowest = apart & (~apart + np.uint64(1))
    moved = (np.minimum(one, other) << 8) ^ np.maximum(one, other)
    return np.asarray(changed | (moved < lowest << 8) | (lowest >> 56 != 0))


def _sex(one: Bits, other: Bits) -> Codes:
    both = FEMALE | MALE
    code: Codes = (one & both != other & both).astype(np.int8)
    code[(one & both == 0) | (other & both == 0)] = NO_SEX
    return code


def _door(asked: Records, child: Records, place: Codes) -> Codes:
    left, right = asked["line"], child["line"]
    addresses = (left != 0) & (right != 0)
    alike = np.where(addresses, SAME_HOUSE, SAME_NUMBER)
    alike[asked["house"] != child["house"]] = OTHER_HOUSE
    alike[addresses & (left == right)] = SAME_LINE
    near = np.where((place == ONE_EDIT) | (place == ANY_PLACE), PERHAPS_NEAR, FAR)
    near[place == 0] = NEAR
    return np.where((asked["house"] == 0) | (child["house"] == 0), DOORS, (near * 4 + alike).astype(np.int8))
