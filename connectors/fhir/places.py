"""Where an encounter is: the hospital's ODS code and name, and the department or ward."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from connectors.fhir.message import Found, Message
from connectors.fhir.resources import Encounter, Identifier, Organisation, Reference

LONGEST: Final = 200
HIGHEST: Final = 6
"""From a bed to its hospital. A place that is a part of itself must not be followed for ever."""

_ODS: Final = ("ods-site-code", "ods-organization-code")


@dataclass(frozen=True, slots=True)
class Where:
    """`site` is an ODS code or empty, `name` its name, `ward` the place in it, if that has a name of its own."""

    site: str = ""
    name: str = ""
    ward: str = ""


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    identifiers: tuple[Identifier, ...]


def read_where(message: Message, found: Found) -> Where:
    """The ODS code is that of the location they are at, or of what that is a part of, or else of the hospital."""
    encounter: Encounter = found.resource
    current = [
        place.location for place in encounter.location if place.status not in ("planned", "completed", "reserved")
    ]
    lower = list(_steps(message, current, found))
    steps = [*lower, *_steps(message, [encounter.service_provider], found)]
    chosen, code = _coded(steps)
    names = [step.name for step in steps if step.name]
    name = chosen.name if chosen and chosen.name else next(iter(names), "")
    ward = next((step.name for step in lower if step.name), "")
    return Where(code, name[:LONGEST], ward[:LONGEST] if ward != name else "")


def _coded(steps: list[_Step]) -> tuple[_Step | None, str]:
    """Whose code is taken: a site's before a trust's, and one of another system only if there is none of these."""
    given = [(step, one) for step in steps for one in step.identifiers if one.value]
    ods = [pair for name in _ODS for pair in given if (pair[1].system or "").lower().endswith(name)]
    step, one = next(iter((*ods, *given)), (None, None))
    return step, (one.value if one else None) or ""


def _steps(message: Message, references: list[Reference], by: Found) -> Iterator[_Step]:
    """Each place, then what it is a part of, then who manages it."""
    for reference in references:
        asked, seen = [(reference, by)], set[str]()
        for _ in range(HIGHEST):
            if not asked:
                break
            each, whose = asked.pop(0)
            found = message.lead(each, Organisation, whose)
            own: tuple[Identifier, ...] = (each.identifier,) if each.identifier else ()
            if found is None:
                yield _Step(each.display or "", own)
                continue
            if found.where in seen:
                continue
            seen.add(found.where)
            yield _Step(found.resource.name or each.display or "", (*found.resource.identifier, *own))
            asked += [(above, found) for above in (found.resource.part_of, found.resource.managing)]
