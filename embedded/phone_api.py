"""The phone's two faces over HTTP: Twilio's REST API as Twilio documents it, and `/phone/…` for whoever plays the owners."""

import asyncio
import hmac
import re
from base64 import b64decode
from dataclasses import asdict
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

import httpx2
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from embedded.network import EVERYBODY, Mode, Phone, Text
from schemas.web import service

API = "/2010-04-01/Accounts/{account}/Messages"
E164 = re.compile(r"\+[1-9][0-9]{6,14}")

REFUSALS: dict[Mode, tuple[int, int, str]] = {
    # HTTP status, Twilio's code, Twilio's words
    Mode.TOO_MANY: (429, 20429, "Too Many Requests"),
    Mode.FAULT: (500, 20500, "An internal server error has occurred"),
    Mode.INVALID: (400, 21211, "Invalid 'To' Phone Number"),
    Mode.OPTED_OUT: (400, 21610, "Attempt to send to unsubscribed recipient"),
}
CUT = frozenset({Mode.LOST_REPLY, Mode.LOST_SILENT})


class Reply(BaseModel):
    """Somebody answers."""

    number: str
    body: str


class Behave(BaseModel):
    """How the network treats a number from now on; `*` is every one without a behaviour of its own."""

    number: str = EVERYBODY
    mode: Mode = Mode.DELIVER
    seconds: float = 0


class CutOff(Response):
    """An answer that breaks off in the middle: the headers promise more than comes, and the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"sid": "', "more_body": True})


def build(phone: Phone) -> FastAPI:
    """The ASGI app of one phone. The paths that Twilio documents, and our own below `/phone`."""
    app = service("The phone on the screen", ready=_always, registry=CollectorRegistry())
    twilio, owners = Provider(phone), Owners(phone)
    for path, handler, method in (
        (API + ".json", twilio.create, "POST"),
        (API + ".json", twilio.list, "GET"),
        (API + "/{sid}.json", twilio.fetch, "GET"),
        ("/phone/texts", owners.texts, "GET"),
        ("/phone/conversation", owners.conversation, "GET"),
        ("/phone/reply", owners.reply, "POST"),
        ("/phone/behave", owners.behave, "POST"),
    ):
        app.add_api_route(path, handler, methods=[method], response_model=None)
    return app


class Provider:
    """Twilio's Message resource: create, list, fetch."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._reporting: set[asyncio.Task[None]] = set()

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
        if behaviour.mode is Mode.EARLY:
            await phone.report(text)
        else:
            self._report_later(text)
        if behaviour.mode is Mode.SLOW:
            await asyncio.sleep(behaviour.seconds)
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

    def _report_later(self, text: Text) -> None:
        task = asyncio.create_task(self._phone.report(text))
        self._reporting.add(task)
        task.add_done_callback(self._reporting.discard)


class Owners:
    """Whoever holds the phones: reads, answers, switches them off."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    async def texts(self, number: str | None = None) -> list[dict[str, Any]]:
        shown = ("sid", "to", "body", "status", "rang", "at")
        chosen = (text for text in self._phone.texts if number in (None, text.to))
        return [{name: getattr(text, name) for name in shown} for text in chosen]

    async def conversation(self) -> list[dict[str, Any]]:
        return [asdict(said) for said in self._phone.conversation]

    async def reply(self, said: Reply) -> Response:
        try:
            return JSONResponse({"answer": await self._phone.reply(said.number, said.body)})
        except httpx2.HTTPError as problem:
            return JSONResponse({"answer": None, "error": type(problem).__name__}, status_code=502)

    async def behave(self, how: Behave) -> Response:
        self._phone.behave(how.mode, how.number, seconds=how.seconds)
        return Response(status_code=204)


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
