"""What agencies say happened: one class per type of contract section 3, with the topic it goes to and what must stay in order."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, StringConstraints

from schemas.base import Flag, Name, Shape, Short, When, or_absent
from schemas.dfe import reason
from schemas.person import Person, PlainDate

ARRESTS = "nightlight.events.arrests"
ADMISSIONS = "nightlight.events.admissions"
EXCLUSIONS = "nightlight.events.exclusions"
MISSING = "nightlight.events.missing"
OTHERS = "nightlight.events.others"
EVENT_TOPICS = (ARRESTS, ADMISSIONS, EXCLUSIONS, MISSING, OTHERS)


class Event(Shape):
    """Something happened.

    `subject` names the thing it happened to (a custody record, an attendance): same subject, same partition, in order.
    """

    type: ClassVar[str]
    topic: ClassVar[str]
    door: ClassVar[str] = "other"

    @property
    def subject(self) -> str:
        raise NotImplementedError


class AboutPerson(Event):
    """An event that says who: it can be matched, and it can open a moment."""

    person: Person


class InCustody(Event):
    topic: ClassVar[str] = ARRESTS
    door: ClassVar[str] = "arrest"

    custody_record: Short
    force: Short

    @property
    def subject(self) -> str:
        return f"custody/{self.force}/{self.custody_record}"


class ArrestReported(AboutPerson, InCustody):
    """A custody suite has booked somebody in (PACE Code C)."""

    type: ClassVar[str] = "nightlight.arrest.v1"

    suite: Name
    arrested_at: When | None = None
    detention_authorised_at: When | None = None
    expected_release_at: When | None = None


class CustodyReleased(InCustody):
    """They have left custody: the window is closing."""

    type: ClassVar[str] = "nightlight.custody-release.v1"

    released_at: When
    disposal: Name | None = None


class InHospital(Event):
    topic: ClassVar[str] = ADMISSIONS
    door: ClassVar[str] = "admission"

    attendance: Short
    site: Short

    @property
    def subject(self) -> str:
        return f"attendance/{self.site}/{self.attendance}"


class ChildAdmitted(AboutPerson, InHospital):
    """Somebody has arrived at A&E. `site` is an ODS code; `sensitive` hides the address (PDS S-flag); the deceased are never paged."""

    type: ClassVar[str] = "nightlight.admission.v1"

    site_name: Name | None = None
    arrived_at: When
    arrival_mode: Name | None = None
    sensitive: Annotated[Flag, or_absent(Flag, False)] = False
    deceased: Annotated[Flag, or_absent(Flag, False)] = False


class ChildDischarged(InHospital):
    type: ClassVar[str] = "nightlight.discharge.v1"

    left_at: When


class ExclusionKind(StrEnum):
    SUSPENSION = "suspension"
    PERMANENT = "permanent"
    LUNCHTIME = "lunchtime"


def _reason(code: Any) -> Any:
    return reason(code) if isinstance(code, str) else code


_Reasons = Annotated[
    tuple[Annotated[str, StringConstraints(max_length=20), BeforeValidator(_reason)], ...], Field(max_length=20)
]


class ChildExcluded(AboutPerson):
    """A school has suspended or excluded a pupil. Reasons are DfE census codes; one we do not know is kept as `other`."""

    type: ClassVar[str] = "nightlight.exclusion.v1"
    topic: ClassVar[str] = EXCLUSIONS
    door: ClassVar[str] = "exclusion"

    exclusion: Short
    school_urn: Short
    school_name: Name | None = None
    kind: ExclusionKind
    reasons: Annotated[_Reasons, or_absent(_Reasons, ())] = ()
    starts_on: PlainDate
    ends_on: PlainDate | None = None
    decided_at: When

    @property
    def subject(self) -> str:
        return f"exclusion/{self.school_urn}/{self.exclusion}"


class Risk(StrEnum):
    """The police continuum (College of Policing APP, missing persons)."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NO_APPARENT_RISK = "no-apparent-risk"
    OTHER = "other"


