"""What each kind of moment means to the person on call: where the child is, and for how long they can be reached there."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

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
    """`place` is all that a text says; `window` is how long the moment stays open (domain page, section 0: judgement, not law).

    `gravity`: a fact that joins a moment pages again only if it is graver than all that was told before (judgement too).
    """

    place: str
    window: timedelta
    gravity: int


KINDS: dict[type[AboutPerson], Kind] = {
    ArrestReported: Kind("a custody suite", timedelta(hours=12), 2),  # "often remains in custody for 10 to 12 hours"
    ChildAdmitted: Kind("an A&E department", timedelta(hours=4), 3),  # the four-hour standard
    ChildExcluded: Kind("a school", timedelta(hours=8), 1),  # the school day they are sent home on
    ChildMissing: Kind("a missing-person unit", timedelta(hours=72), 2),
    HearingListed: Kind("a court", timedelta(hours=24), 1),
    ThreatToLifeWarned: Kind("a police force", timedelta(hours=24), 4),
    ChildSearched: Kind("a police force", timedelta(hours=4), 1),
    IdentityChanged: Kind("an agency", timedelta(hours=12), 1),
}

BY_TYPE: dict[str, Kind] = {event.type: kind for event, kind in KINDS.items()}
"""The same by the type's name on the wire."""

DRILL: Final = "nightlight.drill.v1"
"""The type of a page that is a drill: no event has it, so nobody outside can send one, and no clock of a real page counts it."""

NO_CHILD: Final = "~"
"""What stands first where a drill has no child's id: such an id begins with a letter or a digit."""
