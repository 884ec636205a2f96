"""What GOV.UK Notify tells us: receipts and replies, with the bearer token that it was told to send."""

import re
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask

from desk.callbacks import NOTIFY, REFUSALS, Callbacks, attempt_of, need
from notifiers.answering import answer
from notifiers.replies import Incoming
from store.receipts import Receipt

UK = re.compile(r"0([1-9][0-9]{8,9})")
ABROAD = re.compile(r"\+?([1-9][0-9]{6,14})")


def router(callbacks: Callbacks) -> APIRouter:
    """POST /notify/status and POST /notify/messages: both are set in Notify, under API integration, Callbacks."""
    routes = APIRouter()
    heard = Heard(callbacks)
    for path, handler, summary in (
        ("/notify/status", heard.status, "A receipt: what became of a text"),
        ("/notify/messages", heard.message, "A reply from a phone; its answer is a text of its own"),
    ):
        routes.add_api_route(path, handler, methods=["POST"], status_code=204, responses=REFUSALS, summary=summary)
    return routes


@dataclass(frozen=True)
class Heard:
    """The two handlers and what they need."""

    callbacks: Callbacks

    async def status(self, request: Request) -> Response:
        """Keep the receipt and move its attempt. 204 for every one with the token, however late or often it comes."""
        fields = await self.callbacks.message(request)
        receipt = Receipt(
            NOTIFY, need(fields, "id"), need(fields, "status"), attempt=attempt_of(fields.get("reference"))
        )
        await self.callbacks.settle(receipt)
        return Response(status_code=204)

    async def message(self, request: Request) -> Response:
        """Do what the phone asks, once. What is said back goes out as a text, once Notify has its 204."""
        fields = await self.callbacks.message(request)
        sender = number(need(fields, "source_number"))
        incoming = Incoming(NOTIFY, need(fields, "id"), sender, fields.get("message", "").replace("\x00", ""))
        text = await self.callbacks.reply(incoming)
        if text is None:
            return Response(status_code=204)
        return Response(status_code=204, background=BackgroundTask(answer, self.callbacks.settings, sender, text))


def number(said: str) -> str:
    """A number as Notify writes it ("447700912345", "07700912345"), in E.164. What is none stays as it is: nobody's."""
    digits = re.sub(r"[\s().-]", "", said)
    if uk := UK.fullmatch(digits):
        return f"+44{uk[1]}"
    if abroad := ABROAD.fullmatch(digits):
        return f"+{abroad[1]}"
    return said
