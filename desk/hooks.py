"""What providers tell us: receipts, replies and keys. Proven to be theirs, or refused without a word about why (reliability R22)."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from desk import calls, notify
from desk.callbacks import REFUSALS, TWILIO, Callbacks, attempt_of, need
from notifiers.replies import Incoming
from notifiers.twiml import say
from schemas.base import Clock
from schemas.metrics import Metrics
from schemas.settings import Settings
from schemas.wire import Sealer
from store.receipts import Receipt


def router(engine: AsyncEngine, settings: Settings, sealer: Sealer, metrics: Metrics, clock: Clock) -> APIRouter:
    """Everything below /twilio and /notify: what providers call, at the addresses under PUBLIC_URL."""
    routes = APIRouter(tags=["providers"])
    callbacks = Callbacks(engine, settings, sealer, metrics, clock)
    hooks = Hooks(callbacks)
    routes.add_api_route(
        "/twilio/status",
        hooks.status,
        methods=["POST"],
        status_code=204,
        responses=REFUSALS,
        summary="A receipt: what became of a text",
    )
    routes.add_api_route(
        "/twilio/messages",
        hooks.message,
        methods=["POST"],
        response_class=Response,
        responses=REFUSALS,
        summary="A reply from a phone; the answer is TwiML",
    )
    routes.include_router(calls.router(callbacks))
    routes.include_router(notify.router(callbacks))
    return routes


@dataclass(frozen=True)
class Hooks:
    """Twilio's texts: the two handlers and what they need."""

    callbacks: Callbacks

    async def status(self, request: Request) -> Response:
        """Keep the receipt and move its attempt. 204 for every one that is signed, however late or often it comes."""
        fields = await self.callbacks.form(request)
        await self.callbacks.settle(
            Receipt(
                TWILIO,
                need(fields, "MessageSid"),
                need(fields, "MessageStatus"),
                fields.get("ErrorCode") or None,
                attempt_of(request.query_params.get("attempt")),
            )
        )
        return Response(status_code=204)

    async def message(self, request: Request) -> Response:
        """Do what the phone asks, once, and answer it. The same message again has the same answer."""
        fields = await self.callbacks.form(request)
        incoming = Incoming(
            TWILIO,
            need(fields, "MessageSid"),
            need(fields, "From"),
            fields.get("Body", ""),
            fields.get("OptOutType") or None,
        )
        return Response(say(await self.callbacks.reply(incoming)), media_type="application/xml")
