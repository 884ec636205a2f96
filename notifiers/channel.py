"""The seam between the pager and whoever carries its words."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from schemas.pages import Channel
from schemas.settings import Mode

DRAMA_NUMBER = re.compile(r"\+447700900[0-9]{3}")
"""The mobile numbers that Ofcom keeps for drama: they can never be a real person's."""


class Reason(StrEnum):
    """Why an attempt did not reach anybody. Closed: it is kept with the attempt and shown on the desk."""

    NUMBER_NOT_VALID = "number-not-valid"
    NOT_A_MOBILE = "not-a-mobile"
    OPTED_OUT = "opted-out"
    PHONE_UNREACHABLE = "phone-unreachable"
    BLOCKED = "blocked"
    TOO_LATE = "too-late"
    NOT_ALLOWED = "not-allowed"
    TOO_MANY = "too-many"
    PROVIDER_FAULT = "provider-fault"
    NOT_CONNECTED = "not-connected"
    NO_ANSWER = "no-answer"
    REFUSED = "refused"
    CHANNEL_NOT_SET_UP = "channel-not-set-up"
    NO_ADDRESS = "no-address"
    ADDRESS_NOT_VALID = "address-not-valid"
    BUSY = "busy"
    NOT_PICKED_UP = "not-picked-up"
    ANSWERED_BY_A_MACHINE = "answered-by-a-machine"
    NO_KEY_PRESSED = "no-key-pressed"
    NOT_A_REHEARSAL_NUMBER = "not-a-rehearsal-number"
    PAGE_MOVED_ON = "page-moved-on"


PROVIDERS_OWN = frozenset(
    {Reason.NO_ANSWER, Reason.NOT_CONNECTED, Reason.PROVIDER_FAULT, Reason.TOO_MANY, Reason.NOT_ALLOWED}
)
"""What is wrong with the provider, or with our account there, and not with the person: another provider may do better."""


class DeliveryError(Exception):
    """The one way in which sending fails.

    Attributes:
        reason: why, from the closed list.
        permanent: the same request again would fail the same way.
        certain: the provider has certainly not taken it. False when no answer came, or one that leaves it open: then it
            may arrive all the same, and has to be looked up before it is sent again.
        code: the provider's own code, as text.
    """

    def __init__(self, reason: Reason, *, permanent: bool, certain: bool = True, code: str | None = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.permanent = permanent
        self.certain = certain
        self.code = code


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has taken it, and calls it by this id. It is not yet delivered.

    `status` and `code` are the provider's words for how far it is, where its answer says so: read like a receipt's.
    """

    provider_id: str
    status: str = ""
    code: str | None = None


class Notifier(Protocol):
    """One way to reach a person. Called from many tasks at once; holds no database connection."""

    channel: Channel
    provider: str

    async def send(self, to: str, text: str, *, attempt: UUID, valid_seconds: float) -> Accepted:
        """Hand it to the provider: one request, within 5 s. Raises DeliveryError and nothing else.

        `to` is a mobile in E.164 for texts and calls, an address for mails, the team for a chat. `attempt` travels with
        the request and comes back with every receipt; after `valid_seconds` the provider must not deliver it any more,
        because the page has moved on, as far as it can be told so.
        """
        ...

    async def look_up(
        self, to: str, *, attempt: UUID, containing: str, since: datetime, known: frozenset[str]
    ) -> Accepted | None:
        """What became of a request that got no answer: the provider's own record of it, or None. Within 2 s.

        `containing` is the page's reference, `known` the ids that belong to other attempts. Raises DeliveryError if the
        provider cannot say. Always None where a provider keeps no record by which ours can be told.
        """
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


def refuse_outsiders(to: str, mode: Mode) -> None:
    """In rehearsal nobody real is ever reached. Raises DeliveryError for any number that Ofcom does not keep for drama."""
    if mode is Mode.REHEARSAL and not DRAMA_NUMBER.fullmatch(to):
        raise DeliveryError(Reason.NOT_A_REHEARSAL_NUMBER, permanent=True)
