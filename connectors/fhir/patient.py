"""A FHIR Patient, UK Core or plain R4, as the contract's `person`: the same child as the HL7 door would make of the same record."""

import re
from collections.abc import Iterable
from typing import Any, Final

from connectors.fhir.resources import Address, Flag, HumanName, Identifier, Meta
from connectors.fhir.resources import Patient as Record
from connectors.problems import Finding, invalid
from connectors.visits.shapes import Patient, is_made_up, names_somebody
from schemas.identifiers import nhs_number

LONGEST: Final = 200

NHS_SYSTEMS: Final = frozenset(
    {
        "https://fhir.nhs.uk/id/nhs-number",
        "http://fhir.nhs.uk/id/nhs-number",
        "https://fhir.nhs.net/id/nhs-number",
        "http://fhir.nhs.net/id/nhs-number",
        "urn:oid:2.16.840.1.113884.2.1.4.1",
    }
)

RESTRICTED: Final = frozenset({"R", "V", "REDACTED", "LOCIS", "SDV"})
"""Of v3-Confidentiality, as PDS uses it: restricted, very restricted, and a record that is no longer anybody's. Of v3-ActCode:
where they are must not be known, and domestic violence; converters make the first of HL7 v2's ARV."""

SEXES: Final = frozenset({"male", "female", "other", "unknown"})
FORMER: Final = frozenset({"old", "maiden"})
NOBODY: Final = frozenset({"UNKNOWN", "UNK", "NOT KNOWN", "NK", "UNIDENTIFIED", "ANONYMOUS"})
_DATE: Final = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")


def read_patient(patient: Record, where: str, *, restricted: bool = False) -> Patient:
    """`where` is the patient's place in the message. `restricted`: something beside the patient says so.

    Raises Refused for a sex or a birth date that FHIR does not allow.
    """
    sensitive = restricted or restricts(patient.meta)
    names = _names(patient.name)
    number = _nhs_number(patient.identifier)
    nameless = bool(patient.name) and "family_name" not in names
    fields: dict[str, Any] = {
        **names,
        **_born(patient, where, otherwise=number is None),
        "sex": _sex(patient, where),
        **({} if sensitive else _address(patient.address)),
        "nhs_number": number,
        "identity_reliable": False if nameless else None,
    }
    person = {name: value for name, value in fields.items() if value not in (None, "", [])}
    return Patient(
        person=person if names_somebody(person) else None,
        identifiers=numbers_of(patient.identifier),
        sensitive=sensitive,
        deceased=patient.deceased or bool(patient.died_at),
        made_up=is_made_up(person),
    )


def restricts(meta: Meta) -> bool:
    """Whether a resource is labelled so that no address may be carried."""
    return any((coding.code or "").upper() in RESTRICTED for coding in meta.security)


def flagged(flags: Iterable[Flag]) -> bool:
    """Whether a flag restricts them: by its own label, or because that is what it says."""
    return any(restricts(flag.meta) or restricts(Meta(security=flag.code.coding)) for flag in flags)


def numbers_of(identifiers: Iterable[Identifier]) -> tuple[tuple[str, str], ...]:
    """The sender's own numbers for them, as (number, whose), in capitals. One whose nobody says it is may be another hospital's."""
    return tuple(
        (one.value.upper()[:LONGEST], one.system.upper()[:LONGEST])
        for one in identifiers
        if one.value and one.system and one.use != "old"
    )


def is_nhs_number(identifier: Identifier) -> bool:
    """By its system, or where that is missing by its type, as converters from HL7 v2 leave it."""
    if identifier.system:
        return identifier.system.lower().rstrip("/") in NHS_SYSTEMS
    return bool({"NH", "NHS"} & set(identifier.type.codes))


def _nhs_number(identifiers: tuple[Identifier, ...]) -> str | None:
    """The first that can be used, or the first that was given: a slip is still worth comparing.

    That nobody could trace it (UKCore-NHSNumberVerificationStatus) throws no doubt on the name and the birth date, as over HL7.
    """
    given = [one for one in identifiers if one.value and is_nhs_number(one) and one.use != "old"]
    usable = [one for one in given if nhs_number(str(one.value)).usable]
    chosen = next(iter((*usable, *given)), None)
    return str(chosen.value)[:64] if chosen else None


def _names(names: tuple[HumanName, ...]) -> dict[str, Any]:
    """The usual name, and every other under which they may be listed."""
    values = [name for name in names if name.family or any(name.given)]
    if not values:
        return {}
    usual = min(values, key=_precedence)
    given = [known for part in usual.given if (known := _name(part))]
    family = _name(usual.family)
    others, formers = given[1:], []
    for value in values:
        if value is usual:
            continue
        if (former := _name(value.family)) and former != family:
            formers.append(former)
        alias = _name(value.given[0]) if value.given else None
        if value.use not in FORMER and alias and alias not in given[:1]:
            others.append(alias)
    if not (family or given):
        return {}
    return {
        "family_name": family,
        "given_name": given[0] if given else None,
        "other_names": list(dict.fromkeys(others))[:20],
        "previous_family_names": list(dict.fromkeys(formers))[:20],
    }


def _precedence(name: HumanName) -> int:
    """The legal name first, then the one they go by; a name that has ended last."""
    order = ("official", "usual", None, "temp", "nickname", "anonymous", "maiden", "old")
    return order.index(name.use) if name.use in order else 3


def _name(text: str | None) -> str | None:
    text = (text or "")[:LONGEST].strip()
    return None if text.upper() in NOBODY else text or None


def _born(patient: Record, where: str, *, otherwise: bool) -> dict[str, Any]:
    """A whole date. One that is not known to the day is left out, or, if nothing else says who it is, put at its first day."""
    text = patient.birth_date
    if not text:
        return {}
    if not _DATE.fullmatch(text):
        raise invalid([Finding(path=f"{where}.birthDate", message="write it as YYYY-MM-DD")])
    if len(text) == len("2010-03-14"):
        return {"date_of_birth": text}
    return {"date_of_birth": f"{text}-01-01"[:10], "date_of_birth_is": "estimated"} if otherwise else {}


def _sex(patient: Record, where: str) -> str | None:
    if patient.gender is None or patient.gender in SEXES:
        return patient.gender
    raise invalid([Finding(path=f"{where}.gender", message="must be one of female, male, other, unknown")])


def _address(addresses: tuple[Address, ...]) -> dict[str, Any]:
    """Where they live: a home with a postcode, or else any home, or else any address that is not a former one."""
    values = [each for each in addresses if each.use not in ("old", "billing")]
    home = [each for each in values if each.use in ("home", None)]
    chosen = next((each for each in (*home, *values) if each.postal_code), next(iter((*home, *values)), None))
    if chosen is None:
        return {}
    line = ", ".join(part for part in chosen.line[:2] if part)
    return {"postcode": (chosen.postal_code or "")[:20], "address_line": line[:LONGEST].strip()}
