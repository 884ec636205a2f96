"""Does this event tell of a child we watch? An event about a person in; a moment, a review, or "not watched" out."""

from collections.abc import Iterable
from typing import Final, Protocol

from schemas.base import Clock
from schemas.envelope import Envelope
from schemas.events import AboutPerson, ChildAdmitted, IdentityChanged
from schemas.moments import Decision, FollowedUp, Lane, Message, MomentFound, Outcome, ReviewAsked
from schemas.person import Person
from schemas.wire import Sealer, event_key
from store.pairs import marks
from streams.facts import Result, ended, fact_of
from streams.matching import Question

DECEASED = "deceased: nobody is paged to a child who has died, a person decides"
LEFT_OUT = "left out: a person has said that it is not this child"

MOST_LEFT_OUT: Final = 20
"""Children whom one person has been said not to be: beyond that the list itself is wrong, and somebody should look."""


class Children(Protocol):
    """The list of watched children, at its `version`. `decide` never waits: the list is in memory."""

    @property
    def version(self) -> int: ...
    def decide(
        self, person: Person, door: str | None, *, sensitive: bool = False, without: frozenset[str] = frozenset()
    ) -> Decision: ...


class Pairs(Protocol):
    """Which of a decision's candidates this person has been said not to be. Never waits."""

    def unlike(self, person: Person, decision: Decision, /) -> frozenset[str]: ...


async def match(envelope: Envelope, *, children: Children, pairs: Pairs, sealer: Sealer, clock: Clock) -> list[Result]:
    """Compare the person with every watched child.

    An identity that has changed is matched like a first report: its details keep `of`, the event that it corrects, whose
    kind of place is looked up where the moment opens. An event in mode `test` goes the same way: `streams.open` ends it.
    """
    event = envelope.event
    if not isinstance(event, AboutPerson):
        raise TypeError("only an event about a person can be matched")
    decision = decide(event, children, pairs)
    if decision.lane is Lane.NONE and isinstance(event, IdentityChanged):
        # It was somebody else: what was told of the child we took them for is taken back.
        corrected = event_key(sealer, event.of.source, event.of.id)
        return [FollowedUp(fact=fact_of(envelope, sealer=sealer, at=clock()), of=corrected)]
    if decision.lane is Lane.NONE:
        return [ended(envelope, Outcome.NOT_WATCHED, sealer=sealer, decision=decision)]
    fact, version = fact_of(envelope, sealer=sealer, at=clock()), children.version
    if decision.lane is Lane.PAGE and decision.child is not None:
        who = marks(sealer, event.person)
        return [MomentFound(fact=fact, child=decision.child, decision=decision, marks=who, list_version=version)]
    return [ReviewAsked(fact=fact, person=event.person, decision=decision, list_version=version)]


def decide(event: AboutPerson, children: Children, pairs: Pairs) -> Decision:
    """The matcher's answer without the children whom this person was said not to be; never a page for a child who has died."""
    sensitive = _is_sensitive(event)
    decision = children.decide(event.person, event.door, sensitive=sensitive)
    out: frozenset[str] = frozenset()
    # Without them others come into view, of whom it may have been said as well.
    while (more := pairs.unlike(event.person, decision) - out) and len(out) < MOST_LEFT_OUT:
        out |= more
        decision = children.decide(event.person, event.door, sensitive=sensitive, without=out)
    if out:
        decision = decision.model_copy(update={"why": (*decision.why, LEFT_OUT)})
    return _spare_the_bereaved(event, decision)


def questions(batch: Iterable[Envelope | Message]) -> list[Question]:
    """What `match` will ask of each event about a person: asked together, all answers cost as much as a few."""
    events = [said.event for said in batch if isinstance(said, Envelope) and isinstance(said.event, AboutPerson)]
    return [Question(event.person, event.door, _is_sensitive(event)) for event in events]


def _is_sensitive(event: AboutPerson) -> bool:
    return isinstance(event, ChildAdmitted) and bool(event.sensitive)


def _spare_the_bereaved(event: AboutPerson, decision: Decision) -> Decision:
    """A child who has died goes to review and never to a page: the team must know, and must be told by a person."""
    if decision.lane is Lane.PAGE and isinstance(event, ChildAdmitted) and event.deceased:
        return decision.model_copy(update={"lane": Lane.REVIEW, "why": (*decision.why, DECEASED)})
    return decision
