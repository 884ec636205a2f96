"""The NHS number: ten digits, the last of them a check, mod 11 (NHS Data Dictionary, NHS NUMBER)."""

import re
from operator import mul
from typing import Final

from nhs_number.constants import REGION_SYNTHETIC

from schemas.identifiers.checked import Checked, Problem, tidy

_TEN_DIGITS = re.compile(r"[0-9]{10}")

# Every repeated digit passes mod 11, and 3333333333 and 9999999999 stand for "unknown" in the NHS's own samples.
_PLACEHOLDERS: Final = frozenset({digit * 10 for digit in "0123456789"} | {"1234567890"})


def nhs_number(text: str) -> Checked:
    """Ten digits without spaces.

    Numbers that fail are common, 15 of 85 in the NHS's own FHIR examples: matching goes on with other keys.
    """
    tidied = tidy(text)
    if isinstance(tidied, Problem):
        return Checked.bad(tidied)
    if not _TEN_DIGITS.fullmatch(tidied):
        return Checked.bad(Problem.LENGTH if tidied.isdigit() else Problem.FORMAT)
    if tidied in _PLACEHOLDERS:
        return Checked.bad(Problem.PLACEHOLDER)
    if int(tidied[9]) != _check_digit(tidied[:9]):
        return Checked.bad(Problem.CHECK_DIGIT)
    return Checked.good(tidied)


def is_synthetic_nhs_number(text: str) -> bool:
    """Whether this is a usable number that is never issued to a patient. Rehearsal mode takes no other.

    The range is 900 000 0000 to 999 999 9999, as the package `nhs-number` has it: the 999 block of made-up children,
    and the 9... numbers of the NHS's own samples and test systems.
    """
    number = nhs_number(text).canonical
    return number is not None and bool(REGION_SYNTHETIC.contains_number(number))  # type: ignore[no-untyped-call]


def _check_digit(nine: str) -> int:
    """0 to 10; 10 is no digit, so no number with it is valid."""
    total: int = sum(map(mul, map(int, nine), range(10, 1, -1)))
    return (11 - total % 11) % 11
