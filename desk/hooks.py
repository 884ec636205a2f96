"""What providers tell us: receipts and replies. Signed, or refused without a word about what was expected (reliability R22)."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from notifiers import clocks, replies, settle
from notifiers.replies import Incoming
from notifiers.signature import is_signed, tokens_of
from notifiers.twiml import say
from schemas.base import Clock
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.settings import Settings
from schemas.wire import Sealer
from store.receipts import Receipt

TWILIO = "twilio"
LONGEST = 64 * 1024
FORM = "application/x-www-form-urlencoded"


def router(engine: AsyncEngine, settings: Settings, sealer: Sealer, metrics: Metrics, clock: Clock) -> APIRouter:
    """POST /twilio/status and POST /twilio/messages: what Twilio calls, at the addresses under PUBLIC_URL."""
    routes = APIRouter(tags=["providers"])
    hooks = Hooks(engine, settings, sealer, metrics, clock)
    refusals: dict[int | str, dict[str, Any]] = {
        403: {"description": "Not signed by Twilio"},
        400: {"description": "Not a form that Twilio sends"},
    }
    routes.add_api_route(
        "/twilio/status",
        hooks.status,
        methods=["POST"],
        status_code=204,
        responses=refusals,
        summary="A receipt: what became of a text",
    )
    routes.add_api_route(
        "/twilio/messages",
        hooks.message,
        methods=["POST"],
        response_class=Response,
        responses=refusals,
        summary="A reply from a phone; the answer is TwiML",
    )
    return routes


@dataclass(frozen=True)
class Hooks:
    """The two handlers and what they need."""

    engine: AsyncEngine
    settings: Settings
    sealer: Sealer
    metrics: Metrics
    clock: Clock

    async def status(self, request: Request) -> Response:
        """Keep the receipt and move its attempt. 204 for every one that is signed, however late or often it comes."""
        fields = await self._read(request)
        receipt = Receipt(
            TWILIO,
            _need(fields, "MessageSid"),
            _need(fields, "MessageStatus"),
            fields.get("ErrorCode") or None,
            _attempt(request.query_params.get("attempt")),
        )
        now = self.clock()
        async with self.engine.begin() as connection:
            settled = await settle.take(connection, receipt, at=now)
        if settled is not None:
            settle.observe(self.metrics, receipt, settled, at=now)
            logger().info("receipt", attempt=str(settled.attempt), state=settled.state.value, code=receipt.code)
        return Response(status_code=204)

    async def message(self, request: Request) -> Response:
        """Do what the phone asks, once, and answer it. The same message again has the same answer."""
        fields = await self._read(request)
        incoming = Incoming(
            TWILIO,
            _need(fields, "MessageSid"),
            _need(fields, "From"),
            fields.get("Body", ""),
            fields.get("OptOutType") or None,
        )
        async with self.engine.begin() as connection:
            replied = await replies.take(
                connection, incoming, sealer=self.sealer, sign_in=self.settings.base_url, at=self.clock()
            )
        if replied.answered is not None:
            clocks.observe(self.metrics, replied.answered)
            logger().info("reply", page=str(replied.answered.page), outcome=replied.answered.answer.value)
        return Response(say(replied.text), media_type="application/xml")

    async def _read(self, request: Request) -> dict[str, str]:
        """The form's fields, if Twilio has signed them. Raises HTTPException 403 or 400, which say nothing of why."""
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
            logger().warning("bad-signature", provider=TWILIO, url=request.url.path)
            raise HTTPException(403)
        return fields


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST:
            raise HTTPException(413)
    return body


def _need(fields: dict[str, str], name: str) -> str:
    value = fields.get(name, "")
    if not value:
        raise HTTPException(400)
    return value


def _attempt(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None  # signed, and not ours: kept, and it moves nothing
