"""Texts through Twilio, and the table of what Twilio's codes and statuses mean to us."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException

from notifiers.channel import Accepted, DeliveryError, Reason, refuse_outsiders
from notifiers.transport import Transport, twilio
from schemas.pages import AttemptState, Channel
from schemas.settings import Settings

SEND_SECONDS = 5
LOOK_UP_SECONDS = 2

SHORTEST, LONGEST = 120, 36_000
"""Seconds a text may wait at Twilio. Below two minutes a busy network would lose texts that it could still deliver."""

RETRY_CALLBACKS = "#rc=5&rp=all"
"""Connection override: Twilio repeats a callback five times, whatever went wrong. Its default is once."""

STATUSES: dict[str, AttemptState] = {
    # Twilio's word: our state. Its words are in its documentation of the Message resource.
    "accepted": AttemptState.SENT,  # "Twilio has received your API request to send a message"
    "scheduled": AttemptState.SENT,
    "queued": AttemptState.SENT,  # "the API request has been successful and the message is queued to be sent"
    "sending": AttemptState.SENT,  # "Twilio is in the process of dispatching the message to the carrier"
    "sent": AttemptState.SENT,  # "the nearest upstream carrier has accepted the message": no phone has it yet
    "delivered": AttemptState.DELIVERED,  # "Twilio has received confirmation of message delivery from the carrier"
    "read": AttemptState.DELIVERED,
    "undelivered": AttemptState.UNDELIVERED,  # "a delivery receipt indicating that the message was not delivered"
    "failed": AttemptState.FAILED,  # "the message could not be sent"
    "canceled": AttemptState.FAILED,
}

CODES: dict[int, tuple[Reason, bool]] = {
    # code: (our reason, would the same request fail the same way?), beside Twilio's own words
    20003: (Reason.NOT_ALLOWED, True),  # "Permission Denied"
    20404: (Reason.NOT_ALLOWED, True),  # "Not Found": no such account
    20429: (Reason.TOO_MANY, False),  # "Too Many Requests"
    20500: (Reason.PROVIDER_FAULT, False),  # "Internal Server Error"
    20503: (Reason.PROVIDER_FAULT, False),  # "Service Unavailable"
    21211: (Reason.NUMBER_NOT_VALID, True),  # "Invalid 'To' Phone Number"
    21212: (Reason.NOT_ALLOWED, True),  # "Invalid From Number (caller ID)"
    21408: (Reason.NOT_ALLOWED, True),  # "Permission to send an SMS has not been enabled for the region"
    21606: (Reason.NOT_ALLOWED, True),  # "The 'From' phone number is not a valid, message-capable Twilio phone number"
    21608: (Reason.NOT_ALLOWED, True),  # "The number is unverified. Trial accounts cannot send messages to it"
    21610: (Reason.OPTED_OUT, True),  # "Attempt to send to unsubscribed recipient"
    21611: (Reason.TOO_MANY, False),  # "This 'From' number has exceeded the maximum number of queued messages"
    21612: (Reason.PHONE_UNREACHABLE, True),  # "Message cannot be sent with the current combination of 'To' and 'From'"
    21614: (Reason.NOT_A_MOBILE, True),  # "'To' number is not a valid mobile number"
    30001: (Reason.TOO_MANY, False),  # "Queue overflow"
    30002: (Reason.NOT_ALLOWED, True),  # "Account suspended"
    30003: (Reason.PHONE_UNREACHABLE, False),  # "Unreachable destination handset"
    30004: (Reason.BLOCKED, True),  # "Message blocked"
    30005: (Reason.NUMBER_NOT_VALID, True),  # "Unknown destination handset"
    30006: (Reason.NOT_A_MOBILE, True),  # "Landline or unreachable carrier"
    30007: (Reason.BLOCKED, True),  # "Message filtered"
    30008: (Reason.PHONE_UNREACHABLE, False),  # "Unknown error"
    30036: (Reason.TOO_LATE, False),  # "Validity Period Expired"
}


class Twilio:
    """A `Notifier`: one request to Twilio for each text."""

    channel = Channel.SMS
    provider = "twilio"

    def __init__(self, settings: Settings) -> None:
        """Raises BadSettings if the account, the token or the number is not set."""
        self._settings = settings
        self._sender = settings.need("twilio_from")
        self._transport = Transport(SEND_SECONDS)
        self._client = twilio(settings, self._transport)

    async def send(self, to: str, text: str, *, attempt: UUID, valid_seconds: float) -> Accepted:
        refuse_outsiders(to, self._settings.mode)
        try:
            message = await self._client.messages.create_async(
                to=to,
                from_=self._sender,
                body=text,
                status_callback=f"{self._settings.base_url}/twilio/status?attempt={attempt}{RETRY_CALLBACKS}",
                validity_period=int(min(max(valid_seconds, SHORTEST), LONGEST)),
            )
        except TwilioException as refusal:
            raise read_refusal(refusal) from refusal
        except (ValueError, KeyError) as problem:  # 2xx, and not what Twilio answers: somebody between us
            raise DeliveryError(Reason.PROVIDER_FAULT, permanent=False, certain=False) from problem
        if not message.sid:
            raise DeliveryError(Reason.PROVIDER_FAULT, permanent=False, certain=False)
        return Accepted(message.sid)

    async def look_up(
        self,
        to: str,
        *,
        attempt: UUID,  # noqa: ARG002 - Twilio does not keep it
        containing: str,
        since: datetime,
        known: frozenset[str],
    ) -> Accepted | None:
        refuse_outsiders(to, self._settings.mode)
        if not containing:
            return None  # a text about a phone or the rota says nothing by which it could be told from another
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                messages = await self._client.messages.list_async(to=to, limit=20, page_size=20)
        except TwilioException as refusal:
            raise read_refusal(refusal) from refusal
        except (ValueError, KeyError, TimeoutError) as problem:
            raise DeliveryError(Reason.NO_ANSWER, permanent=False, certain=False) from problem
        for message in messages:
            made_at = message.date_created or datetime.now(UTC)
            # Twilio's times have whole seconds, and its clock is not ours.
            recent = made_at >= since - timedelta(seconds=5)
            if message.sid and message.sid not in known and recent and containing in (message.body or ""):
                code = str(message.error_code) if message.error_code else None
                return Accepted(message.sid, message.status or "", code)
        return None

    async def close(self) -> None:
        await self._transport.close()


def read_refusal(refusal: TwilioException, codes: Mapping[int, tuple[Reason, bool]] = CODES) -> DeliveryError:
    """What an answer of 400 or more says, by one of the tables of codes.

    After a 5xx it is open whether the text goes out (Twilio: "not idempotent").
    """
    if not isinstance(refusal, (TwilioRestException, TwilioServiceException)):
        return DeliveryError(Reason.PROVIDER_FAULT, permanent=False, certain=False)
    fault = refusal.status >= 500
    unlisted = (Reason.PROVIDER_FAULT, False) if fault else (Reason.REFUSED, refusal.status not in (408, 429))
    if refusal.status == 429:
        unlisted = (Reason.TOO_MANY, False)
    reason, permanent = codes.get(refusal.code or 0, unlisted)
    code = str(refusal.code) if refusal.code else None
    return DeliveryError(reason, permanent=permanent, certain=not fault, code=code)


def read_code(code: str | None) -> Reason:
    """Our reason for the error code in a receipt."""
    if code is None or not code.isascii() or not code.isdigit():
        return Reason.REFUSED
    return CODES.get(int(code), (Reason.REFUSED, True))[0]
