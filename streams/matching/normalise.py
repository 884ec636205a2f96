"""A child or a person as it is compared: folded names with every alias, the birth date in one number, identifiers with their typos."""

import re
from collections.abc import Callable
from datetime import date
from operator import mul
from typing import Final, NamedTuple, Protocol

from schemas.child import WatchedChild
from schemas.identifiers import Problem, postcode
from schemas.identifiers.checked import tidy
from schemas.person import IDENTIFIERS, Sex
from streams.matching.folding import Words, fold, is_baby, is_plain, is_unknown, without_title

LONGEST_LIFE: Final = 130
"""Years. Nobody is known to have lived so long."""

NOT_KNOWN: Final = date(1900, 1, 1)
"""What is written where the birth date is not known (domain page, 2.9)."""


class Known(Protocol):
    """What `WatchedChild` and `Person` share."""

    @property
    def family_name(self) -> str | None: ...
    @property
    def given_name(self) -> str | None: ...
    @property
    def other_names(self) -> tuple[str, ...]: ...
    @property
    def previous_family_names(self) -> tuple[str, ...]: ...
    @property
    def date_of_birth(self) -> date | None: ...
    @property
    def sex(self) -> Sex | None: ...
    @property
    def postcode(self) -> str | None: ...
    @property
    def address_line(self) -> str | None: ...
    @property
    def nhs_number(self) -> str | None: ...
    @property
    def upn(self) -> str | None: ...
    @property
    def pnc_id(self) -> str | None: ...
    @property
    def cro_number(self) -> str | None: ...


class Mark(NamedTuple):
    """One identifier, tidied. An invalid one is a typo to compare: two people who typed the same wrong number still agree."""

    kind: str
    value: str


def usable(mark: Mark) -> bool:
    """Whether its check holds."""
    return _adds_up(mark.kind, mark.value) or IDENTIFIERS[mark.kind](mark.value).usable


def _adds_up(kind: str, value: str) -> bool:
    """The two checks that half a million children need at the start, in C: true only where the rule in `schemas` is. False means
    that the rule must be asked."""
    if not value.isascii():
        return False
    if kind == "nhs_number" and len(value) == 10 and value.isdigit():
        adds_up = not (sum(map(mul, value.encode(), _NHS_WEIGHTS)) - 48 * 55) % 11
        return adds_up and value != value[0] * 10 and value != "1234567890"
    if kind == "upn" and len(value) == 13 and value[1:].isdigit():
        check = (sum(map(mul, value[1:].encode(), _UPN_WEIGHTS)) - 48 * 90) % 23
        return value[0] == _UPN_LETTERS[check] and value[1:12] != "00000000000"
    return False


_NHS_WEIGHTS = tuple(range(10, 0, -1))
_UPN_WEIGHTS = tuple(range(2, 14))
_UPN_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"


class Entry(NamedTuple):
    """One person. `given` and `family` hold the recorded name first, then aliases and former names; `birth` is yyyymmdd or 0."""

    given: tuple[Words, ...]
    family: tuple[Words, ...]
    birth: int
    sex: str
    postcode: str
    line: str
    marks: tuple[Mark, ...]
    nameless: bool = False  # "Unknown": only identifiers count
    places: tuple[str, ...] = ()  # former postcodes
    unnamed: bool = False  # "Baby", "Unknown": there is a given name, and it was not written


Forms = Callable[[str | None], tuple[Words, ...]]
"""From a name as typed to its folded forms: none, or one."""


def form(name: str | None) -> tuple[Words, ...]:
    """The folded name, or nothing if it names nobody ("Baby", "Unknown")."""
    words = fold(name)
    if is_plain(words):
        return (words,)
    words = without_title(words)
    return () if not words or is_baby(words) or is_unknown(words) else (words,)


def entry(known: Known, today: date, forms: Forms = form) -> Entry:
    """Never raises. A birth date that nobody has is left out. `forms` may remember, but must not outlive the loading of the list."""
    family, given = forms(known.family_name), forms(known.given_name)
    unnamed = not given and bool(fold(known.given_name))
    nameless = (not family and is_unknown(fold(known.family_name))) or not (family or given or _speaks(known))
    if known.other_names or known.previous_family_names:
        given, family = _aliases(given, family, known, forms)
    return Entry(
        given=given,
        family=family,
        birth=_birth(known.date_of_birth, today),
        sex="f" if known.sex == Sex.FEMALE else "m" if known.sex == Sex.MALE else "",
        postcode=_postcode(known.postcode) if known.postcode else "",
        line=_line(known.address_line) if known.address_line else "",
        marks=_marks(known),
        nameless=nameless,
        unnamed=unnamed,
    )


def unlikely(birth: date, today: date) -> str | None:
    """Why nobody was born then, or None."""
    if birth > today:
        return "in the future"
    if birth == NOT_KNOWN:
        return "1 January 1900, which is written where it is not known"
    return f"more than {LONGEST_LIFE} years ago" if today.year - birth.year > LONGEST_LIFE else None


def _birth(birth: date | None, today: date) -> int:
    if birth is None or unlikely(birth, today):
        return 0
    return birth.year * 10000 + birth.month * 100 + birth.day


