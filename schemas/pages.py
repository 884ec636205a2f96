"""A page and its attempts: the states they go through, and the frozen plan of who is told when."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from schemas.base import Shape

REFERENCE_LETTERS = "ACDEFGHJKMNPQRTUVWXY34679"
"""What a reference is spelt with: nothing that looks or sounds like another on a small screen (no 0 O, 1 I L, 5 S, 2 Z, 8 B)."""


class MomentState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class PageState(StrEnum):
    """open → accepted → contact → closed; withdrawn when it was cancelled, expired when the window passed unanswered.

    Open again in three cases only (`Reopened`): then somebody has to accept once more.
    """

    OPEN = "open"
    ACCEPTED = "accepted"
    CONTACT = "contact"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


NEXT_STATES: dict[PageState, frozenset[PageState]] = {
    PageState.OPEN: frozenset({PageState.ACCEPTED, PageState.WITHDRAWN, PageState.EXPIRED}),
    PageState.ACCEPTED: frozenset(
        {PageState.CONTACT, PageState.CLOSED, PageState.WITHDRAWN, PageState.EXPIRED, PageState.OPEN}
    ),
    PageState.CONTACT: frozenset({PageState.CLOSED, PageState.WITHDRAWN, PageState.OPEN}),
    PageState.CLOSED: frozenset(),
    PageState.WITHDRAWN: frozenset(),
    PageState.EXPIRED: frozenset(),
}
"""What may come next. The database holds the same rule in a trigger, made from this table: a state never moves backwards,
but for a page that opens again, and then only together with the time at which it did."""


class Reopened(StrEnum):
    """Why nobody has a page any more that somebody had."""

    NO_CONTACT = "no-contact"  # accepted, and asked by text and by voice, and no contact was recorded
    HANDED_BACK = "handed-back"  # whoever had accepted cannot go
    GRAVER = "graver"  # what is told now is graver than what was accepted


class AttemptState(StrEnum):
    """pending → sending → sent → delivered, or failed, undelivered, unknown, or dropped because the page had moved on."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNDELIVERED = "undelivered"
    UNKNOWN = "unknown"
    DROPPED = "dropped"


class Purpose(StrEnum):
    """Why somebody is told."""

    PAGE = "page"
    TAKEN = "taken"  # somebody else has accepted
    WITHDRAWN = "withdrawn"  # cancelled, or the wrong child
    EXPIRED = "expired"  # the window passed and nobody accepted: to the manager
    STOPPED = "stopped"  # a phone on call has opted out: to the manager
    COMING = "coming"  # they are on call from soon on, and are asked to confirm it
    UNCONFIRMED = "unconfirmed"  # somebody on call has not confirmed it: to the manager
    CODE = "code"  # a phone is verified
    TEST = "test"  # a phone is tested
    REMINDER = "reminder"  # accepted, and no contact recorded in time: is there any?
    RETURNED = "returned"  # the page has gone back to the team: to whoever had accepted
    LEFT = "left"  # the child is no longer at the place that the text named
    ALARM = "alarm"  # the auditor has found a promise broken: to the manager


PAGELESS: frozenset[Purpose] = frozenset(
    {Purpose.STOPPED, Purpose.COMING, Purpose.UNCONFIRMED, Purpose.CODE, Purpose.TEST, Purpose.ALARM}
)
"""Told for a team, not for a page."""


class Role(StrEnum):
    PRIMARY = "primary"
    BACKUP = "backup"
    MANAGER = "manager"


class Channel(StrEnum):
    SMS = "sms"
    VOICE = "voice"
    EMAIL = "email"
    WEBHOOK = "webhook"


class Step(Shape):
    """One step of an escalation: whom, by which channels in order, and how long to wait for an acceptance."""

    step: Annotated[int, Field(ge=1, le=50)]
    role: Role
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    wait_seconds: Annotated[float, Field(gt=0, le=86_400)]


Plan = Annotated[tuple[Step, ...], Field(min_length=1)]
"""Steps in order; the last one repeats until somebody accepts. Frozen on the page when it opens."""

DEFAULT_PLAN: tuple[Step, ...] = (
    Step(step=1, role=Role.PRIMARY, channels=(Channel.SMS,), wait_seconds=120),
    Step(step=2, role=Role.BACKUP, channels=(Channel.SMS,), wait_seconds=120),
    Step(step=3, role=Role.MANAGER, channels=(Channel.SMS,), wait_seconds=300),
)
"""For a team that has imported no policy: ten minutes to the end of the first round (domain page, section 0)."""


class ContactWaits(Shape):
    """Seconds from an acceptance to the first question whether there is contact, from that text to the call, and from
    the call to the team, which is then asked again from the first step. Each is a clock of its own."""

    text: Annotated[float, Field(gt=0)] = 3600
    call: Annotated[float, Field(gt=0)] = 600
    team: Annotated[float, Field(gt=0)] = 600


CONTACT_WAITS = ContactWaits()
"""On the way within the hour (domain page, section 0), and back with the team twenty minutes after that."""
