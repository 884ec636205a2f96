"""Who a message is about: PID and its neighbours, as the contract's `person` (domain page, section 2.1)."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

from connectors.hl7.message import Message, Segment, Value
from connectors.hl7.times import birth_date
from connectors.visits.shapes import Patient, is_made_up, names_somebody
from schemas.identifiers import nhs_number

LONGEST_NAME: Final = 200

_NHS: Final = frozenset({"NHS", "NH", "NHSNBR", "NHSNMBR", "NHSNO", "NHSNUMBER", "NNNGBR", "2.16.840.1.113883.2.1.4.1"})
_SCOTTISH: Final = frozenset({"CHI", "CH", "2.16.840.1.113883.2.1.4.3"})
_NOBODY: Final = frozenset({"UNKNOWN", "UNK", "NOT KNOWN", "NK", "UNIDENTIFIED", "ANONYMOUS"})
_USUAL: Final = frozenset({"", "L", "LEGAL", "CURRENT", "OFFICIAL", "C", "U", "USUAL", "D"})
_FORMER: Final = frozenset({"M", "MAIDEN", "PREVIOUS", "FORMER", "OLD", "B", "BIRTH", "F"})
_HOME: Final = frozenset({"", "H", "HOME", "P", "PERMANENT", "L", "LEGAL", "C", "CURRENT", "M"})
_NO: Final = frozenset({"", "N", "NO", "0", "U", "FALSE", "NONE", "NORMAL"})

_SEXES: Final = {
    "1": "male",
    "M": "male",
    "MALE": "male",
    "2": "female",
    "F": "female",
    "FEMALE": "female",
    "O": "other",
    "A": "other",
    "OTHER": "other",
    "0": "unknown",
    "9": "unknown",
    "U": "unknown",
    "N": "unknown",
    "UNKNOWN": "unknown",
    "NOT KNOWN": "unknown",
    "NOT SPECIFIED": "unknown",
}
"""PID-8: the NHS data dictionary's digits, HL7 table 0001, and words."""


def read_patient(message: Message) -> Patient:
    """The patient of a message with one PID. Nothing in it is an error: what cannot be read is left out."""
    pid = message.segment("PID")
    sensitive, whose_flag = _sensitive(message)
    deceased = _says_yes(pid.part(30)) or (bool(pid.part(29)) and pid.part(30).upper() not in ("N", "NO"))
    states = {value.part(1).upper() for value in pid.values(32)}
    doubtful = _says_yes(pid.part(31)) or "AL" in states
    names = _names(pid)
    numbers = [*pid.values(3), *pid.values(2)]
    fields: dict[str, Any] = {
        **names,
        "date_of_birth": None if "UD" in states else _born(pid),
        "date_of_birth_is": "estimated" if "ED" in states else None,
        "sex": _SEXES.get(pid.part(8).upper()),
        **({} if sensitive or "UA" in states else _address(pid)),
        "nhs_number": _nhs_number(numbers, pid.part(19)),
        "identity_reliable": False if doubtful or ("family_name" not in names and pid.values(5)) else None,
    }
    person = {name: value for name, value in fields.items() if value not in (None, "", ())}
    notes = [
        *([f"{whose_flag}: the record is sensitive, so no address is carried"] if sensitive else []),
        *(["PID-29 or PID-30: deceased, so nobody is paged and a person decides"] if deceased else []),
        *(["PID-31 or PID-32: the identity is unreliable"] if doubtful else []),
    ]
    return Patient(
        person if names_somebody(person) else None,
        tuple(identifiers_of((*numbers, *pid.values(4)))),
        sensitive,
        deceased,
        is_made_up(person),
        tuple(notes),
    )


def identifiers_of(values: Iterable[Value]) -> Iterator[tuple[str, str]]:
    """Numbers of a list such as PID-3 or MRG-1, as (number, who gave it), in capitals."""
    for value in values:
        if number := value.part(1).upper():
            yield number[:LONGEST_NAME], value.part(4).upper()[:LONGEST_NAME]


