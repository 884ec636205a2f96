"""Does this event tell of a child we watch? An event about a person in; a moment, a review, or "not watched" out."""

from typing import Protocol

from schemas.base import Clock
from schemas.envelope import Envelope
from schemas.events import AboutPerson, ChildAdmitted, IdentityChanged
from schemas.moments import Decision, FollowedUp, Lane, MomentFound, Outcome, ReviewAsked
from schemas.person import Person
from schemas.wire import Sealer, event_key
from streams.facts import Result, ended, fact_of

DECEASED = "deceased: nobody is paged to a child who has died, a person decides"


class Children(Protocol):
    """The list of watched children. `decide` never waits: the list is in memory."""

    def decide(self, person: Person, door: str | None) -> Decision: ...


async def match(envelope: Envelope, *, children: Children, sealer: Sealer, clock: Clock) -> list[Result]:
    """Compare the person with every watched child.

    An identity that has changed is matched like a first report: its details keep `of`, the event that it corrects, and
    its kind of place is "an agency", because what the first one said is sealed in a topic and not looked up here.
    An event in mode `test` goes the same way: `streams.open` ends it.
    """
    event = envelope.event
    if not isinstance(event, AboutPerson):
        raise TypeError("only an event about a person can be matched")
    decision = _spare_the_bereaved(event, children.decide(event.person, event.door))
    if decision.lane is Lane.NONE and isinstance(event, IdentityChanged):
        # It was somebody else: what was told of the child we took them for is taken back.
        corrected = event_key(sealer, event.of.source, event.of.id)
        return [FollowedUp(fact=fact_of(envelope, sealer=sealer, at=clock()), of=corrected)]
    if decision.lane is Lane.NONE:
        return [ended(envelope, Outcome.NOT_WATCHED, sealer=sealer)]
    fact = fact_of(envelope, sealer=sealer, at=clock())
    if decision.lane is Lane.PAGE and decision.child is not None:
        return [MomentFound(fact=fact, child=decision.child, decision=decision)]
    return [ReviewAsked(fact=fact, person=event.person, decision=decision)]


def _spare_the_bereaved(event: AboutPerson, decision: Decision) -> Decision:
    """A child who has died goes to review and never to a page: the team must know, and must be told by a person."""
    if decision.lane is Lane.PAGE and isinstance(event, ChildAdmitted) and event.deceased:
        return decision.model_copy(update={"lane": Lane.REVIEW, "why": (*decision.why, DECEASED)})
    return decision
