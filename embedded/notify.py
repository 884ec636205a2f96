"""What GOV.UK Notify tells the desk, as it documents it: receipts and replies, with the bearer token it was given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx2

from schemas.authorities import authorities

if TYPE_CHECKING:
    from embedded.network import Phone, Text

NOTIFY = "notify"
SERVICE = "5b1e7a54-0000-4000-8000-000000000001"
SECRET = "5b1e7a54-0000-4000-8000-00000000c0de"  # noqa: S105 - of nobody's service
KEY = f"made-up-{SERVICE}-{SECRET}"
TEMPLATE = "5b1e7a54-0000-4000-8000-0000000007e1"
CALLBACK_TOKEN = "made-up-callback-token"  # noqa: S105

FINAL = {"delivered": "delivered", "undelivered": "temporary-failure", "failed": "technical-failure"}
"""Twilio's word, in which the network thinks: Notify's. It sends no receipt for the others, but its record has them."""
RECORDED = {"accepted": "created", "queued": "created", "sent": "sending", **FINAL}


async def send_receipt(phone: Phone, text: Text, status: str, *, reference: str | None = None) -> int:
    """One receipt; returns the desk's HTTP status, 0 if none is sent or it could not be reached."""
    if phone.notify_token is None or status not in FINAL:
        return 0
    body = {
        "id": text.sid,
        "reference": reference or text.reference,
        "to": text.to,
        "status": FINAL[status],
        "created_at": _written(text.at),
        "completed_at": _written(datetime.now(UTC)),
        "sent_at": _written(text.at),
        "notification_type": "sms",
        "template_id": TEMPLATE,
        "template_version": 1,
    }
    code = await post(phone, "/notify/status", body)
    phone.callbacks.append((FINAL[status], code))
    return code


async def reply(phone: Phone, number: str, body: str, *, id: str | None = None) -> int:  # noqa: A002 - Notify's word
    """The owner of this phone answers a text that came through Notify; returns the desk's HTTP status."""
    said = {
        "id": id or str(uuid4()),
        "source_number": number.removeprefix("+"),
        "destination_number": "07700900998",
        "message": body,
        "date_received": _written(datetime.now(UTC)),
    }
    return await post(phone, "/notify/messages", said)


async def post(phone: Phone, path: str, body: dict[str, Any], *, token: str | None = None) -> int:
    """One callback; returns the desk's HTTP status, 0 if it could not be reached."""
    headers = {"Authorization": f"Bearer {token or phone.notify_token}"}
    try:
        async with httpx2.AsyncClient(verify=authorities(), timeout=15, trust_env=False) as http:
            return (await http.post(f"{phone.desk}{path}", json=body, headers=headers)).status_code
    except httpx2.HTTPError:
        return 0


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
