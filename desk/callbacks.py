"""What every provider's callback needs: proof of who sent it, a body that is not endless, and one place where receipts go."""

import hmac
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import HTTPException, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from notifiers import clocks, failover, providers, replies, settle
from notifiers.channel import PROVIDERS_OWN
from notifiers.replies import Incoming
from notifiers.signature import is_signed, tokens_of
from schemas.base import Clock
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.pages import Channel
from schemas.settings import Settings
from schemas.wire import Sealer
from store.receipts import Receipt

TWILIO = "twilio"
NOTIFY = "notify"
LONGEST = 64 * 1024
FORM = "application/x-www-form-urlencoded"

REFUSALS: dict[int | str, dict[str, Any]] = {
    403: {"description": "Not signed by the provider, or without its token"},
    400: {"description": "Not what the provider sends"},
}


@dataclass(frozen=True)
class Callbacks:
    """What the handlers share."""

    engine: AsyncEngine
    settings: Settings
    sealer: Sealer
    metrics: Metrics
    clock: Clock

    async def settle(self, receipt: Receipt) -> None:
        """Keep a receipt and move its attempt. One that the provider itself is to blame for counts against the provider."""
        now = self.clock()
        async with self.engine.begin() as connection:
            settled = await settle.take(connection, receipt, at=now)
            meant = settle.read(receipt)
            if settled is not None and meant is not None and meant[1] in PROVIDERS_OWN:
                channel = Channel(settled.channel)
                order = providers.names(self.settings).get(channel, [])
                await failover.fault(connection, channel, receipt.provider, meant[1], order=order, at=now)
        if settled is not None:
            settle.observe(self.metrics, receipt, settled, at=now)
            logger().info("receipt", attempt=str(settled.attempt), state=settled.state.value, code=receipt.code)

    async def reply(self, incoming: Incoming) -> str | None:
        """Do what a reply asks, once; what is to be said back, None is silence."""
        async with self.engine.begin() as connection:
            replied = await replies.take(
                connection, incoming, sealer=self.sealer, sign_in=self.settings.base_url, at=self.clock()
            )
        if replied.outcome is not None:
            self.metrics.replies.labels(outcome=replied.outcome).inc()
        if replied.answered is not None:
            clocks.observe(self.metrics, replied.answered)
            logger().info("reply", page=str(replied.answered.page), outcome=replied.answered.answer.value)
        return replied.text

    async def form(self, request: Request) -> dict[str, str]:
        """The form's fields, if Twilio has signed them. Raises HTTPException 403, 400 or 413, which say nothing of why."""
        body = await _body(request)
        if not request.headers.get("content-type", "").startswith(FORM):
            raise HTTPException(400)
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise HTTPException(400)  # which of the two would have been signed, and which acted on?
        query = f"?{request.url.query}" if request.url.query else ""
        url = f"{self.settings.base_url}{request.url.path}{query}"
        if not is_signed(url, fields, request.headers.get("x-twilio-signature", ""), tokens_of(self.settings)):
            raise _refused(request, TWILIO)
        return fields

    async def message(self, request: Request) -> dict[str, str]:
        """The fields of GOV.UK Notify's JSON that are text, if it has sent our token. Raises HTTPException as `form`."""
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        token = self.settings.notify_callback_token
        expected = token.get_secret_value() if token else ""
        same = hmac.compare_digest(given.strip().encode(), expected.encode())
        if not (same and expected and kind.casefold() == "bearer"):
            raise _refused(request, NOTIFY)
        body = await _body(request)
        try:
            said = json.loads(body)
        except ValueError as problem:
            raise HTTPException(400) from problem
        if not isinstance(said, dict):
            raise HTTPException(400)
        return {name: value for name, value in said.items() if isinstance(value, str)}


def need(fields: dict[str, str], name: str) -> str:
    """A field that is always there. Raises HTTPException 400."""
    value = fields.get(name, "")
    if not value or "\x00" in value:
        raise HTTPException(400)
    return value


def attempt_of(text: str | None) -> UUID | None:
    """Our own id, as it comes back with a callback; None if it is none."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None  # signed, and not ours: kept, and it moves nothing


def _refused(request: Request, provider: str) -> HTTPException:
    logger().warning("bad-signature", provider=provider, url=request.url.path)
    return HTTPException(403)


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST:
            raise HTTPException(413)
    return body
