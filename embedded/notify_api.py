"""GOV.UK Notify's REST API as its technical documentation has it: send a text, and find what became of one."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any
from uuid import UUID, uuid4

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from embedded.behaviour import Mode
from embedded.cut import CUT, CutOff
from embedded.network import Phone, Text
from embedded.notify import NOTIFY, RECORDED, SECRET, SERVICE, TEMPLATE
from embedded.reporting import E164, Reporting

CLOCK_WITHIN = 30
"""Seconds by which a caller's clock may be wrong."""

REFUSALS: dict[Mode, tuple[int, str, str]] = {
    Mode.TOO_MANY: (429, "RateLimitError", "Exceeded rate limit for key type LIVE of 3000 requests per 60 seconds"),
    Mode.FAULT: (500, "Exception", "Internal server error"),
    Mode.INVALID: (400, "ValidationError", "phone_number Not a UK mobile number"),
    Mode.OPTED_OUT: (
        400,
        "BadRequestError",
        "Can't send to this recipient when service is in trial mode - see https://www.notifications.service.gov.uk/trial-mode",
    ),
}


class Notify:
    """`POST /v2/notifications/sms`, `GET /v2/notifications` and `GET /v2/notifications/{id}`."""

    def __init__(self, phone: Phone, reporting: Reporting) -> None:
        self._phone = phone
        self._reporting = reporting

    async def send(self, request: Request) -> Response:
        phone = self._phone
        phone.requests += 1
        if (stranger := _stranger(request)) is not None:
            return stranger
        try:
            asked: dict[str, Any] = json.loads(await request.body())
        except ValueError:
            return refuse(400, "BadRequestError", "Invalid JSON supplied in POST data")
        to, words = str(asked.get("phone_number", "")), asked.get("personalisation", {}).get("text")
        mode = phone.behaviour(to, NOTIFY).mode
        if (complaint := _complaint(asked, to, words)) is not None:
            return complaint
        if mode in REFUSALS:
            return refuse(*REFUSALS[mode])
        text = phone.take_from_notify(str(uuid4()), to, str(words), asked.get("reference"))
        await self._reporting.report(text, early=mode is Mode.EARLY)
        await phone.dawdle(to, NOTIFY)
        return CutOff() if mode in CUT else JSONResponse(_answer(text), status_code=201)

    async def list(self, request: Request) -> Response:
        phone = self._phone
        phone.requests += 1
        if (stranger := _stranger(request)) is not None:
            return stranger
        reference = request.query_params.get("reference")
        found = [text for text in reversed(phone.texts) if text.provider == NOTIFY and text.reference == reference]
        if any(phone.behaviour(text.to, NOTIFY).mode is Mode.FAULT for text in found):
            return refuse(*REFUSALS[Mode.FAULT])
        shown = [_describe(text) for text in found]
        return JSONResponse({"notifications": shown, "links": {"current": str(request.url)}})

    async def fetch(self, id: str, request: Request) -> Response:  # noqa: A002 - Notify's word
        phone = self._phone
        phone.requests += 1
        if (stranger := _stranger(request)) is not None:
            return stranger
        for text in phone.texts:
            if text.sid == id:
                return JSONResponse(_describe(text))
        return refuse(404, "NoResultFound", "No result found")


def refuse(status: int, error: str, message: str) -> Response:
    """An error as Notify's API gives it."""
    said = {"status_code": status, "errors": [{"error": error, "message": message}]}
    return JSONResponse(said, status_code=status)


def _stranger(request: Request) -> Response | None:
    """What is answered to a request without a good token; None to one with."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    said, _, signature = token.rpartition(".")
    expected = hmac.new(SECRET.encode(), said.encode(), hashlib.sha256).digest()
    try:
        header, claims = (json.loads(_decode(part)) for part in said.split("."))
        good = hmac.compare_digest(_decode(signature), expected) and header["alg"] == "HS256"
        if not good or claims["iss"] != SERVICE:
            return refuse(403, "AuthError", "Invalid token: API key not found")
        if abs(time.time() - claims["iat"]) > CLOCK_WITHIN:
            return refuse(403, "AuthError", "Error: Your system clock must be accurate to within 30 seconds")
    except (ValueError, KeyError, TypeError):
        return refuse(403, "AuthError", "Invalid token: signature, api token is not valid")
    return None


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _complaint(asked: dict[str, Any], to: str, words: Any) -> Response | None:
    try:
        template = str(UUID(str(asked.get("template_id"))))
    except ValueError:
        return refuse(400, "ValidationError", "template_id is not a valid UUID")
    if template != TEMPLATE:
        return refuse(400, "BadRequestError", "Template not found")
    if not E164.fullmatch(to):
        return refuse(400, "ValidationError", "phone_number Not enough digits")
    if not words:
        return refuse(400, "BadRequestError", "Missing personalisation: text")
    return None


def _answer(text: Text) -> dict[str, Any]:
    return {
        "id": text.sid,
        "reference": text.reference,
        "content": {"body": text.body, "from_number": text.sender},
        "uri": f"https://api.notifications.service.gov.uk/v2/notifications/{text.sid}",
        "template": _template(),
    }


def _describe(text: Text) -> dict[str, Any]:
    nothing = dict.fromkeys(("email_address", "subject", "postcode", *(f"line_{number}" for number in range(1, 7))))
    return {
        **nothing,
        "id": text.sid,
        "reference": text.reference,
        "phone_number": text.to,
        "type": "sms",
        "status": RECORDED.get(text.status, "created"),
        "template": _template(),
        "body": text.body,
        "created_at": text.at.isoformat(),
        "sent_at": text.at.isoformat(),
        "completed_at": None,
    }


def _template() -> dict[str, Any]:
    return {
        "id": TEMPLATE,
        "version": 1,
        "uri": f"https://api.notifications.service.gov.uk/v2/template/{TEMPLATE}",
    }
