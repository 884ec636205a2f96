"""What MSH says of a message: who sent it, what it is, how it wants to be answered."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from connectors.hl7.message import Message, Segment

VERSIONS: Final = frozenset(
    {"2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2"}
)
ASSUMED: Final = "2.4"
"""The version that the United Kingdom's specification is made on: for a sender who names none, and in an answer to one we do not know."""


class Wants(StrEnum):
    """When an acknowledgement is wanted (HL7 table 0155)."""

    ALWAYS = "AL"
    NEVER = "NE"
    ON_ERROR = "ER"
    ON_SUCCESS = "SU"


@dataclass(frozen=True, slots=True)
class Header:
    """MSH, read. `control_id` and the delimiters are as they were written; the rest is unescaped and may be empty."""

    segment: Segment
    application: str
    facility: str
    kind: str
    event: str
    control_id: str
    processing: str
    version: str
    sent_at: str
    accept: Wants | None
    application_accept: Wants | None

    @classmethod
    def of(cls, header: Segment, evn: str = "") -> Self:
        """From MSH, and EVN-1 where MSH-9 names no event (some senders say it there alone, some in MSH-9 alone)."""
        kind = header.first(9)
        return cls(
            segment=header,
            application=header.part(3),
            facility=header.part(4),
            kind=kind.part(1).upper(),
            event=(kind.part(2) or evn).upper(),
            control_id=header.raw(10),
            processing=header.part(11).upper(),
            version=header.part(12),
            sent_at=header.part(7),
            accept=_wants(header.part(15)),
            application_accept=_wants(header.part(16)),
        )

    @property
    def structure(self) -> bool:
        """Whether the version's message type has a third part, as in ADT^A04^ADT_A01."""
        return self.answered_version not in ("2.1", "2.2", "2.3")

    @property
    def answered_version(self) -> str:
        """The version to answer in."""
        return self.version if self.version in VERSIONS else ASSUMED

    @property
    def modern_errors(self) -> bool:
        """Whether ERR has a field for each thing (2.5 and later), and not one component list."""
        return tuple(int(part) for part in self.answered_version.split(".")) >= (2, 5)

    @property
    def answered_event(self) -> str:
        """The event, if it is one that may be written into an answer: three letters or digits."""
        return self.event if re.fullmatch("[A-Z][A-Z0-9]{2}", self.event) else ""


def read_header(message: Message) -> Header:
    return Header.of(message.header, message.segment("EVN").part(1))


_WANTS: Final = {wants.value: wants for wants in Wants}


def _wants(text: str) -> Wants | None:
    return _WANTS.get(text.upper())
