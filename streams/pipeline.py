"""The whole story on one screen: what comes in, and the plain function that takes it. Read from the top."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from schemas.events import (
    EVENT_TOPICS,
    ArrestReported,
    ChildAdmitted,
    ChildDischarged,
    ChildExcluded,
    ChildFound,
    ChildMissing,
    ChildSearched,
    CustodyReleased,
    Event,
    EventCancelled,
    FeedBeat,
    HearingListed,
    IdentityChanged,
    ThreatToLifeWarned,
)
from schemas.moments import MOMENTS, REVIEWS, FollowedUp, Message, MomentFound, ReviewAsked
from streams.facts import Result
from streams.follow import follow, note
from streams.match import match
from streams.open import ask_review, follow_up, open_moment

Step = Callable[..., Awaitable[list[Result]]]
"""One thing in, what it led to out. What it needs comes as keywords; it publishes nothing and acknowledges nothing."""

PIPELINE: Mapping[type[Event] | type[Message], Step] = {
    # What agencies say: a child may be in trouble ...
    ArrestReported: match,
    ChildAdmitted: match,
    ChildExcluded: match,
    ChildMissing: match,
    HearingListed: match,
    ThreatToLifeWarned: match,
    ChildSearched: match,
    IdentityChanged: match,
    # ... is out of it, or it never was so ...
    CustodyReleased: follow,
    ChildDischarged: follow,
    ChildFound: follow,
    EventCancelled: follow,
    # ... or there is nothing to say.
    FeedBeat: note,
    # What we made of it: a worker is paged, a person decides, a page changes.
    MomentFound: open_moment,
    ReviewAsked: ask_review,
    FollowedUp: follow_up,
}

TOPICS = (*EVENT_TOPICS, MOMENTS, REVIEWS)
"""Every topic the steps listen to. What they say goes to the last two, and to the outcomes."""


def bind(needs: Mapping[str, Any]) -> dict[type[Event] | type[Message], Step]:
    """The pipeline with every step given the needs it names as keywords. Raises KeyError for one that is not there."""
    return {what: partial(step, **{name: needs[name] for name in _needed(step)}) for what, step in PIPELINE.items()}


def _needed(step: Step) -> list[str]:
    parameters = inspect.signature(step).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
