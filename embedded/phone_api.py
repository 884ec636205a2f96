"""The phone's two faces over HTTP: Twilio's REST API as Twilio documents it, and `/phone/…` for whoever plays the owners."""

import hmac
from base64 import b64decode
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from starlette.responses import Response

from embedded import calls
from embedded.behaviour import EVERYBODY, TWILIO, Mode
from embedded.calls import VOICE, Call
from embedded.cut import CUT, CutOff
from embedded.network import Phone, Text
from embedded.notify_api import Notify
from embedded.owners import Owners
from embedded.reporting import E164, Reporting
from schemas.web import service

API = "/2010-04-01/Accounts/{account}/Messages"
CALLS = "/2010-04-01/Accounts/{account}/Calls"

REFUSALS: dict[Mode, tuple[int, int, str]] = {
    # HTTP status, Twilio's code, Twilio's words
    Mode.TOO_MANY: (429, 20429, "Too Many Requests"),
    Mode.FAULT: (500, 20500, "An internal server error has occurred"),
    Mode.INVALID: (400, 21211, "Invalid 'To' Phone Number"),
    Mode.OPTED_OUT: (400, 21610, "Attempt to send to unsubscribed recipient"),
}


def build(phone: Phone) -> FastAPI:
    """The ASGI app of one phone. The paths that Twilio documents, and our own below `/phone`."""
    app = service("The phone on the screen", ready=_always, registry=CollectorRegistry())
    reporting = Reporting(phone)
    twilio, owners, notify = Provider(phone, reporting), Owners(phone), Notify(phone, reporting)
    for path, handler, method in (
        (API + ".json", twilio.create, "POST"),
        (API + ".json", twilio.list, "GET"),
        (API + "/{sid}.json", twilio.fetch, "GET"),
        (CALLS + ".json", twilio.call, "POST"),
        ("/v2/notifications/sms", notify.send, "POST"),
        ("/v2/notifications", notify.list, "GET"),
        ("/v2/notifications/{id}", notify.fetch, "GET"),
        ("/chat/{room}", owners.chat, "POST"),
        ("/phone/calls", owners.calls, "GET"),
        ("/phone/press", owners.press, "POST"),
        ("/phone/mails", owners.mails, "GET"),
        ("/phone/chats", owners.chats, "GET"),
        ("/phone/texts", owners.texts, "GET"),
        ("/phone/conversation", owners.conversation, "GET"),
        ("/phone/reply", owners.reply, "POST"),
        ("/phone/behave", owners.behave, "POST"),
    ):
        app.add_api_route(path, handler, methods=[method], response_model=None)
    return app


