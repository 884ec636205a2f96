"""What an agency may send: its sources, types and authorities, and what they take with them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from schemas.events import ALWAYS_ALLOWED, EVENTS, FOLLOWED_BY
from schemas.identifiers import authority_code

ANYWHERE: Final = "*"
"""In place of authorities: events from any."""

_NAME = re.compile(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*")
_SOURCE = re.compile(r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]{1,500}")


class AgencyRefused(Exception):
    """It cannot be done. The message is one sentence that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Agency:
    """Who may send what. `types` are names on the wire, follow-ups included; `authorities` GSS codes, or `*`."""

    name: str
    sources: tuple[str, ...]
    types: frozenset[str]
    authorities: frozenset[str]
    last_seen_at: datetime | None = None
    agreed: bool = True
    """Whether a sharing agreement is in force, or none is needed: a rehearsal shares nothing about anybody."""

    def owns(self, source: str) -> bool:
        """Whether a source is one that was registered, or a path below one."""
        return any(source == own or source.startswith((f"{own}/", f"{own}:")) for own in self.sources)

    def covers(self, authority: str | None) -> bool:
        """Whether it may speak of this authority. An event need not name one."""
        return authority is None or ANYWHERE in self.authorities or authority in self.authorities


@dataclass(frozen=True, slots=True)
class Agreement:
    """A sharing agreement: its id in the register of such, its first and its last day, London's dates (domain page, L14)."""

    id: str
    starts: date
    ends: date

    def covers(self, day: date) -> bool:
        return self.starts <= day <= self.ends


def expand(types: Iterable[str]) -> frozenset[str]:
    """The types with what is implied: who reports an arrest may report the release, and everyone may correct."""
    given = {EVENTS[name] for name in types}
    implied = {follower for event in given for follower in FOLLOWED_BY.get(event, ())}
    return frozenset(event.type for event in (*given, *implied, *ALWAYS_ALLOWED))


def check_name(agency: str) -> str:
    """A name that may be a feed's label: letters, digits, dots, hyphens and underscores."""
    if len(agency) > 60 or not _NAME.fullmatch(agency):
        raise AgencyRefused(
            f"'{agency}' cannot be an agency's name: use letters, digits, dots, hyphens and underscores, at most 60, as in met-custody."
        )
    return agency


def check_types(types: Iterable[str]) -> set[str]:
    """The names on the wire of types given as `arrest` or `nightlight.arrest.v1`: at least one."""
    names = {name if name in EVENTS else f"nightlight.{name}.v1" for name in types}
    if strange := sorted(names - EVENTS.keys()):
        short = ", ".join(name.split(".")[1] for name in EVENTS)
        raise AgencyRefused(f"There is no type '{strange[0].split('.')[1]}': use some of {short}.")
    if not names:
        raise AgencyRefused("Say at least one type of event that it may send, as in --types arrest.")
    return names


def check_authorities(codes: Iterable[str]) -> set[str]:
    """GSS codes, or `*`: at least one."""
    given = set(codes)
    for code in sorted(given - {ANYWHERE}):
        if authority_code(code).canonical != code:
            raise AgencyRefused(f"'{code}' is not the GSS code of a local authority: use one such as E09000019, or *.")
    if not given:
        raise AgencyRefused("Say at least one authority that it may send from, as in --authorities E09000019, or *.")
    return given


def check_sources(sources: Iterable[str]) -> list[str]:
    """URI references, each once, without a slash at the end: it may be none."""
    given = sorted({source.rstrip("/") for source in sources})
    for source in given:
        if not _SOURCE.fullmatch(source):
            raise AgencyRefused(f"'{source}' cannot be a source: it is a URI reference, such as urn:example:custody.")
    return given
