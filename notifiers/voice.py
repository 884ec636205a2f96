"""Calls through Twilio, and the table of what Twilio's codes and statuses mean to us.

The call asks the desk what to say (`/twilio/voice`), and the desk hears the keys (`/twilio/key`). Only a key counts: a
voicemail that is spoken to has accepted nothing. Twilio listens for one meanwhile, and if it is one the page moves on at
once; a person who was taken for a machine is heard all the same.
"""

from datetime import datetime
from uuid import UUID

from twilio.base.exceptions import TwilioException

from notifiers import sms
from notifiers.channel import Accepted, DeliveryError, Reason, refuse_outsiders
from notifiers.transport import Transport, twilio
from schemas.pages import AttemptState, Channel
from schemas.settings import Settings

SEND_SECONDS = 5
RING_SECONDS = 25
"""Before most voicemails pick up. Twilio's default is 60, in which the page would wait for nothing."""
LONGEST_CALL = 120
"""Seconds, of which what we say takes thirty: a line that nobody hangs up must not stay open."""

STATUSES: dict[str, tuple[AttemptState, Reason | None]] = {
    # Twilio's word (its documentation of the Call resource): our state, and why. Delivered is only what a person has heard
    # and answered with a key, so a call that is picked up is no more than sent.
    "queued": (AttemptState.SENT, None),  # "the call is ready and waiting in line before dialing"
    "initiated": (AttemptState.SENT, None),  # "Twilio starts dialing the call"
    "ringing": (AttemptState.SENT, None),  # "the call is currently ringing"
    "in-progress": (AttemptState.SENT, None),  # "the call was answered and is currently in progress"
    "completed": (AttemptState.UNDELIVERED, Reason.NO_KEY_PRESSED),  # "the call was answered and has ended normally"
    "busy": (AttemptState.UNDELIVERED, Reason.BUSY),  # "the caller received a busy signal"
    "no-answer": (AttemptState.UNDELIVERED, Reason.NOT_PICKED_UP),  # "there was no answer or the call was rejected"
    "failed": (AttemptState.FAILED, Reason.PHONE_UNREACHABLE),  # "the call could not be completed as dialed"
    "canceled": (AttemptState.FAILED, Reason.REFUSED),  # "the call was hung up while it was queued or ringing"
    # Not Twilio's words: what the desk has heard, written down as a receipt is.
    "key": (AttemptState.DELIVERED, None),
    "machine": (AttemptState.UNDELIVERED, Reason.ANSWERED_BY_A_MACHINE),
}

MACHINES = ("machine", "fax")
"""How Twilio's words begin for who has answered, where it was no person: machine_start, machine_end_beep, fax …"""

CODES: dict[int, tuple[Reason, bool]] = {
    **sms.CODES,
    # code: (our reason, would the same request fail the same way?), beside Twilio's own words
    10001: (Reason.NOT_ALLOWED, True),  # "Account is not active"
    10004: (Reason.TOO_MANY, False),  # "Call concurrency limit exceeded"
    21205: (Reason.NOT_ALLOWED, True),  # "Invalid URL": of ours
    21210: (Reason.NOT_ALLOWED, True),  # "'From' phone number not verified"
    21214: (Reason.PHONE_UNREACHABLE, True),  # "'To' phone number cannot be reached"
    21215: (Reason.NOT_ALLOWED, True),  # "Geo Permission configuration is not permitting call"
    21217: (Reason.NUMBER_NOT_VALID, True),  # "Phone number does not appear to be valid"
    21219: (Reason.NOT_ALLOWED, True),  # "'To' phone number not verified"
}


class Voice:
    """A `Notifier`: one request to Twilio for each call. What it says is the desk's; `text` is not sent."""

    channel = Channel.VOICE
    provider = "twilio"

    def __init__(self, settings: Settings) -> None:
        """Raises BadSettings if the account, the token or the number is not set."""
        self._settings = settings
        self._sender = settings.need("twilio_from")
        self._transport = Transport(SEND_SECONDS)
        self._client = twilio(settings, self._transport)

    async def send(self, to: str, text: str, *, attempt: UUID, valid_seconds: float) -> Accepted:  # noqa: ARG002
        refuse_outsiders(to, self._settings.mode)
        desk, of = f"{self._settings.base_url}/twilio", f"?attempt={attempt}"
        try:
            call = await self._client.calls.create_async(
                to=to,
                from_=self._sender,
                url=f"{desk}/voice{of}{sms.RETRY_CALLBACKS}",
                status_callback=f"{desk}/call{of}{sms.RETRY_CALLBACKS}",
                status_callback_event=["initiated", "ringing", "answered", "completed"],
                timeout=RING_SECONDS,
                time_limit=LONGEST_CALL,
                machine_detection="Enable",
                async_amd="true",  # else whoever picks up hears four seconds of silence, and hangs up
                async_amd_status_callback=f"{desk}/machine{of}{sms.RETRY_CALLBACKS}",
            )
        except TwilioException as refusal:
            raise sms.read_refusal(refusal, CODES) from refusal
        except (ValueError, KeyError) as problem:  # 2xx, and not what Twilio answers: somebody between us
            raise DeliveryError(Reason.PROVIDER_FAULT, permanent=False, certain=False) from problem
        if not call.sid:
            raise DeliveryError(Reason.PROVIDER_FAULT, permanent=False, certain=False)
        return Accepted(call.sid)

    async def look_up(
        self,
        to: str,  # noqa: ARG002
        *,
        attempt: UUID,  # noqa: ARG002
        containing: str,  # noqa: ARG002
        since: datetime,  # noqa: ARG002
        known: frozenset[str],  # noqa: ARG002
    ) -> Accepted | None:
        """None: Twilio's record of a call does not say what it was about, and a call for one page is not one for another."""
        return None

    async def close(self) -> None:
        await self._transport.close()
