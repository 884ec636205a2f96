"""Page, review or none: thresholds that the model fixes, and vetoes that send what looks certain to a human all the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from schemas.moments import Lane
from schemas.person import IDENTIFIERS
from streams.matching.compare import INITIAL, SIMILAR
from streams.matching.model import Thresholds
from streams.matching.score import Scored


class Held(StrEnum):
    """Why a match is not paged without a human."""

    CONFLICT = "a valid identifier conflicts"
    GIVEN_NAME = "nothing tells the child from a brother or sister: the given name does not agree, nor an identifier"
    ADULT = "the birth date is an adult's"
    RESTRICTED = "the record is restricted"
    TOO_LITTLE = "fewer than two independent fields agree"
    NO_ANCHOR = "neither the birth date nor an identifier with the name agrees"
    BARE = "a name and a birth date agree, and nothing else is known to"
    RUNNER_UP = "another child fits nearly as well"
    UNSURE = "not sure enough"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside the comparison. `adult`: the event's birth date is an adult's, the child's is not."""

    adult: bool = False
    restricted: bool = False


def choose(
    best: Scored, probabilities: Sequence[float], facts: Facts, limits: Thresholds
) -> tuple[Lane, tuple[Held, ...]]:
    """The lane for the best candidate, and what keeps it from a page. `probabilities` are of all candidates, best first."""
    total = sum(probabilities)
    if total < limits.review:
        return Lane.NONE, ()

    held = tuple(_held(best, probabilities, facts, limits))
    return (Lane.REVIEW if held else Lane.PAGE), held


def _held(best: Scored, probabilities: Sequence[float], facts: Facts, limits: Thresholds) -> Iterator[Held]:
    yield from _of_identity(best, facts)
    if len(probabilities) > 1 and probabilities[1] >= limits.runner_up:
        yield Held.RUNNER_UP
    if probabilities[0] < limits.page:
        yield Held.UNSURE


def _of_identity(best: Scored, facts: Facts) -> Iterator[Held]:
    level = {finding.field: finding.level for finding in best.findings}
    identifiers = [one for one in best.findings if one.field in IDENTIFIERS]
    agreed = sum(one.level <= 1 for one in identifiers)
    birth = level.get("date_of_birth", 9) <= 3
    given = level.get("given_name", 9) <= INITIAL
    name = given or level.get("family_name", 9) <= SIMILAR
    place = level.get("postcode", 9) <= 1 or level.get("street", 9) == 0
    third = place or level.get("sex", 9) == 0 or level.get("house", 9) <= 1

    if any(one.valid and one.level == 3 for one in identifiers):
        yield Held.CONFLICT
    if not agreed and not given:
        yield Held.GIVEN_NAME
    if facts.adult:
        yield Held.ADULT
    if facts.restricted:
        yield Held.RESTRICTED
    if agreed + birth + name + place < 2:
        yield Held.TOO_LITTLE
    if not birth and not (agreed and given) and agreed < 2:
        yield Held.NO_ANCHOR
    if not agreed and not third:
        yield Held.BARE
