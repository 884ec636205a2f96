"""A message Bundle taken apart: its header, what it is about, and who that is of."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from connectors.fhir.references import Found, References
from connectors.fhir.resources import (
    READ,
    Bundle,
    Coding,
    Encounter,
    Flag,
    Identifier,
    MessageHeader,
    Meta,
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
MOST_CONTAINED: Final = 100


class Message:
    """One message, read."""

    def __init__(self, bundle: Bundle, resources: list[tuple[str, str, Found]]) -> None:
        self.bundle = bundle
        self._references = References(resources)
        self._found = [found for _, _, found in resources]
        self._own = [found for _, inside, found in resources if not inside]
        self._links = list(self._read_links())

    @property
    def header(self) -> MessageHeader:
        header: MessageHeader = self._head.resource
        return header

    @property
    def _head(self) -> Found:
        return next(found for found in self._own if isinstance(found.resource, MessageHeader))

    def encounters(self) -> list[Found]:
        """The encounters that the message is about: those of its focus, or else all that are in it."""
        return self._focus(Encounter) or self._all(Encounter)

    def patients(self) -> list[Found]:
        """Whose records a message without an encounter is about: never those that others have replaced."""
        records = self._focus(Patient) or self._all(Patient)
        replaced = {former.where for _, former in self._links if isinstance(former, Found)}
        return [found for found in records if found.where not in replaced] or records

    def merged(self) -> list[tuple[Found, tuple[Identifier, ...]]]:
        """Who has replaced whom, by Patient.link: each survivor, with the identifiers of their former record."""
        return [
            (survivor, former.resource.identifier if isinstance(former, Found) else (former,))
            for survivor, former in self._links
        ]

    def patient_of(self, encounter: Found) -> Found:
        """Whose encounter it is.

        By its subject; without one, by the only patient there is. A subject that is named by an identifier alone is a
        patient with that identifier and nothing else. Raises Refused: nobody can be told, and a wrong child is worse.
        """
        subject: Reference | None = encounter.resource.subject
        if subject is None or not (subject.reference or subject.identifier):
            patients = [found for found in self._found if isinstance(found.resource, Patient)]
            if len(patients) == 1:
                return patients[0]
            raise invalid([Finding(path=f"{encounter.where}.subject", message="name the patient of this encounter")])
        found = self._references.all(subject, Patient, encounter)
        if len(found) > 1:
            raise invalid([Finding(path=f"{encounter.where}.subject", message="names more than one Patient")])
        if found:
            return found[0]
        if subject.identifier and subject.identifier.value:
            return Found(f"{encounter.where}.subject", Patient(identifier=(subject.identifier,)))
        raise invalid([Finding(path=f"{encounter.where}.subject", message="names no Patient that is in this message")])

    def flags_of(self, patient: Found) -> list[Flag]:
        """The flags that are in force on this patient; one that says of nobody whose it is, is on everybody."""
        flags: list[tuple[Found, Flag]] = [(found, found.resource) for found in self._all(Flag)]
        return [
            flag
            for found, flag in flags
            if flag.status in (None, "active")
            and (
                not (whose := self._references.all(flag.subject, Patient, found))
                or any(each.resource == patient.resource for each in whose)
            )
        ]

    def lead(self, reference: Reference, kind: type[R], by: Found) -> Found | None:
        """What a reference in `by` leads to in this message, if it is of this kind."""
        return self._references.lead(reference, kind, by)

    def _focus(self, kind: type[R]) -> list[Found]:
        led = [self._references.lead(reference, kind, self._head) for reference in self.header.focus]
        return list({found.where: found for found in led if found}.values())

    def _all(self, kind: type[R]) -> list[Found]:
        return [found for found in self._own if isinstance(found.resource, kind)]

    def _read_links(self) -> Iterator[tuple[Found, Found | Identifier]]:
        """(survivor, former): a link is told by the one, by the other, or by both."""
        for found in self._all(Patient):
            for link in found.resource.link:
                other = self._references.lead(link.other, Patient, found)
                if link.type == "replaced-by" and other:
                    yield other, found
                elif link.type == "replaces" and (other or link.other.identifier):
                    yield found, other or link.other.identifier


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
    about = message.encounters() or message.patients()
    if not 1 <= len(about) <= MOST_ENCOUNTERS:
        says = f"a message has 1 to {MOST_ENCOUNTERS} encounters, or without one the patients that it tells of"
        raise invalid([Finding(path="Bundle.entry", message=says)])
    return message


def _resources(bundle: Bundle) -> Iterator[tuple[str, str, Found]]:
    for place, entry in enumerate(bundle.entry):
        kind, where = str(entry.resource.get("resourceType")), f"Bundle.entry[{place}].resource"
        if shape := READ.get(kind):
            read = _read_flag(entry.resource) if shape is Flag else _read(shape, entry.resource, where)
            yield kind, "", Found(where, read, place, entry.full_url or "")
            contained: Any = entry.resource.get("contained")
            yield from _contained(contained if isinstance(contained, list) else [], where, place)


def _contained(resources: list[Any], where: str, entry: int) -> Iterator[tuple[str, str, Found]]:
    """Resources within a resource are referred to as `#id`, from within it alone."""
    for place, resource in enumerate(resources[:MOST_CONTAINED]):
        kind = resource.get("resourceType") if isinstance(resource, Mapping) else None
        if kind in ("Patient", "Organization", "Location"):
            inner = f"{where}.contained[{place}]"
            yield kind, f"#{resource.get('id')}", Found(inner, _read(READ[kind], resource, inner), entry)


def _read_flag(value: Any) -> Flag:
    """One that cannot be read is taken to restrict: no child is lost for it, and no address is carried either."""
    try:
        return Flag.model_validate(value)
    except ValidationError:
        return Flag(meta=Meta(security=(Coding(code="R"),)))


def _read(shape: type[T], value: Any, where: str) -> T:
    try:
        return shape.model_validate(value)
    except ValidationError as problem:
        raise Refused(
            Reason.INVALID, "This is not the FHIR R4 that is taken here.", findings(problem, shape, where)
        ) from None


__all__ = ["Found", "Message", "Organisation", "read_message"]
