"""What a message says of a visit, when the words of its format are behind it: who, where and since when, and who was whom."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Patient:
    """`person` is the contract's, or None if it names nobody; `identifiers` are the sender's own numbers for them, as
    (number, who gave it), in capitals. `made_up`: a test patient, by a name that begins with ZZZ."""

    person: dict[str, Any] | None
    identifiers: tuple[tuple[str, str], ...] = ()
    sensitive: bool = False
    deceased: bool = False
    made_up: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit as one message tells it. `number` is the sender's own, and empty if the message gives none; `former` is one
    that it had before.

    `patient_class` is HL7's (`E` for emergency); `admission_methods` are the code and the words for it. Times are UTC;
    `recorded_at` is when the sender wrote it down, which is what decides the order of messages about one visit.
    """

    number: str
    patient_class: str
    ward: str
    facility: str
    admission_methods: tuple[str, ...]
    treatment_function: str
    arrival_mode: str
    arrived_at: datetime
    happened_at: datetime
    recorded_at: datetime
    left_at: datetime | None
    former: str = ""


@dataclass(frozen=True, slots=True)
class Merge:
    """A patient who was known by other numbers. `visit` is a visit's former number and `number` its new one, where it says so."""

    patient: Patient
    former: tuple[tuple[str, str], ...]
    visit: str = ""
    number: str = ""


def is_made_up(person: dict[str, Any]) -> bool:
    return str(person.get("family_name", "")).upper().startswith("ZZZ")


def names_somebody(person: dict[str, Any]) -> bool:
    """Whether there is enough to look for anybody: an NHS number, or a surname with a date of birth (contract, section 3)."""
    return bool(person.get("nhs_number") or (person.get("family_name") and person.get("date_of_birth")))
