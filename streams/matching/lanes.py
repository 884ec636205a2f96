"""Page, review or none: thresholds that the model fixes, and vetoes that send what looks certain to a human all the same."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from schemas.moments import Lane
from schemas.person import IDENTIFIERS
from streams.matching.compare import EXACT, INITIAL, SIMILAR, VARIANT
from streams.matching.model import Thresholds
from streams.matching.score import ELSEWHERE, Scored

BORN_A_DAY: Final = 900.0
"""Children of one sex born in England on one day: 570,000 to 690,000 births a year from 2008 on (ONS), nearly the most of them."""

OF_AN_AREA: Final = 0.04
"""Of England's children those of one postcode area, at most: Birmingham's has 1.9 of 57 million people (Census 2021)."""

ANY_NAME: Final = 250
"""One in so many, for a name that agrees only roughly."""


TWO_PARTS: Final = 3
"""Level of a birth date of which two parts of three agree."""

CONFLICTING: Final = 3
"""Level of two identifiers that are two."""

NOTHING: Final = 9
"""Level of what either does not have."""


class Held(StrEnum):
    """Why a match is not paged without a human."""

    CONFLICT = "a valid identifier conflicts"
    GIVEN_NAME = "nothing tells the child from a brother or sister: the given name does not agree, nor an identifier"
    ADULT = "the birth date is an adult's"
    RESTRICTED = "the record is restricted"
    TOO_LITTLE = "fewer than two independent fields agree"
    NO_ANCHOR = "neither the birth date nor an identifier with the name agrees"
    BARE = "a name and a birth date agree, and nothing else is known to"
    ROUGH = "the birth date agrees only roughly, and neither a place nor an identifier does"
    NAMESAKE = "the postcode is another, and the name and birth date are not so rare that it must be the same child"
    BIRTH_DATE = "an identifier agrees, and the birth date does not"
    NAMESAKE_LISTED = "another child of the list has the same name and birth date, and no identifier tells them apart"
    RUNNER_UP = "another child fits nearly as well"
    UNSURE = "not sure enough"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside the comparison. `adult`: the event's birth date is an adult's, the child's is not. `near`: their
    postcodes, or a former one of the child's, are of one area."""

    adult: bool = False
    restricted: bool = False
    near: bool = False


def choose(
    ranked: Sequence[Scored], probabilities: Sequence[float], facts: Facts, limits: Thresholds
) -> tuple[Lane, tuple[Held, ...]]:
    """The lane for the best candidate, and what keeps it from a page. Both are of all candidates, best first."""
    total = sum(probabilities)
    if total < limits.review:
        return Lane.NONE, ()

    held = tuple(_held(ranked, probabilities, facts, limits))
    return (Lane.REVIEW if held else Lane.PAGE), held


def _held(ranked: Sequence[Scored], probabilities: Sequence[float], facts: Facts, limits: Thresholds) -> Iterator[Held]:
    best = Agreement.of(ranked[0])
    yield from (reason for reason, holds in VETOES if holds(best))
    if facts.adult:
        yield Held.ADULT
    if facts.restricted:
        yield Held.RESTRICTED
    others = best.namesakes * (OF_AN_AREA if facts.near else 1.0)
    if not best.identifiers and best.elsewhere and others > limits.namesakes:
        yield Held.NAMESAKE
    if not best.identifiers and any(Agreement.of(other).to_the_letter for other in ranked[1:]):
        yield Held.NAMESAKE_LISTED
    if len(probabilities) > 1 and probabilities[1] >= limits.runner_up:
        yield Held.RUNNER_UP
    if probabilities[0] < limits.page:
        yield Held.UNSURE


@dataclass(frozen=True, slots=True)
class Agreement:
    """What of a child and an event's person agrees. `identifiers`: how many, a slip of one sign allowed; `birth`: at least two parts of
    three; `given`: at least the initial, or the only name there is; `place`: the postcode, or a whole address line; `third`: any of
    place, house and sex.

    `namesakes`: how many others in England are expected to bear the name and the birth date. An event about one of them looks like
    one about the child with a stale postcode.
    """

    identifiers: int
    conflict: bool
    birth: bool
    birth_differs: bool
    birth_exact: bool
    given: bool
    name: bool
    place: bool
    third: bool
    elsewhere: bool
    to_the_letter: bool
    namesakes: float

    @classmethod
    def of(cls, scored: Scored) -> Self:
        level = {finding.field: finding.level for finding in scored.findings}
        marks = [finding for finding in scored.findings if finding.field in IDENTIFIERS]
        given, family = level.get("given_name", NOTHING), level.get("family_name", NOTHING)
        born = level.get("date_of_birth", NOTHING)
        place = level.get("postcode", NOTHING) <= 1 or level.get("street") == EXACT
        return cls(
            identifiers=sum(mark.level <= 1 for mark in marks),
            conflict=any(mark.valid and mark.level == CONFLICTING for mark in marks),
            birth=born <= TWO_PARTS,
            birth_differs=TWO_PARTS < born < NOTHING,
            birth_exact=born == EXACT,
            given=given <= INITIAL or scored.personal,
            name=given <= INITIAL or family <= SIMILAR,
            place=place,
            third=place or level.get("sex") == EXACT or level.get("house", NOTHING) <= 1,
            elsewhere=level.get("postcode") == ELSEWHERE and "street" not in level,
            to_the_letter=max(given, family) <= VARIANT and born == EXACT,
            namesakes=_namesakes(scored),
        )


def _namesakes(scored: Scored) -> float:
    expected = BORN_A_DAY
    for finding in scored.findings:
        if finding.field in ("given_name", "family_name"):
            expected /= finding.one_in or ANY_NAME
    return expected


VETOES: Final[tuple[tuple[Held, Callable[[Agreement], bool]], ...]] = (
    (Held.CONFLICT, lambda it: it.conflict),
    (Held.GIVEN_NAME, lambda it: not it.identifiers and not it.given),
    (Held.TOO_LITTLE, lambda it: it.identifiers + it.birth + it.name + it.place < 2),
    (Held.NO_ANCHOR, lambda it: not it.birth and it.identifiers < 2 and not (it.identifiers and it.given)),
    (Held.BIRTH_DATE, lambda it: it.identifiers == 1 and it.birth_differs),
    (Held.BARE, lambda it: not it.identifiers and not it.third),
    # A namesake is born a day or a digit away as easily as a hand slips.
    (Held.ROUGH, lambda it: not it.identifiers and not it.place and not it.birth_exact),
)
"""What the best candidate's own comparison may lack (domain page, 2.10; matching page, 3.7)."""
