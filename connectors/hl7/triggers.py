"""What each ADT event means to us: the trigger table of the domain page, section 2.1."""

from enum import StrEnum
from typing import Final


class Trigger(StrEnum):
    """What is done with a message. What is not in the table is answered AA, counted, and leads to nothing."""

    ARRIVAL = "arrival"
    """Registered or admitted: a candidate for a moment; more of the same moment, if the visit has been told already."""
    MOVE = "move"
    """Transferred, or of another class: the worker must find the child."""
    UPDATE = "update"
    """Perhaps it is known only now who it is."""
    DEPARTURE = "departure"
    CANCELLED_ARRIVAL = "cancelled-arrival"
    CANCELLED_MOVE = "cancelled-move"
    CANCELLED_DEPARTURE = "cancelled-departure"
    MERGE = "merge"
    """Two records were one patient, or a patient has another number."""
    RENUMBERED = "renumbered"
    """A visit has another number, or belongs to another patient."""


TRIGGERS: Final = {
    "A01": Trigger.ARRIVAL,
    "A02": Trigger.MOVE,
    "A03": Trigger.DEPARTURE,
    "A04": Trigger.ARRIVAL,
    "A06": Trigger.MOVE,
    "A07": Trigger.MOVE,
    "A08": Trigger.UPDATE,
    "A11": Trigger.CANCELLED_ARRIVAL,
    "A12": Trigger.CANCELLED_MOVE,
    "A13": Trigger.CANCELLED_DEPARTURE,
    "A31": Trigger.UPDATE,
    "A34": Trigger.MERGE,
    "A36": Trigger.MERGE,
    "A39": Trigger.MERGE,
    "A40": Trigger.MERGE,
    "A42": Trigger.RENUMBERED,
    "A43": Trigger.MERGE,
    "A45": Trigger.RENUMBERED,
    "A46": Trigger.MERGE,
    "A47": Trigger.MERGE,
    "A50": Trigger.RENUMBERED,
}
