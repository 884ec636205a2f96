"""An event without its person: what the steps hand on, and what an outcome keeps."""

from datetime import datetime

from schemas.envelope import Envelope
from schemas.moments import Decided, Fact, Outcome
from schemas.wire import Sealer, event_key


def fact_of(envelope: Envelope, *, sealer: Sealer, at: datetime) -> Fact:
    """The event's keys, times and details (everything it says but the person). `at` is when it was decided."""
    details = envelope.event.model_dump(mode="json", exclude={"person"}, exclude_none=True)
    return bare_fact(envelope, sealer=sealer, at=at).model_copy(update={"details": details})


def bare_fact(envelope: Envelope, *, sealer: Sealer, at: datetime) -> Fact:
    """The event's keys and times alone: what an outcome keeps. Every value was validated in the envelope, so not again here."""
    return Fact.model_construct(
        event_key=event_key(sealer, envelope.source, envelope.id),
        subject_key=sealer.mark("subject", envelope.event.subject),
        type=envelope.type,
        feed=envelope.feed,
        authority=envelope.authority,
        mode=envelope.mode,
        occurred_at=envelope.time,
        received_at=envelope.received_at,
        matched_at=at,
        details={},
    )


def decided(fact: Fact, outcome: Outcome, *, lane: str, at: datetime) -> Decided:
    """How an event ended. Its details stay behind: an outcome about an unwatched child must say nothing of them."""
    kept = fact.model_copy(update={"details": {}}) if fact.details else fact
    return Decided.model_construct(fact=kept, outcome=outcome, worker_lane=lane, decided_at=at)
