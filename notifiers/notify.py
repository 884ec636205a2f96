"""Texts through GOV.UK Notify, and the table of what its errors and statuses mean to us.

Its REST API as its technical documentation has it: a token that is signed anew for each request with the key's secret, a
template whose one field is the text, our attempt's id as its `reference`. It has no validity period: the networks try for
up to 72 hours, so a late text is possible here, and says what any other does: the page's reference.
"""

import base64
import hashlib
import hmac
import json
import re
from datetime import datetime
from typing import Any
from uuid import UUID

from notifiers.channel import Accepted, DeliveryError, Reason, refuse_outsiders
from notifiers.transport import Answer, Line
from schemas.base import Clock, utc_now
from schemas.pages import AttemptState, Channel
from schemas.settings import PREFIX, BadSettings, Settings

SEND_SECONDS = 5
LOOK_UP_SECONDS = 2

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
KEY = re.compile(rf"(?:.*-)?({_UUID})-({_UUID})")
"""A key is its name, the service's id and the secret, with dashes between."""

STATUSES: dict[str, tuple[AttemptState, Reason | None]] = {
    # Notify's word: our state and why, beside what its documentation says of it
    "created": (AttemptState.SENT, None),  # "has placed the message in a queue, ready to be sent to the provider"
    "sending": (AttemptState.SENT, None),  # "will try to deliver the message to the recipient for up to 72 hours"
    "pending": (AttemptState.SENT, None),  # "waiting for more delivery information"
    "sent": (AttemptState.SENT, None),  # "sent to an international number": no more will be heard
    "delivered": (AttemptState.DELIVERED, None),  # "the message was successfully delivered"
    "permanent-failure": (AttemptState.UNDELIVERED, Reason.NUMBER_NOT_VALID),  # "the phone number was wrong or …"
    "temporary-failure": (AttemptState.UNDELIVERED, Reason.PHONE_UNREACHABLE),  # "phone is off, has no signal …"
    "technical-failure": (AttemptState.FAILED, Reason.PROVIDER_FAULT),  # "a problem between Notify and the provider"
}

CODES: dict[tuple[int, str], tuple[Reason, bool]] = {
    # (status, error): (our reason, would the same request fail the same way?), beside Notify's own words. "Use the status
    # code or the error type": the messages themselves change.
    (400, "ValidationError"): (
        Reason.NUMBER_NOT_VALID,
        True,
    ),  # "phone_number Not a UK mobile number", "… Too many digits"
    (400, "BadRequestError"): (Reason.NOT_ALLOWED, True),  # "… when service is in trial mode", "Template not found"
    (403, "AuthError"): (Reason.NOT_ALLOWED, True),  # "Invalid token: API key not found", "… signature"
    (403, "BadRequestError"): (Reason.NOT_ALLOWED, True),  # "Your system clock must be accurate to within 30 seconds"
    (429, "RateLimitError"): (
        Reason.TOO_MANY,
        False,
    ),  # "Exceeded rate limit for key type live of 3000 requests per 60 seconds"
    (429, "TooManyRequestsError"): (Reason.TOO_MANY, True),  # "Exceeded send limits … for today"
    (500, "Exception"): (Reason.PROVIDER_FAULT, False),  # "Internal server error": "resend your notification"
}


class Notify:
    """A `Notifier`: one request to GOV.UK Notify for each text."""

    channel = Channel.SMS
    provider = "notify"

    def __init__(self, settings: Settings, clock: Clock = utc_now) -> None:
        """Raises BadSettings if the key or the template is not set, or the key is not one."""
        self._mode = settings.mode
        self._api = settings.notify_api
        self._template = settings.need("notify_template_id")
        key = KEY.fullmatch(settings.need("notify_api_key").strip())
        if key is None:
            raise BadSettings(
                f"{PREFIX}NOTIFY_API_KEY is not a key of GOV.UK Notify: copy the whole of it, name and all."
            )
        self._service, self._secret = key.groups()
        self._clock = clock
        self._line = Line(SEND_SECONDS)

    async def send(self, to: str, text: str, *, attempt: UUID, valid_seconds: float) -> Accepted:  # noqa: ARG002
        refuse_outsiders(to, self._mode)
        asked = {
            "phone_number": to,
            "template_id": self._template,
            "personalisation": {"text": text},
            "reference": str(attempt),
        }
        url = f"{self._api}/v2/notifications/sms"
        said = _read(await self._line.ask("POST", url, json=asked, headers=self._headers()))
        if not isinstance(said.get("id"), str):
            raise DeliveryError(Reason.PROVIDER_FAULT, permanent=False, certain=False)
        return Accepted(said["id"])

    async def look_up(
        self,
        to: str,
        *,
        attempt: UUID,
        containing: str,  # noqa: ARG002 - our own id says it exactly
        since: datetime,  # noqa: ARG002
        known: frozenset[str],  # noqa: ARG002
    ) -> Accepted | None:
        refuse_outsiders(to, self._mode)
        asked = {"reference": str(attempt), "template_type": "sms"}
        url = f"{self._api}/v2/notifications"
        answer = await self._line.ask("GET", url, params=asked, headers=self._headers(), seconds=LOOK_UP_SECONDS)
        found = _read(answer).get("notifications")
        for one in found if isinstance(found, list) else ():
            if isinstance(one, dict) and one.get("reference") == str(attempt) and isinstance(one.get("id"), str):
                return Accepted(one["id"], str(one.get("status", "")))
        return None

    async def close(self) -> None:
        await self._line.close()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {sign(self._service, self._secret, int(self._clock().timestamp()))}"}


def sign(service: str, secret: str, at: int) -> str:
    """The token of one request (RFC 7519, HS256): who asks, and when, in seconds since 1970. Good for thirty of them."""
    parts = ({"typ": "JWT", "alg": "HS256"}, {"iss": service, "iat": at})
    said = b".".join(_encode(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return (said + b"." + _encode(hmac.new(secret.encode(), said, hashlib.sha256).digest())).decode()


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _read(answer: Answer) -> dict[str, Any]:
    """What Notify says, if it has done what was asked. Raises DeliveryError."""
    try:
        said = json.loads(answer.text)
    except ValueError:
        said = None
    body = said if isinstance(said, dict) else {}
    if 200 <= answer.status < 300:
        if not body:  # not what Notify answers: somebody between us
            raise DeliveryError(Reason.PROVIDER_FAULT, permanent=False, certain=False)
        return body
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    raise read_refusal(answer.status, str(first.get("error", "")))


def read_refusal(status: int, error: str) -> DeliveryError:
    """What an answer of 300 or more says. After a 5xx it is open whether the text goes out."""
    fault = status >= 500
    unlisted = (Reason.PROVIDER_FAULT, False) if fault else (Reason.REFUSED, True)
    if status in (401, 403):
        unlisted = (Reason.NOT_ALLOWED, True)
    if status in (408, 429):
        unlisted = (Reason.TOO_MANY, False)
    reason, permanent = CODES.get((status, error), unlisted)
    return DeliveryError(reason, permanent=permanent, certain=not fault, code=f"{status} {error}".strip()[:64])
