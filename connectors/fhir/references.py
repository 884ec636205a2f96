"""What a reference leads to within one message Bundle (FHIR R4, sections 2.3.0.1 and 2.36.4). Indexed: a message may hold thousands."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from connectors.fhir.resources import Identifier, Reference, Resource

R = TypeVar("R", bound=Resource)

_HTTP: Final = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Found:
    """A resource and where it is, as a FHIRPath expression from the Bundle. `entry` is the number of its entry and `url` that
    entry's fullUrl: `#id` means something within an entry alone, and `Patient/1` is another's on another server."""

    where: str
    resource: Any
    entry: int = -1
    url: str = ""

    @property
    def base(self) -> str:
        """`https://there/fhir/` of `https://there/fhir/Patient/1`; empty for what is no such address."""
        return self.url.rsplit("/", 2)[0] + "/" if self.url.startswith(_HTTP) and self.url.count("/") > 4 else ""


class References:
    """All of a message's resources, by every way in which another can name them."""

    def __init__(self, resources: Iterable[tuple[str, str, Found]]) -> None:
        """As (resourceType, `#id` of a contained resource or else empty, found)."""
        self._named: dict[tuple[int, str], list[Found]] = {}
        self._identified: dict[tuple[str | None, str], list[Found]] = {}
        for kind, inside, found in resources:
            names = [(found.entry, inside)] if inside else []
            if not inside:
                names = [(-1, name) for name in {found.url, f"{kind}/{found.resource.id}"} if name]
            for name in names:
                self._named.setdefault(name, []).append(found)
            for one in getattr(found.resource, "identifier", ()):
                if one.value:
                    self._identified.setdefault((one.system, one.value), []).append(found)

    def all(self, reference: Reference, kind: type[R], by: Found) -> list[Found]:
        """What it leads to, by the strictest way in which it leads anywhere. More than one: the message contradicts itself."""
        for leads in self._ways(reference, by):
            if right := [found for found in leads if isinstance(found.resource, kind)]:
                return _different(right)
        return []

    def lead(self, reference: Reference, kind: type[R], by: Found) -> Found | None:
        """The first of them, where it does not matter."""
        return next(iter(self.all(reference, kind, by)), None)

    def _ways(self, reference: Reference, by: Found) -> Iterator[list[Found]]:
        target = (reference.reference or "").partition("/_history/")[0]
        if target.startswith("#"):
            yield self._named.get((by.entry, target), [])
        elif target:
            yield [found for found in self._named.get((-1, target), []) if found.url == target]
            absolute = target.startswith(_HTTP)
            if not absolute and by.base:
                yield self._named.get((-1, by.base + target), [])
            # By type and id alone, where nobody says that it is another server's.
            base = target.rsplit("/", 2)[0] + "/" if absolute else by.base
            named = self._named.get((-1, "/".join(target.split("/")[-2:])), [])
            yield [found for found in named if not base or found.base in ("", base)]
        if reference.identifier:
            yield self._by_identifier(reference.identifier)

    def _by_identifier(self, wanted: Identifier) -> list[Found]:
        return self._identified.get((wanted.system, wanted.value), []) if wanted.value else []


def _different(found: list[Found]) -> list[Found]:
    """Without copies of the first: a message may hold one resource twice."""
    first, *others = found
    return [first, *(each for each in others if each.resource != first.resource)]
