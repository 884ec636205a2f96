"""An Encounter as a visit, in the words in which the rule of what an A&E arrival is has been written: HL7's."""

import re
from datetime import UTC, datetime
from typing import Final

from connectors.fhir.message import Found, Message
from connectors.fhir.places import Where
from connectors.fhir.resources import Encounter, Extension
from connectors.problems import Finding, invalid
from connectors.visits.shapes import Visit
from schemas.london import LONDON

EMERGENCY: Final = frozenset({"EMER", "E"})
"""Of v3-ActCode; `E` is what converters leave of HL7 v2's table 0004."""
FROM_EMERGENCY: Final = frozenset({"emd"})
"""Of encounter-admit-source: a ward's encounter of a child who came in through A&E."""

_LONGEST: Final = 200
_INSTANT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2}))?"
)


def read_visit(found: Found, where: Where, *, recorded_at: datetime) -> Visit:
    """Raises Refused: it has neither a number nor an id, or a time in it is none."""
    encounter: Encounter = found.resource
    number, former = _numbers(encounter)
    if number is None:
        raise invalid([Finding(path=f"{found.where}.identifier", message="give the attendance its number, or an id")])
    stay = encounter.hospitalization
    extensions = (*encounter.extension, *stay.extension)
    code = encounter.class_.code or ""
    source = {each.lower() for each in stay.admit_source.codes}
    return Visit(
        number=number,
        patient_class="E" if code in EMERGENCY or source & FROM_EMERGENCY else code,
        ward=where.ward,
        facility=where.site,
        admission_methods=tuple(_said(extensions, "admissionmethod")),
        treatment_function=next(iter(encounter.service_type.codes), ""),
        arrival_mode=next((text for text in reversed(_said(extensions, "modeofarrival"))), "")[:_LONGEST],
        arrived_at=instant(encounter.period.start, f"{found.where}.period.start") or recorded_at,
        happened_at=recorded_at,
        recorded_at=recorded_at,
        left_at=instant(encounter.period.end, f"{found.where}.period.end"),
        former=former if former != number else "",
    )


def no_visit(recorded_at: datetime) -> Visit:
    """Of a message about a person's record alone."""
    return Visit("", "", "", "", (), "", "", recorded_at, recorded_at, recorded_at, None)


def recorded(message: Message, found: Found, *, now: datetime) -> datetime:
    """When it was written down: the message's own time, or else the resource's, or else now. Raises Refused for what is no time."""
    return (
        instant(message.bundle.timestamp, "Bundle.timestamp")
        or instant(found.resource.meta.last_updated, f"{found.where}.meta.lastUpdated")
        or now
    )


def _numbers(encounter: Encounter) -> tuple[str | None, str]:
    """The hospital's visit number, where one is marked as that; else its first number; else the resource's own id. And a
    number that the visit had before."""
    given = [one for one in encounter.identifier if one.value]
    current = [one for one in given if one.use != "old"]
    visit = [one for one in current if "VN" in one.type.codes]
    former = [one.value for one in given if one.use == "old" and one.value]
    number = next((one.value for one in (*visit, *current)), None) or encounter.id or next(iter(former), None)
    return number, next(iter(former), "")


def _said(extensions: tuple[Extension, ...], ending: str) -> list[str]:
    """Codes and words of the extensions whose address ends so, capitals aside."""
    codings = [coding for each in extensions if each.url.lower().endswith(ending) for coding in each.said]
    return [text for coding in codings for text in (coding.code, coding.display) if text]


def instant(text: str | None, where: str) -> datetime | None:
    """FHIR's dateTime and instant, in UTC. A date alone is its first minute in London; a month or a year says nothing."""
    if not text or re.fullmatch("[0-9]{4}(-[0-9]{2})?", text):
        return None
    try:
        # Text of another shape is no time, whatever else Python would take for one.
        at = datetime.fromisoformat(text if _INSTANT.fullmatch(text) else "")
        return (at if at.tzinfo else at.replace(tzinfo=LONDON)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(
            [Finding(path=where, message="write a time with its offset, as 2026-11-21T02:06:00+00:00")]
        ) from None
