"""The answer to a frame: one, always, with the sender's control id; in the older and in the newer way of saying what is wrong."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Final

from connectors.hl7.header import Header, Wants
from schemas.london import LONDON

OURSELVES: Final = "NIGHTLIGHT"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Verdict(StrEnum):
    """The second letter of MSA-1 (HL7 table 0008); the first says which level of acknowledgement it is."""

    ACCEPTED = "A"
    ERROR = "E"
    """It is not kept: send it again, when it has been mended or when we can keep it."""
    REJECTED = "R"
    """It is not kept, and never will be as it is."""


class Condition(Enum):
    """What is wrong (HL7 table 0357), as (code, its words)."""

    SEQUENCE = ("100", "Segment sequence error")
    MISSING = ("101", "Required field missing")
    DATA_TYPE = ("102", "Data type error")
    VALUE = ("103", "Table value not found")
    TYPE = ("200", "Unsupported message type")
    EVENT = ("201", "Unsupported event code")
    PROCESSING = ("202", "Unsupported processing id")
    VERSION = ("203", "Unsupported version id")
    UNKNOWN = ("204", "Unknown key identifier")
    INTERNAL = ("207", "Application internal error")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a message is not taken. `where` is a segment and a field, as ("PID", 3); `says` is ours alone and repeats no value.

    `reason` is the label that it is counted under.
    """

    verdict: Verdict
    condition: Condition
    says: str
    reason: str
    where: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The text of an acknowledgement, and the codec it is to be written in."""

    text: str
    codec: str

    def encoded(self) -> bytes:
        return self.text.encode(self.codec, "replace")


def acknowledge(
    header: Header | None,
    fault: Fault | None,
    *,
    at: datetime,
    new_id: Callable[[], str],
    receiver: tuple[str, str] = ("", ""),
) -> Answer:
    """The one answer to a message: AA or CA if `fault` is None.

    Args:
        header: of the message; None if not even that could be read, and then there is no control id to echo.
        at: written in London's time with its offset.
        new_id: makes the answer's own control id.
        receiver: application and facility, as registered and not as in the message: of what was sent only the control id is
            repeated, and the delimiters that it was written with.
    """
    delimiters = header.segment.delimiters if header else None
    field = delimiters.field if delimiters else "|"
    encoding = delimiters.encoding if delimiters else "^~\\&"
    component = (delimiters.component if delimiters else "") or "^"
    escape = _escaper(field, component, encoding)

    version = header.answered_version if header else "2.4"
    kind = ["ACK", header.answered_event] if header else ["ACK"]
    if header and header.structure:
        kind.append("ACK")
    msh = [
        "MSH" + field + encoding,
        OURSELVES,
        "",
        *map(escape, receiver),
        _written(at),
        "",
        component.join(kind).rstrip(component),
        new_id(),
        _processing(header),
        version,
    ]
    msa = ["MSA", _code(header, fault), _echo(header), *([escape(fault.says)] if fault and not _bare(version) else [])]
    segments = [msh, msa, *([_error(fault, header, component, escape)] if fault else [])]
    codec = header.segment.codec if header else "utf-8"
    return Answer("".join(field.join(segment) + "\r" for segment in segments), codec)


def _code(header: Header | None, fault: Fault | None) -> str:
    """AA in original mode; in enhanced mode CA, unless the sender wants to hear from the application alone (MSH-15, MSH-16).

    A sender who wants no answer gets one too: a queue that waits for it would stand still for ever.
    """
    verdict = fault.verdict if fault else Verdict.ACCEPTED
    if header is None or (header.accept is None and header.application_accept is None):
        return f"A{verdict}"
    accept = _wanted(header.accept, verdict)
    return f"A{verdict}" if not accept and _wanted(header.application_accept, verdict) else f"C{verdict}"


def _wanted(wants: Wants | None, verdict: Verdict) -> bool:
    wrong = verdict is not Verdict.ACCEPTED
    return wants is Wants.ALWAYS or (wants is Wants.ON_ERROR and wrong) or (wants is Wants.ON_SUCCESS and not wrong)


def _error(fault: Fault, header: Header | None, component: str, escape: Callable[[str], str]) -> list[str]:
    code, words = fault.condition.value
    segment, place = fault.where or ("", 0)
    where = [segment, "1" if segment else "", str(place or "")]
    if header and header.modern_errors:
        location = component.join(where).rstrip(component)
        condition = component.join((code, words, "HL70357"))
        return ["ERR", "", location, condition, "E", "", "", "", escape(fault.says)]
    sub = (header.segment.delimiters.subcomponent if header else "&") or " "
    return ["ERR", component.join((*where, sub.join((code, words, "HL70357"))))]


def _bare(version: str) -> bool:
    """From 2.7 on MSA-3 is no longer there: the sentence is in ERR-8."""
    return version >= "2.7"


def _echo(header: Header | None) -> str:
    """MSH-10 as it was written, however long: a sender waits for its own. Its delimiters are the answer's too, so it cannot say
    anything but itself."""
    return _CONTROL.sub("", header.control_id) if header else ""


def _processing(header: Header | None) -> str:
    return header.processing if header and header.processing in ("P", "T", "D") else "P"


def _written(at: datetime) -> str:
    return _to_the_second(at.replace(microsecond=0))


@lru_cache(maxsize=4)
def _to_the_second(at: datetime) -> str:
    return f"{at.astimezone(LONDON):%Y%m%d%H%M%S%z}"


@lru_cache(maxsize=64)
def _escaper(field: str, component: str, encoding: str) -> Callable[[str], str]:
    """Our own words hold none of the usual delimiters; a sender with unusual ones gets spaces in their place."""
    marks = str.maketrans(dict.fromkeys((*encoding, field, component, "\r", "\n"), " "))
    return lambda text: text.translate(marks)
