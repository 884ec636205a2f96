"""Why, in words: the comparison and its bits, never a value."""

from collections.abc import Iterator, Sequence
from typing import Final

from streams.matching.lanes import Held
from streams.matching.score import Finding, Scored

_NAME: Final = (
    "exact",
    "another spelling, a short form or a part",
    "very similar",
    "similar or the same sound",
    "initial",
    "alike",
    "differs",
)
_IDENTIFIER: Final = ("exact", "one edit apart", "two edits apart", "differs")

WORDS: Final = {
    "given_name": _NAME,
    "family_name": _NAME,
    "date_of_birth": (
        "exact",
        "day and month swapped",
        "one digit apart",
        "two parts of three",
        "same year",
        "differs",
    ),
    "postcode": ("exact", "one edit apart", "same sector", "same outcode", "differs"),
    "sex": ("same", "differs"),
    "house": ("same house", "one edit apart", "differs"),
    "street": ("same line", "very similar", "differs"),
    "nhs_number": _IDENTIFIER,
    "upn": _IDENTIFIER,
    "pnc_id": _IDENTIFIER,
    "cro_number": _IDENTIFIER,
}
"""A few words for each level of each field, best first."""


def explain(best: Scored, probabilities: Sequence[float], held: Sequence[Held], swap_cost: float) -> tuple[str, ...]:
    """One line for each field that both have, then what was held against it. `probabilities` best first."""
    return tuple(_lines(best, probabilities, held, swap_cost))


def _lines(best: Scored, probabilities: Sequence[float], held: Sequence[Held], swap_cost: float) -> Iterator[str]:
    yield from (_line(finding) for finding in best.findings)
    if best.swapped:
        yield f"names: given and family name swapped ({swap_cost:+.1f})"
    runner_up = probabilities[1] if len(probabilities) > 1 else 0.0
    yield f"probability: {probabilities[0]:.3f}, runner-up {runner_up:.3f}"
    yield from (f"held: {reason}" for reason in held)


def _line(finding: Finding) -> str:
    words = WORDS[finding.field][finding.level]
    if finding.one_in:
        words = f"{words}, 1 in {finding.one_in:,}"
    field = "address_line" if finding.field in ("house", "street") else finding.field
    return f"{field}: {words} ({finding.child:+.1f})"