def _sensitive(message: Message) -> tuple[bool, str]:
    """PV1-16 (the PDS S-flag), PD1-12 (protection), ZU8 (the location is hidden), ARV (access is restricted)."""
    if message.segment("PV1").part(16).upper() not in _NO:
        return True, "PV1-16"
    if message.segment("PD1").part(12).upper() not in _NO:
        return True, "PD1-12"
    hidden = message.segment("ZU8")
    if hidden.part(1) in ("1", "2") or hidden.part(2) in ("1", "2"):
        return True, "ZU8"
    if any(segment.part(3) and segment.part(2).upper() not in ("D", "X") for segment in message.all("ARV")):
        return True, "ARV"
    return False, ""


def _names(pid: Segment) -> dict[str, Any]:
    """The usual name, and every other under which they may be listed. PID-9 is where older senders put an alias."""
    values = [value for value in pid.values(5) if value.part(1) or value.part(2)]
    usual = next((value for value in values if _kind(value) in _USUAL), values[0] if values else None)
    if usual is None:
        return {}
    family, given = _name(usual.part(1)), _name(usual.part(2))
    others = [_name(part) for part in usual.part(3).split()]
    formers = []
    for value in (*values, *pid.values(9)):
        if value is usual:
            continue
        if (former := _name(value.part(1))) and former != family:
            formers.append(former)
        if _kind(value) not in _FORMER and (alias := _name(value.part(2))) and alias != given:
            others.append(alias)
    return (
        {
            "family_name": family,
            "given_name": given,
            "other_names": tuple(dict.fromkeys(filter(None, others)))[:20],
            "previous_family_names": tuple(dict.fromkeys(formers))[:20],
        }
        if family or given
        else {}
    )


def _kind(value: Value) -> str:
    return value.part(7).upper()


def _name(text: str) -> str | None:
    text = text[:LONGEST_NAME].strip()
    return None if text.upper() in _NOBODY else text or None


def _born(pid: Segment) -> str | None:
    found = birth_date(pid.part(7))
    return found.isoformat() if found else None


def _address(pid: Segment) -> dict[str, Any]:
    """Where they live: a home with a postcode, or else any home, or else any address at all. Only matching uses it."""
    values = pid.values(11)
    home = [value for value in values if value.part(7).upper() in _HOME]
    if not values:
        return {}
    chosen = next((value for value in (*home, *values) if value.part(5)), (home or values)[0])
    line = ", ".join(filter(None, (chosen.part(1), chosen.part(2))))
    return {"postcode": chosen.part(5)[:20], "address_line": line[:LONGEST_NAME].strip()}


def _nhs_number(numbers: Iterable[Value], other: str) -> str | None:
    """The first that can be used, or the first that was given: one with a slip is still worth comparing.

    In PID-3 or PID-2 where it is said to be one; in PID-19 (Homerton), which says nothing, if it can be one.
    """
    given = [text for value in numbers if _is_nhs(value) and (text := value.part(1))]
    usable = next((text for text in (*given, other) if text and nhs_number(text).usable), None)
    return usable or (given[0][:64] if given else None)


def _is_nhs(value: Value) -> bool:
    own = value.part(4, 2)
    authority = {_plain(value.part(4)[:LONGEST_NAME]), own, _plain(own[:LONGEST_NAME])}
    if authority & _SCOTTISH:
        return False
    kind = _plain(value.part(5)[:LONGEST_NAME])
    return kind in _NHS or (not kind and bool(authority & _NHS))


@lru_cache(maxsize=256)  # the names of a few authorities, again and again
def _plain(text: str) -> str:
    return re.sub(r"[^A-Z0-9.]", "", text.upper())


def _says_yes(text: str) -> bool:
    return text.upper() in ("Y", "YES", "1", "TRUE")
