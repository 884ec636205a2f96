"""What every check of an identifier answers, and how text is tidied before it is checked."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self


class Problem(StrEnum):
    """Why a value cannot be used: a closed set, so it can be a metric's label. It never holds the value."""

    EMPTY = "empty"
    PLACEHOLDER = "placeholder"  # well formed, but written by systems to mean "we do not know"
    LENGTH = "length"
    FORMAT = "format"
    CHECK_DIGIT = "check-digit"  # or a wrong check letter


@dataclass(frozen=True, slots=True)
class Checked:
    """Either a canonical value or a problem, never both. The value stays out of `repr`, so out of logs."""

    canonical: str | None = field(default=None, repr=False)
    problem: Problem | None = None

    @classmethod
    def good(cls, canonical: str) -> Self:
        return cls(canonical=canonical)

    @classmethod
    def bad(cls, problem: Problem) -> Self:
        return cls(problem=problem)

    @property
    def usable(self) -> bool:
        return self.problem is None


LONGEST: Final = 64
"""Characters. No identifier comes near it even with a space between all its digits; longer text is refused unread."""

# Spaces of any width, the invisible marks that spreadsheets and phones paste along, and hyphens of any length.
_IGNORED = re.compile(r"[\s\u200b-\u200f\u202a-\u202e\u2060\ufeff\u00ad\u2010-\u2015\u2212-]+")


def tidy(text: str) -> str | Problem:
    """The text in capitals without spaces and hyphens (ASCII, at most LONGEST), or why it cannot be an identifier.

    Other alphabets are refused, not folded: `str.isdigit` and `\\d` take digits of forty scripts,
    and `str.upper` turns some letters into two, or into a different one.
    """
    text = text.strip()
    if len(text) > LONGEST:
        return Problem.LENGTH

    if text.isascii() and text.isalnum():  # as nearly all are
        return text.upper()
    text = _IGNORED.sub("", text)
    if not text:
        return Problem.EMPTY
    if not text.isascii():
        return Problem.FORMAT
    return text.upper()


def misfit(text: str, lengths: range) -> Checked:
    """What to say of tidied text that has not the shape of its kind: its length if that is wrong, else its format."""
    return Checked.bad(Problem.FORMAT if len(text) in lengths else Problem.LENGTH)
