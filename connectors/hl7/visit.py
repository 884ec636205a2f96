"""Where and since when: PV1, PV2 and EVN of a message."""

import hashlib
from datetime import datetime
from typing import Final

from connectors.hl7.header import Header
from connectors.hl7.message import Message
from connectors.hl7.times import instant
from connectors.visits.shapes import Visit

LONGEST: Final = 100
LONGEST_NAME: Final = 200


def read_visit(message: Message, header: Header, *, now: datetime) -> Visit:
    """The visit of a message. Where a time is not said, or is none, the next best is taken; `now`, when we have it, is the last."""
    pv1, pv2, evn, pid = (message.segment(name) for name in ("PV1", "PV2", "EVN", "PID"))
    occurred, recorded, sent = (instant(text, now=now) for text in (evn.part(6), evn.part(2), header.sent_at))
    arrived, left = instant(pv1.part(44), now=now), instant(pv1.part(45), now=now)
    recorded_at = recorded or sent or now
    place = pv1.first(3)
    return Visit(
        number=visit_number(pv1.part(19) or pv1.part(50) or pid.part(18)),
        patient_class=pv1.part(2),
        ward=(place.part(1) or place.part(9))[:LONGEST_NAME],
        facility=place.part(4)[:LONGEST_NAME],
        admission_methods=tuple(filter(None, pv1.first(4).parts()[:2])),
        treatment_function=pv1.part(10),
        arrival_mode=(pv2.part(38, 2) or pv2.part(38))[:LONGEST_NAME],
        arrived_at=arrived or occurred or recorded_at,
        happened_at=occurred or recorded_at,
        recorded_at=recorded_at,
        left_at=left,
    )


def visit_number(text: str) -> str:
    """A visit's number as an event can carry it: one that is too long is known by its hash, never cut to another's."""
    return text if len(text) <= LONGEST else hashlib.sha256(text.encode()).hexdigest()
