"""`/phone/…`: whoever plays the owners of made-up phones reads, answers and switches off here. And the team's chat room."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import httpx2
from fastapi import Request
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel
from starlette.responses import Response

from embedded.behaviour import CHAT, EVERYBODY, TWILIO, Mode
from embedded.cut import CUT, CutOff
from embedded.network import Chat, Phone

CHAT_REFUSALS: dict[Mode, tuple[int, str]] = {
    Mode.TOO_MANY: (429, "rate_limited"),
    Mode.FAULT: (500, "rollup_error"),
    Mode.INVALID: (404, "channel_not_found"),
    Mode.OPTED_OUT: (410, "channel_is_archived"),
}


class Reply(BaseModel):
    """Somebody answers."""

    number: str
    body: str


class Behave(BaseModel):
    """How the network treats a number from now on; `*` is every one without a behaviour of its own."""

    number: str = EVERYBODY
    mode: Mode = Mode.DELIVER
    seconds: float = 0
    provider: str = TWILIO


class Press(BaseModel):
    """Somebody presses a key in a call."""

    number: str
    key: str


class Owners:
    """Whoever holds the phones: reads, answers, switches them off."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    async def texts(self, number: str | None = None) -> list[dict[str, Any]]:
        shown = ("sid", "to", "body", "status", "rang", "at")
        chosen = (text for text in self._phone.texts if number in (None, text.to))
        return [{name: getattr(text, name) for name in shown} for text in chosen]

    async def calls(self) -> list[dict[str, Any]]:
        shown = ("sid", "to", "status", "heard", "at")
        return [{name: getattr(call, name) for name in shown} for call in self._phone.calls]

    async def press(self, what: Press) -> dict[str, str]:
        return {"heard": await self._phone.press(what.number, what.key)}

    async def mails(self) -> list[dict[str, Any]]:
        shown = ("to", "subject", "text", "at")
        return [{name: getattr(mail, name) for name in shown} for mail in self._phone.mails]

    async def chats(self) -> list[dict[str, Any]]:
        shown = ("room", "text", "at")
        return [{name: getattr(said, name) for name in shown} for said in self._phone.chats]

    async def chat(self, room: str, request: Request) -> Response:
        """A chat's incoming webhook, as Slack's: it takes a JSON object with `text`, and answers in a word."""
        phone = self._phone
        phone.requests += 1
        mode = phone.behaviour(room, CHAT).mode
        if mode in CHAT_REFUSALS:
            status, words = CHAT_REFUSALS[mode]
            return PlainTextResponse(words, status_code=status)
        body = await request.body()
        try:
            good = isinstance(json.loads(body)["text"], str)
        except (ValueError, KeyError, TypeError):
            good = False
        if not good:
            return PlainTextResponse("invalid_payload", status_code=400)
        phone.chats.append(Chat(room, body, dict(request.headers), datetime.now(UTC)))
        await phone.dawdle(room, CHAT)
        return CutOff() if mode in CUT else PlainTextResponse("ok")

    async def conversation(self) -> list[dict[str, Any]]:
        return [asdict(said) for said in self._phone.conversation]

    async def reply(self, said: Reply) -> Response:
        try:
            return JSONResponse({"answer": await self._phone.reply(said.number, said.body)})
        except httpx2.HTTPError as problem:
            return JSONResponse({"answer": None, "error": type(problem).__name__}, status_code=502)

    async def behave(self, how: Behave) -> Response:
        self._phone.behave(how.mode, how.number, seconds=how.seconds, provider=how.provider)
        return Response(status_code=204)
