"""More of something already told: a release, a discharge, found, cancelled; and the beat of a feed that has nothing to say."""

from schemas.base import Clock
from schemas.envelope import Envelope
from schemas.events import EventCancelled
from schemas.moments import FollowedUp, Outcome
from schemas.wire import Sealer, event_key
from streams.facts import Result, ended, fact_of


async def follow(envelope: Envelope, *, sealer: Sealer, clock: Clock) -> list[Result]:
    """Hand it on to whoever holds the moment.

    A release, a discharge and a find name the custody record, attendance or report they end (`fact.subject_key`); a
    cancellation names the event it withdraws (`of`).
    """
    event = envelope.event
    of = event_key(sealer, event.of.source, event.of.id) if isinstance(event, EventCancelled) else None
    return [FollowedUp(fact=fact_of(envelope, sealer=sealer, at=clock()), of=of)]


async def note(envelope: Envelope, *, sealer: Sealer) -> list[Result]:
    """The feed is alive. The gateway has counted it; here it only gets its outcome."""
    return [ended(envelope, Outcome.NOTED, sealer=sealer)]
