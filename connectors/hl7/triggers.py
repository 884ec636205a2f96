"""What each ADT event means to us: the trigger table of the domain page, section 2.1."""

from typing import Final

from connectors.visits.steps import Trigger

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
"""What is not in the table is answered AA, counted, and leads to nothing."""
