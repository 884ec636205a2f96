"""How the desk says things: times as people say them, places by kind, and the closed lists that it asks from."""

from datetime import datetime, timedelta
from typing import Any, Final

from schemas.events import (
    ArrestReported,
    ChildAdmitted,
    ChildDischarged,
    ChildExcluded,
    ChildFound,
    ChildMissing,
    ChildSearched,
    CustodyReleased,
    HearingListed,
    IdentityChanged,
    ThreatToLifeWarned,
)
from schemas.kinds import BY_TYPE, DRILL
from schemas.london import LONDON

REASONS: Final = {
    "responding": "I am responding, or deciding whether I can",
    "handing-over": "I am taking over or handing over",
    "supervising": "I am checking that somebody is responding",
    "reviewing": "I am reviewing how this went",
}
"""Why somebody may look at who a page is about. The key goes into the audit chain."""

CONTACT: Final = {"yes": "Yes", "no": "No", "tried": "We tried"}
WANTED: Final = {"yes": "Yes", "no": "No", "unsure": "Not sure"}
HARM: Final = {"none": "No", "some": "Yes, or perhaps: the manager will ask", "unsure": "Not sure yet"}
"""What is asked when a page is closed: was the child helped by being watched over (domain page, L22)?"""

SAME_BECAUSE: Final = {"records": "The two records agree", "known": "I know the child", "asked": "I asked the agency"}
DIFFERENT_BECAUSE: Final = {
    "records": "The two records do not agree",
    "known": "I know the child",
    "asked": "I asked the agency",
}
UNDO_BECAUSE: Final = {
    "another-child": "It was somebody else",
    "known": "I have seen or spoken to the child",
    "asked": "The agency says so",
}
"""Why a possible match was decided, or a match undone: closed lists, because what is typed freely may name somebody."""

REVIEW_STATES: Final = {
    "open": "Nobody has decided yet",
    "same": "The same child",
    "different": "Not the same",
    "withdrawn": "Withdrawn by the sender",
    "expired": "Nobody decided in time",
    "handed-on": "Another team is asked now",
}

STATES: Final = {
    "open": "Nobody has accepted yet",
    "accepted": "Accepted, no contact yet",
    "contact": "Contact made",
    "closed": "Closed",
    "withdrawn": "Withdrawn",
    "expired": "Nobody answered in time",
}

CHANNELS: Final = {"sms": "text", "voice": "call", "email": "email", "webhook": "webhook"}
ATTEMPTS: Final = {
    "pending": "about to go",
    "sending": "going now",
    "sent": "sent",
    "delivered": "delivered",
    "failed": "failed",
    "undelivered": "not delivered",
    "unknown": "not known whether it arrived",
    "dropped": "not needed any more",
}
PURPOSES: Final = {
    "page": "asked",
    "taken": "told that a colleague has accepted",
    "withdrawn": "told that it was withdrawn",
    "expired": "told that nobody answered",
    "stopped": "told that a phone has opted out",
    "coming": "told that their time on call begins",
    "unconfirmed": "told that somebody has not confirmed",
    "code": "sent a code for their phone",
    "test": "sent a test of their phone",
    "reminder": "asked whether contact is made",
    "returned": "told that the team is asked again",
    "left": "told that the child has left",
    "alarm": "told that Nightlight has a fault",
}
CLOCKS: Final = ("Happened", "Reached us", "Matched", "Sent", "Delivered", "Accepted", "Contact")
"""The seven clock readings of each thing told (design page, promise 6)."""

ROLES: Final = {"primary": "first", "backup": "second", "manager": "manager"}

