"""An event on its way: the CloudEvents attributes we carry, who sent it, when we had it, and what it says."""

import json
from enum import StrEnum
from typing import Any

from pydantic import SerializeAsAny

from schemas.base import Shape, When
from schemas.events import EVENTS, Event


class Mode(StrEnum):
    """`test` goes the whole way and pages nobody (contract section 3)."""

    LIVE = "live"
    TEST = "test"


class Envelope(Shape):
    """What a connector hands to `publish`. `entrance` is the way in: http, mllp, fhir, inbox or form."""

    id: str
    source: str
    time: When
    authority: str | None = None
    mode: Mode = Mode.LIVE
    feed: str
    entrance: str
    received_at: When
    event: SerializeAsAny[Event]

    @property
    def type(self) -> str:
        return self.event.type


def pack(envelope: Envelope) -> bytes:
    """To bytes, for sealing. The type travels beside the data, so that `unpack` knows which class to build."""
    fields = envelope.model_dump_json(exclude_defaults=True)
    return f'{{"type":{json.dumps(envelope.type)},{fields[1:]}'.encode()


def unpack(payload: bytes) -> Envelope:
    """Back from bytes. Raises ValueError (pydantic's, which repeats no value) if they are not ours."""
    fields: dict[str, Any] = json.loads(payload)
    kind = EVENTS.get(fields.pop("type", ""))
    if kind is None:
        raise ValueError("no event of this type is known here")
    event = kind.model_validate(fields.pop("event"))
    return Envelope(event=event, **fields)