class Provider:
    """Twilio's Message resource: create, list, fetch; and its Call resource: create."""

    def __init__(self, phone: Phone, reporting: Reporting) -> None:
        self._phone = phone
        self._reporting = reporting

    async def create(self, account: str, request: Request) -> Response:
        phone = self._phone
        phone.requests += 1
        if not _is_known(phone, account, request):
            return refuse(401, 20003, "Authenticate")
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
        behaviour = phone.behaviour(to)
        if (complaint := _complaint(phone, to, sender, body)) is not None:
            return complaint
        if behaviour.mode in REFUSALS:
            return refuse(*REFUSALS[behaviour.mode])
        validity = form.get("ValidityPeriod")
        text = phone.take(to, sender, body, form.get("StatusCallback"), int(validity) if validity else None)
        await self._reporting.report(text, early=behaviour.mode is Mode.EARLY)
        await phone.dawdle(to, TWILIO)
        return CutOff() if behaviour.mode in CUT else JSONResponse(describe(phone, text, "queued"), status_code=201)

    async def list(self, account: str, request: Request) -> Response:
        phone = self._phone
        phone.requests += 1
        if not _is_known(phone, account, request):
            return refuse(401, 20003, "Authenticate")
        to = request.query_params.get("To")
        behaviour = phone.behaviour(to or EVERYBODY)
        if behaviour.mode in (Mode.TOO_MANY, Mode.FAULT):
            return refuse(*REFUSALS[behaviour.mode])
        found = [describe(phone, text) for text in reversed(phone.texts) if to in (None, text.to)]
        return JSONResponse({"messages": found, "page": 0, "page_size": len(found), "next_page_uri": None})

    async def fetch(self, account: str, sid: str, request: Request) -> Response:
        phone = self._phone
        phone.requests += 1
        if not _is_known(phone, account, request):
            return refuse(401, 20003, "Authenticate")
        found = [text for text in phone.texts if text.sid == sid]
        if not found:
            return refuse(404, 20404, "The requested resource was not found")
        return JSONResponse(describe(phone, found[0]))

    async def call(self, account: str, request: Request) -> Response:
        phone = self._phone
        phone.requests += 1
        if not _is_known(phone, account, request):
            return refuse(401, 20003, "Authenticate")
        form = parse_qs((await request.body()).decode(), keep_blank_values=True)
        asked = {name: values[-1] for name, values in form.items()}
        to, sender = asked.get("To", ""), asked.get("From", "")
        mode = phone.behaviour(to, VOICE).mode
        if not E164.fullmatch(to):
            return refuse(400, 21211, "Invalid 'To' Phone Number")
        if sender != phone.sender:
            return refuse(400, 21210, "'From' phone number not verified")
        if not asked.get("Url"):
            return refuse(400, 21205, "Url is not a valid URL")
        if mode in REFUSALS:
            return refuse(*REFUSALS[mode])
        url, status, machine = (
            calls.without_fragment(asked.get(name)) for name in ("Url", "StatusCallback", "AsyncAmdStatusCallback")
        )
        call = Call(phone.new_id("CA"), to, sender, url or "", status, machine, asked, datetime.now(UTC))
        phone.calls.append(call)
        phone.unreported += 1
        if mode is Mode.EARLY:
            await phone.ring(call)
        else:
            self._reporting.later(phone.ring(call))
        await phone.dawdle(to, VOICE)
        if mode in CUT:
            return CutOff()
        shown = {"sid": call.sid, "status": "queued", "to": to, "from": sender, "account_sid": account}
        return JSONResponse({**shown, "subresource_uris": {}}, status_code=201)


async def _always() -> list[str]:
    return []


def describe(phone: Phone, text: Text, status: str | None = None) -> dict[str, Any]:
    """A message as Twilio's API shows it."""
    return {
        "sid": text.sid,
        "account_sid": phone.account,
        "api_version": "2010-04-01",
        "body": text.body,
        "date_created": format_datetime(text.at),
        "date_updated": format_datetime(text.at),
        "date_sent": None,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": text.sender,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "GBP",
        "status": status or text.status,
        "subresource_uris": {},
        "to": text.to,
        "uri": f"/2010-04-01/Accounts/{phone.account}/Messages/{text.sid}.json",
    }


def refuse(status: int, code: int, message: str) -> Response:
    """An error as Twilio's API gives it."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return JSONResponse({"code": code, "message": message, "more_info": more, "status": status}, status_code=status)


def _complaint(phone: Phone, to: str, sender: str, body: str) -> Response | None:
    if not E164.fullmatch(to):
        return refuse(400, 21211, "Invalid 'To' Phone Number")
    if sender != phone.sender:
        return refuse(400, 21606, "The 'From' phone number is not a valid, message-capable Twilio phone number")
    if not body:
        return refuse(400, 21602, "Message body is required.")
    if len(body) > 1600:
        return refuse(400, 21617, "The concatenated message body exceeds the 1600 character limit")
    return None


def _is_known(phone: Phone, account: str, request: Request) -> bool:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    expected = f"{phone.account}:{phone.token}".encode()
    try:
        said = b64decode(given)
    except ValueError:
        return False
    return kind.casefold() == "basic" and account == phone.account and hmac.compare_digest(said, expected)
