"""Identifiers and codes: each check is a pure function from text to `Checked`, and takes any text without raising.

An identifier that fails is set aside and noted, it never rejects an event (contract section 3).
"""

from collections.abc import Callable, Mapping
from typing import Final

from schemas.identifiers.checked import LONGEST, Checked, Problem
from schemas.identifiers.nhs import is_synthetic_nhs_number, nhs_number
from schemas.identifiers.places import authority_code, ods_code, outcode, postcode, school_urn, sector
from schemas.identifiers.police import cro_number, custody_record, force_code, pnc_id
from schemas.identifiers.upn import upn

KINDS: Final[Mapping[str, Callable[[str], Checked]]] = {
    "nhs-number": nhs_number,
    "upn": upn,
    "pnc": pnc_id,
    "cro": cro_number,
}
"""The kinds that `nightlight identifiers KIND` knows (contract section 1)."""


def judge(kind: str, line: str) -> str:
    """`valid CANONICAL` or `invalid REASON` for one line, with its line end or without. `kind` is a key of KINDS."""
    checked = KINDS[kind](line)
    return f"valid {checked.canonical}" if checked.usable else f"invalid {checked.problem}"


__all__ = [
    "KINDS",
    "LONGEST",
    "Checked",
    "Problem",
    "authority_code",
    "cro_number",
    "custody_record",
    "force_code",
    "is_synthetic_nhs_number",
    "judge",
    "nhs_number",
    "ods_code",
    "outcode",
    "pnc_id",
    "postcode",
    "school_urn",
    "sector",
    "upn",
]
