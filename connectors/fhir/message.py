"""A message Bundle taken apart: its header, the encounters it is about, and what their references lead to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from connectors.fhir.resources import (
    READ,
    Bundle,
    Encounter,
    Identifier,
    MessageHeader,
    Organisation,
    Patient,
    Reference,
    Resource,
)
from connectors.findings import findings
from connectors.problems import Finding, Reason, Refused, invalid

R = TypeVar("R", bound=Resource)
T = TypeVar("T", bound=BaseModel)

MOST_ENCOUNTERS: Final = 50


@dataclass(frozen=True, slots=True)
class Found:
    """A resource and where it is, as a FHIRPath expression from the Bundle."""

    where: str
    resource: Any


class Message:
    """One message, read. Everything is asked by reference, as FHIR R4 section 2.36.4 resolves them within a Bundle."""

    def __init__(self, bundle: Bundle, resources: list[tuple[str, str, Found]]) -> None:
        self.bundle = bundle
        self._resources = resources  # (resourceType, fullUrl, found)

    @property
    def header(self) -> MessageHeader:
        header: MessageHeader = next(found.resource for kind, _, found in self._resources if kind == "MessageHeader")
        return header

    def encounters(self) -> list[Found]:
        """The encounters that the message is about: those of its focus, or else all that are in it."""
        focus = [found for reference in self.header.focus if (found := self.lead(reference, Encounter))]
        return focus or [found for _, _, found in self._resources if isinstance(found.resource, Encounter)]

    def patient_of(self, encounter: Found) -> Found:
        """Whose encounter it is.

        By its subject; without one, by the only patient there is. A subject that is named by an identifier alone is a
        patient with that identifier and nothing else. Raises Refused: nobody can be told, and a wrong child is worse.
        """
        subject: Reference | None = encounter.resource.subject
        if subject is None or not (subject.reference or subject.identifier):
            patients = [found for _, _, found in self._resources if isinstance(found.resource, Patient)]
            if len(patients) == 1:
                return patients[0]
            raise invalid([Finding(path=f"{encounter.where}.subject", message="name the patient of this encounter")])
        if found := self.lead(subject, Patient):
            return found
        if subject.identifier and subject.identifier.value:
            return Found(f"{encounter.where}.subject", Patient(identifier=(subject.identifier,)))
        raise invalid([Finding(path=f"{encounter.where}.subject", message="names no Patient that is in this message")])

    def lead(self, reference: Reference, kind: type[R]) -> Found | None:
        """What a reference leads to in this message, if it is of this kind."""
        target = reference.reference
        if not target:
            return self._by_identifier(reference.identifier, kind) if reference.identifier else None
        for name, full_url, found in self._resources:
            own = f"{name}/{found.resource.id}"
            if isinstance(found.resource, kind) and (target == full_url or target.partition("/_history/")[0] == own):
                return found
            if isinstance(found.resource, kind) and "//" in target and found.resource.id and target.endswith(f"/{own}"):
                return found
        return None

    def _by_identifier(self, wanted: Identifier, kind: type[R]) -> Found | None:
        for _, _, found in self._resources:
            if isinstance(found.resource, kind):
                own = getattr(found.resource, "identifier", ())
                if any((one.system, one.value) == (wanted.system, wanted.value) for one in own if one.value):
                    return found
        return None


def read_message(value: Any) -> Message:
    """The message in a JSON document. Raises Refused, with where in it what is wrong."""
    if not isinstance(value, dict) or value.get("resourceType") != "Bundle":
        raise invalid([Finding(path="Bundle", message="send a Bundle, of type message")])
    bundle = _read(Bundle, value, "Bundle")
    if bundle.type != "message":
        raise invalid([Finding(path="Bundle.type", message="must be message: $process-message takes nothing else")])
    resources = list(_resources(bundle))
    headers = [found for kind, _, found in resources if kind == "MessageHeader"]
    if len(headers) != 1:
        raise invalid([Finding(path="Bundle.entry", message="a message has one MessageHeader, as its first resource")])
    if headers[0].resource.response is not None:
        path = f"{headers[0].where}.response"
        raise invalid([Finding(path=path, message="this is an answer to a message: none was asked for")])
    message = Message(bundle, resources)
    found = message.encounters()
    if not 1 <= len(found) <= MOST_ENCOUNTERS:
        raise invalid([Finding(path="Bundle.entry", message=f"a message has 1 to {MOST_ENCOUNTERS} encounters")])
    return message


def _resources(bundle: Bundle) -> Iterator[tuple[str, str, Found]]:
    for place, entry in enumerate(bundle.entry):
        kind, where = str(entry.resource.get("resourceType")), f"Bundle.entry[{place}].resource"
        if shape := READ.get(kind):
            yield kind, entry.full_url or "", Found(where, _read(shape, entry.resource, where))
            contained: Any = entry.resource.get("contained")
            yield from _contained(contained if isinstance(contained, list) else [], where)


def _contained(resources: list[Any], where: str) -> Iterator[tuple[str, str, Found]]:
    """Resources within a resource are referred to as `#id`."""
    for place, resource in enumerate(resources[:100]):
        kind = resource.get("resourceType") if isinstance(resource, Mapping) else None
        if kind in ("Patient", "Organization", "Location"):
            inner = f"{where}.contained[{place}]"
            yield kind, f"#{resource.get('id')}", Found(inner, _read(READ[kind], resource, inner))


def _read(shape: type[T], value: Any, where: str) -> T:
    try:
        return shape.model_validate(value)
    except ValidationError as problem:
        raise Refused(
            Reason.INVALID, "This is not the FHIR R4 that is taken here.", findings(problem, shape, where)
        ) from None


__all__ = ["Found", "Message", "Organisation", "read_message"]
