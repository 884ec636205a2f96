"""What we make of an event: a moment, a review, a follow-up, an outcome. These travel between our own steps, sealed."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from schemas.base import Shape, When
from schemas.envelope import Mode
from schemas.person import Person

MOMENTS = "nightlight.moments"
REVIEWS = "nightlight.reviews"
OUTCOMES = "nightlight.outcomes"
DEAD_LETTERS = "nightlight.dead-letters"


class Lane(StrEnum):
    """What the matcher makes of a person: page alone, let a human decide, or nobody we watch (promise 3)."""

    PAGE = "page"
    REVIEW = "review"
    NONE = "none"


class Outcome(StrEnum):
    """How an accepted event ended. Exactly one for each (promise 1)."""

    PAGED = "paged"
    JOINED = "joined"
    REVIEW = "review"
    NOT_WATCHED = "not-watched"
    TEST = "test"
    CANCELLED = "cancelled"
    DEAD_LETTER = "dead-letter"
    NOTED = "noted"  # a heartbeat, or a follow-up that has done its work


class Candidate(Shape):
    """A watched child that an event may be about. `weight` in bits, `probability` from 0 to 1."""

    child: str
    weight: float
    probability: Annotated[float, Field(ge=0, le=1)]


class Decision(Shape):
    """The matcher's answer and why, field by field, in bits and never with a value (contract section 7).

    `child` is set in the lanes page and review only; `candidates` are the best five, best first, whatever the lane.
    """

    lane: Lane
    child: str | None = None
    candidates: tuple[Candidate, ...] = ()
    why: tuple[str, ...] = ()
    model: str


Marks = tuple[str, ...]
"""Keyed hashes of who an event was about (`store.pairs`): enough to know them again, and no way back to a value."""


class Fact(Shape):
    """An event without its person. Keys are HMACs: `event_key` of source and id, `subject_key` of what it happened to."""

    event_key: str
    subject_key: str
    type: str
    feed: str
    authority: str | None
    mode: Mode
    occurred_at: When
    received_at: When
    matched_at: When
    details: dict[str, Any]


class Ended(Shape):
    """How one event ended: which it was, of what type, and nothing more of it.

    `decision` is there where it was compared with a child and was not theirs: which children of the list came near, and
    why it was none of them, in bits. Nothing of the person whom the event was about.
    """

    event_key: str
    type: str
    outcome: Outcome
    decision: Decision | None = None


class Message(Shape):
    """Something one step tells the next."""

    topic: ClassVar[str]
    kind: ClassVar[str]

    @property
    def event_key(self) -> str:
        """The event that it is sealed for, and that its header names."""
        raise NotImplementedError

    @property
    def ordered_by(self) -> tuple[str, str]:
        """(domain, value) from which the topic key is made by HMAC: what has one key stays in order."""
        return "event", self.event_key


class AboutFact(Message):
    """One that the next step acts upon."""

    fact: Fact

    @property
    def event_key(self) -> str:
        return self.fact.event_key


class MomentFound(AboutFact):
    """An event is about a watched child, and the matcher is sure. `until`: when the window ends, if not its whole length from now."""

    topic: ClassVar[str] = MOMENTS
    kind: ClassVar[str] = "moment-found"

    child: str
    decision: Decision
    marks: Marks = ()
    list_version: int = 0
    until: When | None = None

    @property
    def ordered_by(self) -> tuple[str, str]:
        return "child", self.child


class ReviewAsked(AboutFact):
    """An event may be about a watched child: a human decides."""

    topic: ClassVar[str] = REVIEWS
    kind: ClassVar[str] = "review-asked"

    person: Person
    decision: Decision
    list_version: int = 0
    until: When | None = None


class FollowedUp(AboutFact):
    """More of something already told: a release, a discharge, found, or cancelled. `of` is the event key that a cancellation names."""

    topic: ClassVar[str] = MOMENTS
    kind: ClassVar[str] = "followed-up"

    of: str | None = None

    @property
    def ordered_by(self) -> tuple[str, str]:
        return "subject", self.fact.subject_key


class Decided(Message):
    """How events ended that were settled together: one at a low rate, a hundred under load, for a record costs more than what it says."""

    topic: ClassVar[str] = OUTCOMES
    kind: ClassVar[str] = "decided"

    ended: Annotated[tuple[Ended, ...], Field(min_length=1)]
    worker_lane: str
    decided_at: When

    @property
    def event_key(self) -> str:
        """The first one's."""
        return self.ended[0].event_key


MESSAGES: dict[str, type[Message]] = {kind.kind: kind for kind in (MomentFound, ReviewAsked, FollowedUp, Decided)}
