"""What a message comes to: events to be kept, what to remember of the visit, and why; or why it leads to nothing."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from connectors.visits.known import Known


class Nothing(StrEnum):
    """Why no event was made of a message that was answered as taken: a closed list, and the metric's label."""

    NOT_WANTED = "type-not-wanted"
    NOT_AN_ARRIVAL = "not-an-arrival"
    NOBODY_NAMED = "nobody-named"
    NO_OPEN_VISIT = "no-open-visit"
    HAS_LEFT = "has-left"
    OVERTAKEN = "overtaken"
    MADE_UP = "test-patient"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Said:
    """One event, as the attributes and data of contract section 3."""

    type: str
    id: str
    time: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """`visits` are kept once the events are in Kafka. `why` names fields and rules, and never a value of a person."""

    said: tuple[Said, ...] = ()
    visits: tuple[Known, ...] = ()
    nothing: Nothing | None = None
    why: tuple[str, ...] = ()
