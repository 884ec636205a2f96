"""Places: postcode, local authority (GSS), NHS site (ODS), school (URN)."""

import re

from schemas.identifiers.checked import Checked, Problem, misfit, tidy

_POSTCODE = re.compile(
    r"GIR0AA|[A-PR-UWYZ]([0-9]{1,2}|[A-HK-Y][0-9]([0-9]|[ABEHMNPRV-Y])?|[0-9][A-HJKPS-UW])[0-9][ABD-HJLNP-UW-Z]{2}"
)
_AUTHORITY = re.compile(r"E0[6-9][0-9]{6}|E10[0-9]{6}|W06[0-9]{6}")
_ODS = re.compile(r"[A-Z0-9]{3,6}")
_URN = re.compile(r"[0-9]{6}")


def postcode(text: str) -> Checked:
    """Capitals, one space before the last three. The NHS's ZZ99 codes (no fixed abode, not known) are placeholders."""
    tidied = tidy(text)
    if isinstance(tidied, Problem):
        return Checked.bad(tidied)
    if tidied.startswith("ZZ99"):
        return Checked.bad(Problem.PLACEHOLDER)
    if not _POSTCODE.fullmatch(tidied):
        return misfit(tidied, range(5, 8))
    return Checked.good(f"{tidied[:-3]} {tidied[-3:]}")


def outcode(canonical: str) -> str:
    """The post town's part of a canonical postcode: `EC1A` of `EC1A 1BB`."""
    return canonical[:-4]


def sector(canonical: str) -> str:
    """A canonical postcode without its last two letters, some 3,000 addresses: `EC1A 1` of `EC1A 1BB`."""
    return canonical[:-2]


def authority_code(text: str) -> Checked:
    """A local authority's nine-character GSS code: England E06 to E10 (county E10), Wales W06."""
    return _code(text, _AUTHORITY, range(9, 10))


def ods_code(text: str) -> Checked:
    """An NHS organisation or site: three to six capitals and digits."""
    return _code(text, _ODS, range(3, 7))


def school_urn(text: str) -> Checked:
    """A school's six-digit number in the Department for Education's register (GIAS)."""
    return _code(text, _URN, range(6, 7))


def _code(text: str, shape: re.Pattern[str], lengths: range) -> Checked:
    tidied = tidy(text)
    if isinstance(tidied, Problem):
        return Checked.bad(tidied)
    return Checked.good(tidied) if shape.fullmatch(tidied) else misfit(tidied, lengths)