def with_formers(one: Entry, child: WatchedChild, forms: Forms = form) -> Entry:
    """The same with what updates of the list have replaced: agencies that have not heard of a move send the old postcode still."""
    given = [words for name in child.former_given_names for words in forms(name)]
    family = [words for name in child.former_family_names for words in forms(name)]
    marks = [made for kind, value in child.former_identifiers if (made := _mark(kind, value))]
    places = [place for each in child.former_postcodes if (place := _postcode(each)) and place != one.postcode]
    return one._replace(
        given=tuple(dict.fromkeys([*one.given, *given])),
        family=tuple(dict.fromkeys([*one.family, *family])),
        marks=tuple(dict.fromkeys([*one.marks, *marks])),
        places=tuple(dict.fromkeys(places)),
    )


def identifiers_only(one: Entry) -> Entry:
    """What is left of a person whose identity is not reliable, or whose name nobody knows."""
    return Entry((), (), 0, "", "", "", one.marks, nameless=True)


def _speaks(known: Known) -> bool:
    """Whether a missing name is no more than missing: not the word "Unknown" in its place."""
    return not is_unknown(fold(known.given_name))


def _aliases(
    given: tuple[Words, ...], family: tuple[Words, ...], known: Known, forms: Forms
) -> tuple[tuple[Words, ...], ...]:
    """An alias of several words may be a whole name (`Jay Carter`): its last word is one more family name."""
    others = [words for name in known.other_names for words in forms(name)]
    former = [words for name in known.previous_family_names for words in forms(name)]
    ends = [words[-1:] for words in others if len(words) > 1]
    return tuple(dict.fromkeys([*given, *others])), tuple(dict.fromkeys([*family, *former, *ends]))


def _marks(known: Known) -> tuple[Mark, ...]:
    found = (
        _mark("nhs_number", known.nhs_number) if known.nhs_number else None,
        _mark("upn", known.upn) if known.upn else None,
        _mark("pnc_id", known.pnc_id) if known.pnc_id else None,
        _mark("cro_number", known.cro_number) if known.cro_number else None,
    )
    return tuple([mark for mark in found if mark is not None])


def _mark(kind: str, text: str) -> Mark | None:
    if len(text) == _PLAIN.get(kind) and text.isalnum() and text.isascii() and _as_issued(text):
        return Mark(kind, text)
    checked = IDENTIFIERS[kind](text)
    if checked.canonical:
        return Mark(kind, checked.canonical)
    typed = tidy(text)
    if checked.problem not in _TYPOS or isinstance(typed, Problem) or len(typed) < _SHORTEST_TYPO:
        return None
    return Mark(kind, typed)


def _as_issued(text: str) -> bool:
    """Whether a plain identifier is canonical as it stands: in capitals, and no row of one digit, which may be a placeholder."""
    return text.upper() == text and text.count(text[1]) < 9 and text != "1234567890"


_PLAIN = {"nhs_number": 10, "upn": 13}
"""Identifiers that have one written form, and its length."""

_TYPOS = frozenset((Problem.CHECK_DIGIT, Problem.LENGTH, Problem.FORMAT))
_SHORTEST_TYPO = 7
_PLACE = re.compile(r"([A-PR-UWYZ][A-HK-Y]?[0-9][0-9A-HJKMNPR-Y]?) ?([0-9][ABD-HJLNP-UW-Z]{2})")
_AREA_DIGITS = str.maketrans("01", "OI")
_INWARD_DIGIT = str.maketrans("OI", "01")


def _postcode(text: str) -> str:
    """Canonical without its space; O and 0, I and 1 put right by position; a placeholder is nothing; else as typed."""
    if (plain := _PLACE.fullmatch(text)) and not text.startswith("ZZ"):
        return plain[1] + plain[2]
    checked = postcode(text)
    if checked.canonical:
        return checked.canonical.replace(" ", "")
    typed = tidy(text)
    if checked.problem is Problem.PLACEHOLDER or isinstance(typed, Problem) or not 4 <= len(typed) <= 8:
        return ""
    head, tail = typed[:-3], typed[-3:]
    for area in (
        head,
        head[:1].translate(_AREA_DIGITS) + head[1:].translate(_INWARD_DIGIT),
        head[:2].translate(_AREA_DIGITS) + head[2:].translate(_INWARD_DIGIT),
    ):
        righted = postcode(area + tail[0].translate(_INWARD_DIGIT) + tail[1:].translate(_AREA_DIGITS)).canonical
        if righted:
            return righted.replace(" ", "")
    return typed


_SHORT = {
    "street": "st",
    "road": "rd",
    "avenue": "ave",
    "lane": "ln",
    "close": "cl",
    "drive": "dr",
    "court": "ct",
    "place": "pl",
}


_SIGNS = {place: chr(place).lower() if chr(place).isalnum() else " " for place in range(128)}


def _line(text: str) -> str:
    """The words of an address line, kinds of street in short."""
    words = text.translate(_SIGNS).split() if text.isascii() else fold(text)
    return " ".join([_SHORT.get(word, word) for word in words[:12]])
