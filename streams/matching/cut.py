"""The first cut: who cannot matter whatever their names turn out to be, told by the keys that found them.

Two names that agree to the letter sound the same, and what sounds the same is found by a key of names. So whom the birth date alone has
found has other names; whom one name with part of the birth date has found, and no pair of names, has one other name at least. With the
birth date, the postcode and the rest, which are quickly compared, that is enough to leave four of five without a look at a letter.
Everything here is an upper bound and never too low.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.matching import keys
from streams.matching import likeness as like
from streams.matching.bounds import ALL_MARKS, BIRTH, DOOR, FAMILY, GIVEN, PLACE, SEX, Table
from streams.matching.keys import IDENTIFIER, LABELS, MOST_CODES, MOST_SOUNDS, Sounds
from streams.matching.likeness import Beside, Codes
from streams.matching.normalise import Entry
from streams.matching.packed import ANY_FAMILY, ANY_GIVEN, Records

NEITHER, ONE, BOTH, ANY = range(4)
"""How many of the two names may agree to the letter; ANY: both, and no names in particular."""

SHARP, PAIRS_LOST, BLUNT = range(3)
"""Of a person: every key says what it says; more are found by two names than are looked at; the keys say nothing of the names."""

FEW_UNITS: Final = MOST_CODES // MOST_SOUNDS
"""Of a child's names: with more it may be filed under some of its sounds only."""

_OF_NAMES: Final = frozenset((keys.NAMES, keys.NAME_AND_BIRTH, keys.NAME_AND_PLACE))
_TWO_PARTS_AGREE: Final = (0, 2, 3, like.NEW_YEAR)
_BIRTHS: Final = like.NEW_YEAR + 1


def edge(asked: Entry, sounds: Sounds, lost: Iterable[int]) -> int:
    """SHARP, PAIRS_LOST or BLUNT. `lost`: kinds of keys that found more than is looked at."""
    lost = set(lost)
    if lost & _OF_NAMES - {keys.NAMES}:
        return BLUNT
    given, family = ([set(sounds.of((form,))) for form in forms] for forms in (asked.given, asked.family))
    if len(set().union(*given, *family)) > MOST_CODES or not all(given) or not all(family):
        return BLUNT
    if keys.NAMES in lost or any(len(one | other) < 2 for one in given for other in family):
        return PAIRS_LOST
    return SHARP


def _by_key() -> NDArray[np.int8]:
    """By edge, key and birth date: how many names may agree, where the child's are all filed."""
    table = np.full((3, len(LABELS), _BIRTHS), BOTH, np.int8)
    for kind in (keys.NAME_AND_BIRTH, keys.NAME_AND_PLACE, keys.BIRTH, keys.POSTCODE, keys.STREET):
        table[SHARP, kind] = ONE
    for kind in (keys.BIRTH, keys.STREET):
        table[:BLUNT, kind, _TWO_PARTS_AGREE] = NEITHER  # else a name with these two parts would have found it
    table[:BLUNT, keys.POSTCODE] = NEITHER  # else a name with the outcode would have
    return table


_BY_KEY: Final = _by_key().ravel()


class Cut:
    """The most that a pair could weigh for some people, without a look at their names."""

    def __init__(self, bits: Table, marks: Sequence[Table], edges: Sequence[int], swapped: float) -> None:
        """Of each person: its row of bits, what identifiers that differ weigh, and its edge; of `bits` and `marks` there may be
        several to an edge, in turns. `swapped` is the cost of reading the names crosswise."""
        birth, place, sex = bits[:, BIRTH:PLACE], bits[:, PLACE:SEX], bits[:, SEX:DOOR]
        whole = _names(bits, swapped)[:, :, None, None, None] + birth[:, None, :, None, None]
        whole = whole + place[:, None, None, :, None] + sex[:, None, None, None, :]
        self._whole, self._each = whole.ravel(), whole[0].size
        self._door, self._doors = bits[:, DOOR:].ravel(), bits.shape[1] - DOOR
        self._marks = np.concatenate(marks)
        self._edges = np.array(edges) * (len(LABELS) * _BIRTHS)

    def most(self, of: Codes, kind: Codes, beside: Beside, child: Records) -> Table:
        """For each pair, found by a key of this kind, the most that it could weigh; beyond all measure if an identifier found it.

        `of` may have several rows, of a place in `bits` each; the first says whose edge it is.
        """
        agree = _BY_KEY[self._edges[of[0]] + (kind.astype(np.int64) * _BIRTHS + beside.birth)]
        agree[child["units"] > FEW_UNITS] = BOTH
        agree[child["more"] & (ANY_GIVEN | ANY_FAMILY) != 0] = ANY
        place = ((agree.astype(np.int64) * _BIRTHS + beside.birth) * (SEX - PLACE) + beside.place) * (
            DOOR - SEX
        ) + beside.sex
        found: Table = self._whole[of * self._each + place]
        found += self._door[of * self._doors + beside.door]
        found += self._marks[of * ALL_MARKS + beside.marks]
        found[:, kind == IDENTIFIER] = np.inf
        return found


def _names(bits: Table, swapped: float) -> Table:
    """For each person, and each number of names that may agree to the letter, the most that both names could weigh."""
    given, family = bits[:, GIVEN:FAMILY], bits[:, FAMILY:BIRTH]
    rare = given[:, like.RARE], family[:, like.RARE]
    worse = given[:, like.VARIANT :].max(1), family[:, like.VARIANT :].max(1)
    same = np.maximum(given[:, like.SAME], worse[0]), np.maximum(family[:, like.SAME], worse[1])
    crossed = np.maximum(rare[0] + worse[1], worse[0] + rare[1]), rare[0] + rare[1]
    straight = np.maximum(same[0] + worse[1], worse[0] + same[1]), same[0] + same[1]
    counted = [np.maximum(one, other + swapped) for one, other in zip(straight, crossed, strict=True)]
    return np.stack([worse[0] + worse[1], *counted, rare[0] + rare[1]], axis=1)
