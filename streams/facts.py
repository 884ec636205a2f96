"""An event without its person: what the steps hand on; and how it ended, which keeps less still."""

from datetime import datetime

from schemas.envelope import Envelope
from schemas.moments import Decision, Ended, Fact, Message, Outcome
from schemas.wire import Sealer, event_key

Result = Message | Ended
"""What a step says: a message for the next one, or that the event has come to its end."""


def fact_of(envelope: Envelope, *, sealer: Sealer, at: datetime) -> Fact:
    """The event's keys, times and details (everything it says but the person). `at` is when it was decided."""
    return Fact(
        event_key=event_key(sealer, envelope.source, envelope.id),
        subject_key=sealer.mark("subject", envelope.event.subject),
        type=envelope.type,
        feed=envelope.feed,
        authority=envelope.authority,
        mode=envelope.mode,
        occurred_at=envelope.time,
        received_at=envelope.received_at,
        matched_at=at,
        details=envelope.event.model_dump(mode="json", exclude={"person"}, exclude_none=True),
    )


def ended(envelope: Envelope, outcome: Outcome, *, sealer: Sealer, decision: Decision | None = None) -> Ended:
    """An event that leads to nothing more. About an unwatched child nothing may be left but its key; and for as long as the
    event itself is kept, sealed, whom of the list they were nearer to than chance, and why they are not that child.
    """
    key = event_key(sealer, envelope.source, envelope.id)
    return Ended(event_key=key, type=envelope.type, outcome=outcome, decision=_worth_telling(decision))


def _worth_telling(decision: Decision | None) -> Decision | None:
    """Nearly every stranger shares something with somebody: a candidate is one for whom more speaks than against. The reasons
    are the best one's, and of each event that ends here something is written: the others are left out.
    """
    if decision is None or not (decision.candidates and decision.candidates[0].weight > 0):
        return None
    return decision.model_copy(update={"candidates": decision.candidates[:1]})