# What the responder needs and nothing else: no offence, no reason of an exclusion, no clinical note (domain page, L5).
_WHERE: Final[dict[str, dict[str, str]]] = {
    ArrestReported.type: {
        "suite": "Custody suite",
        "force": "Police force",
        "custody_record": "Custody record",
        "arrested_at": "Arrested",
        "detention_authorised_at": "Detention authorised",
        "expected_release_at": "Release expected",
    },
    ChildAdmitted.type: {
        "site_name": "Hospital",
        "site": "Site code",
        "arrived_at": "Arrived",
    },
    ChildExcluded.type: {
        "school_name": "School",
        "school_urn": "School number (URN)",
        "kind": "Kind",
        "decided_at": "Decided",
        "starts_on": "From",
        "ends_on": "Until",
    },
    ChildMissing.type: {
        "missing_from": "Missing from",
        "force": "Police force",
        "report": "Police report",
        "risk": "Risk, as the police graded it",
        "last_seen_at": "Last seen",
        "reported_at": "Reported",
    },
    HearingListed.type: {"court": "Court", "kind": "Hearing", "starts_at": "Starts"},
    ThreatToLifeWarned.type: {"force": "Police force", "warning": "Warning", "issued_at": "Issued"},
    ChildSearched.type: {"force": "Police force", "at": "Searched"},
}
PHONES: Final = {
    "opted-out": "has opted out (STOP)",
    "unreachable": "can never be reached: wrong number",
    "failing": "the last text or call did not arrive",
    "changed": "new number, not verified",
    "unverified": "not verified",
    "verified": "verified",
}

_PLACES: Final = {"suite", "site_name", "site", "school_name", "school_urn", "missing_from", "court"}
AT_HOME: Final = (ChildExcluded.type, ChildMissing.type)
"""Kinds of moment after which a child may be at the address on the list, or expected there."""

_FOLLOW_UPS: Final = {
    CustodyReleased.type: "Released from custody",
    ChildDischarged.type: "Left A&E",
    ChildFound.type: "Found",
    IdentityChanged.type: "Identity corrected",
}

WITHHELD: Final = "withheld: ask your manager"


def where(kind: str, details: dict[str, Any], now: datetime) -> list[tuple[str, str]]:
    """Where the child is now, as (what, value) in the order to read them. Where a record is marked sensitive, no place."""
    hidden = is_sensitive(details)
    rows = []
    for field, label in _WHERE.get(kind, {}).items():
        if value := details.get(field):
            rows.append((label, WITHHELD if hidden and field in _PLACES else _as_said(field, str(value), now)))
    return rows


def is_sensitive(details: dict[str, Any]) -> bool:
    """Marked by the sender as a record whose places must not be shown (the S-flag of the Personal Demographics Service)."""
    return details.get("sensitive") is True


def place(kind: str) -> str:
    """The kind of place, in the words of the text: "a custody suite"."""
    if kind == DRILL:
        return "a drill (no child is waiting)"
    known = BY_TYPE.get(kind)
    return known.place if known else "an agency"


def heading(kind: str) -> str:
    """What an agency told us, as a heading: "At a custody suite", "Released from custody"."""
    if kind == DRILL:
        return "Drill: no child is waiting"
    return _FOLLOW_UPS.get(kind) or f"At {place(kind)}"


def clock(at: datetime, now: datetime, *, seconds: bool = False) -> str:
    """The time on a wall in England, "2:06am", with the day if it is not today's."""
    here = at.astimezone(LONDON)
    shown = f"{here.hour % 12 or 12}:{here.strftime('%M:%S' if seconds else '%M')}{'am' if here.hour < 12 else 'pm'}"
    if here.date() == now.astimezone(LONDON).date():
        return shown
    return f"{shown} on {here.day} {here:%B}"


def lasted(span: timedelta) -> str:
    """How long, in the two largest units: "3 h 5 min", "4 min 10 s", "12 s". Never less than nothing."""
    seconds = max(0, int(span.total_seconds()))
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    if seconds >= 60:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds} s"


def left(until: datetime, now: datetime) -> str:
    """How much time is left, rounded down, so that nobody is told they have longer than they have."""
    minutes = int((until - now).total_seconds() // 60)
    if minutes < 1:
        return "less than a minute"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _as_said(field: str, value: str, now: datetime) -> str:
    if field.endswith("_at") or field == "at":
        return clock(datetime.fromisoformat(value), now)
    if field.endswith("_on"):
        day = datetime.fromisoformat(value)
        return f"{day.day} {day:%B %Y}"
    return value
