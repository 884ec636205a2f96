"""What each kind of moment means to the person on call: where the child is, and for how long they can be reached there."""

from dataclasses import dataclass
from datetime import timedelta

from schemas.events import (
    AboutPerson,
    ArrestReported,
    ChildAdmitted,
    ChildExcluded,
    ChildMissing,
    ChildSearched,
    HearingListed,
    IdentityChanged,
    ThreatToLifeWarned,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """`place` is all that a text says; `window` is how long the moment stays open (domain page, section 0: judgement, not law)."""

    place: str
    window: timedelta


KINDS: dict[type[AboutPerson], Kind] = {
    ArrestReported: Kind("a custody suite", timedelta(hours=12)),  # "often remains in custody for 10 to 12 hours"
    ChildAdmitted: Kind("an A&E department", timedelta(hours=4)),  # the four-hour standard
    ChildExcluded: Kind("a school", timedelta(hours=8)),  # the school day they are sent home on
    ChildMissing: Kind("a missing-person unit", timedelta(hours=72)),
    HearingListed: Kind("a court", timedelta(hours=24)),
    ThreatToLifeWarned: Kind("a police force", timedelta(hours=24)),
    ChildSearched: Kind("a police force", timedelta(hours=4)),
    IdentityChanged: Kind("an agency", timedelta(hours=12)),
}

BY_TYPE: dict[str, Kind] = {event.type: kind for event, kind in KINDS.items()}
"""The same by the type's name on the wire."""
