"""The unique pupil number: a check letter and twelve more characters (Department for Education, UPN guide 1.2)."""

import re
from typing import Final

from schemas.identifiers.checked import Checked, Problem, misfit, tidy

_LETTERS: Final = "ABCDEFGHJKLMNPQRTUVWXYZ"  # no I, O or S: they look like 1, 0 and 5
_SHAPE = re.compile(rf"[{_LETTERS}][0-9]{{11}}[0-9{_LETTERS}]")

# Children's-social-care returns (SSDA903) write UN1 to UN5 for "this child has no UPN, because ...".
_NOT_KNOWN = re.compile(r"UN[1-5]")


def upn(text: str) -> Checked:
    """Thirteen characters, permanent (ends in a digit) or temporary (ends in a letter).

    The authority part is not looked up: authorities are made and merged, and a stale list would refuse real children.
    """
    tidied = tidy(text)
    if isinstance(tidied, Problem):
        return Checked.bad(tidied)
    if _NOT_KNOWN.fullmatch(tidied):
        return Checked.bad(Problem.PLACEHOLDER)
    if not _SHAPE.fullmatch(tidied):
        return misfit(tidied, range(13, 14))
    if not tidied[1:12].strip("0"):
        return Checked.bad(Problem.PLACEHOLDER)  # no authority, no school, no year: zeros typed to fill the box
    if tidied[0] != _check_letter(tidied[1:]):
        return Checked.bad(Problem.CHECK_DIGIT)
    return Checked.good(tidied)


def _check_letter(twelve: str) -> str:
    values = (int(sign) if sign.isdigit() else _LETTERS.index(sign) for sign in twelve)
    return _LETTERS[sum(place * value for place, value in enumerate(values, start=2)) % 23]