class InReport(Event):
    topic: ClassVar[str] = MISSING
    door: ClassVar[str] = "missing"

    report: Short
    force: Short

    @property
    def subject(self) -> str:
        return f"missing/{self.force}/{self.report}"


class ChildMissing(AboutPerson, InReport):
    type: ClassVar[str] = "nightlight.missing.v1"

    reported_at: When
    last_seen_at: When | None = None
    missing_from: Name | None = None
    risk: Risk


class ChildFound(InReport):
    """Found: the 72 hours of the return-home interview start (DfE statutory guidance 2014)."""

    type: ClassVar[str] = "nightlight.found.v1"

    found_at: When


class HearingKind(StrEnum):
    FIRST_APPEARANCE = "first-appearance"
    REMAND = "remand"
    SENTENCE = "sentence"


class HearingListed(AboutPerson):
    type: ClassVar[str] = "nightlight.court.v1"
    topic: ClassVar[str] = OTHERS
    door: ClassVar[str] = "court"

    hearing: Short
    court: Name
    starts_at: When
    kind: HearingKind

    @property
    def subject(self) -> str:
        return f"hearing/{self.court}/{self.hearing}"


class ThreatToLifeWarned(AboutPerson):
    type: ClassVar[str] = "nightlight.threat-to-life.v1"
    topic: ClassVar[str] = OTHERS
    door: ClassVar[str] = "threat-to-life"

    warning: Short
    force: Short
    issued_at: When

    @property
    def subject(self) -> str:
        return f"warning/{self.force}/{self.warning}"


class ChildSearched(AboutPerson):
    type: ClassVar[str] = "nightlight.stop-search.v1"
    topic: ClassVar[str] = OTHERS
    door: ClassVar[str] = "stop-search"

    encounter: Short
    force: Short
    at: When
    outcome: Name

    @property
    def subject(self) -> str:
        return f"search/{self.force}/{self.encounter}"


class EventName(Shape):
    """An earlier event, by what makes it unique in CloudEvents: its source and its id."""

    source: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class AboutEvent(Event):
    topic: ClassVar[str] = OTHERS

    of: EventName

    @property
    def subject(self) -> str:
        return f"event/{self.of.source}/{self.of.id}"


class IdentityChanged(AboutPerson, AboutEvent):
    """Fingerprints, or a parent, have said who it really is: the earlier event is matched again."""

    type: ClassVar[str] = "nightlight.identity-changed.v1"


class EventCancelled(AboutEvent):
    """It did not happen, or not to this person: the earlier event is withdrawn."""

    type: ClassVar[str] = "nightlight.cancelled.v1"


class FeedBeat(Event):
    """The feed is alive, and has nothing to say."""

    type: ClassVar[str] = "nightlight.heartbeat.v1"
    topic: ClassVar[str] = OTHERS

    @property
    def subject(self) -> str:
        return "heartbeat"


EVENTS: dict[str, type[Event]] = {
    event.type: event
    for event in (
        ArrestReported,
        CustodyReleased,
        ChildAdmitted,
        ChildDischarged,
        ChildExcluded,
        ChildMissing,
        ChildFound,
        HearingListed,
        ThreatToLifeWarned,
        ChildSearched,
        IdentityChanged,
        EventCancelled,
        FeedBeat,
    )
}
"""Every type that the gateway takes, by its name on the wire."""

FOLLOWED_BY: dict[type[Event], tuple[type[Event], ...]] = {
    ArrestReported: (CustodyReleased,),
    ChildAdmitted: (ChildDischarged,),
    ChildMissing: (ChildFound,),
}
"""Who may send the first may send the others: nobody registers a release apart from its arrest."""

ALWAYS_ALLOWED: tuple[type[Event], ...] = (IdentityChanged, EventCancelled, FeedBeat)
"""Every agency may correct what it said, and say that it is alive."""
