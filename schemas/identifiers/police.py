"""What police systems call a person and a detention. PNC and CRO as the Ministry of Justice's person record has it."""

import re
from datetime import date, datetime
from typing import Final

from schemas.identifiers.checked import Checked, Problem, misfit, tidy
from schemas.london import LONDON

_LETTERS: Final = "ZABCDEFGHJKLMNPQRTUVWXY"

# With its slash the year says its own length; without, only twelve characters hold a year of four digits.
_PNC = re.compile(
    r"([0-9]{4}|[0-9]{2})/([0-9]{1,7})([A-Z])"
    r"|([0-9]{4})([0-9]{7})([A-Z])"
    r"|([0-9]{2})([0-9]{1,7})([A-Z])"
)
_CRO = re.compile(r"(?P<serial>[0-9]{1,6})/(?P<year>[0-9]{2})(?P<letter>[A-Z])")
_SF_CRO = re.compile(r"SF(?P<year>[0-9]{2})/(?P<serial>[0-9]{1,6})(?P<letter>[A-Z])")

# Another system's words: kept as they are, but nothing that could break a key, a spreadsheet or a page.
# A force holds no slash, so that `force/record` can be taken apart in one way only.
_FORCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._&-]{0,29}")
_CUSTODY_RECORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._&:/-]{0,29}")


def pnc_id(text: str, *, today: date | None = None) -> Checked:
    """`YYYY/NNNNNNNL`, from the long form or the short one (`YY/N...L`), with or without the slash.

    A short year up to this year's is 20YY, a later one 19YY. `today` defaults to today's date in London.
    """
    tidied = tidy(text)
    if isinstance(tidied, Problem):
        return Checked.bad(tidied)
    shape = _PNC.fullmatch(tidied)
    if not shape:
        return misfit(tidied, range(4, 14))

    year, serial, letter = (part for part in shape.groups() if part is not None)
    serial = serial.zfill(7)
    if not serial.strip("0"):
        return Checked.bad(Problem.PLACEHOLDER)
    if letter != _check_letter(year[-2:] + serial):
        return Checked.bad(Problem.CHECK_DIGIT)
    return Checked.good(f"{_full_year(year, today)}/{serial}{letter}")


def cro_number(text: str) -> Checked:
    """`NNNNNN/YYL` with the serial filled up to six digits, or `SFYY/N...L` with the serial as it stands."""
    tidied = tidy(text)
    if isinstance(tidied, Problem):
        return Checked.bad(tidied)
    standard = _CRO.fullmatch(tidied)
    shape = standard or _SF_CRO.fullmatch(tidied)
    if not shape:
        return misfit(tidied, range(5, 13))

    # The letter of an SF number is reckoned from the serial unfilled: 123 and 000123 have different letters.
    serial = shape["serial"].zfill(6) if standard else shape["serial"]
    if not serial.strip("0"):
        return Checked.bad(Problem.PLACEHOLDER)
    if shape["letter"] != _check_letter(shape["year"] + serial):
        return Checked.bad(Problem.CHECK_DIGIT)
    return Checked.good(f"{serial}/{shape['year']}{shape['letter']}" if standard else tidied)


def force_code(text: str) -> Checked:
    """A police force as its own system writes it, usually two digits. At most 30 characters, opaque."""
    return _opaque(text, _FORCE)


def custody_record(text: str) -> Checked:
    """A custody record number: means something within its force only. At most 30 characters, opaque."""
    return _opaque(text, _CUSTODY_RECORD)


def _opaque(text: str, shape: re.Pattern[str]) -> Checked:
    text = text.strip()
    if not text:
        return Checked.bad(Problem.EMPTY)
    if not shape.fullmatch(text):
        return misfit(text, range(1, 31))
    return Checked.good(text)


def _check_letter(digits: str) -> str:
    return _LETTERS[int(digits) % 23]


def _full_year(year: str, today: date | None) -> str:
    if len(year) == 4:
        return year
    this_year = (today or datetime.now(LONDON)).year
    return f"20{year}" if int(year) <= this_year % 100 else f"19{year}"
