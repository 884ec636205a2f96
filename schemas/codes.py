"""Codes of hospitals, schools and forces in an event: one that cannot be right is noted, and rejects nothing (contract section 3)."""

from collections.abc import Callable, Mapping
from typing import Final

from schemas.events import Event
from schemas.identifiers import Checked, custody_record, force_code, ods_code, school_urn

CODES: Final[Mapping[str, Callable[[str], Checked]]] = {
    "custody_record": custody_record,
    "force": force_code,
    "site": ods_code,
    "school_urn": school_urn,
}
"""A field's name to its check: a field of one name is the same code in every event."""


def unusable_codes(event: Event) -> list[str]:
    """The fields of this event whose code cannot be right."""
    return [
        field
        for field, check in CODES.items()
        if field in type(event).model_fields and not check(getattr(event, field)).usable
    ]
