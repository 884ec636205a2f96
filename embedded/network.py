"""Every made-up phone, and the network in front of them: what it remembers, how it fails, and what it tells the desk.

It fails in all the ways that are known (`Mode`), and signs what it tells the desk as Twilio would.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urldefrag, urlencode
from xml.etree import ElementTree

import httpx2

from embedded import calls, notify
from embedded.behaviour import DELIVERED, EVERYBODY, RECEIPTS, RINGS, TWILIO, Behaviour, Mode
from embedded.calls import VOICE, Call, Ring
from embedded.mail import Mail
from embedded.notify import NOTIFY
from schemas.authorities import authorities

SENDER = "+447700900999"


class UnexpectedTextError(AssertionError):
    """A phone has a text that no story asked for."""


@dataclass
class Text:
    """One text as the network has it. `callback` without the fragment, which is never sent."""

    sid: str
    to: str
    sender: str
    body: str
    callback: str | None
    validity: int | None
    at: datetime
    status: str = "accepted"
    rang: bool = False
    provider: str = TWILIO
    reference: str | None = None


@dataclass(frozen=True)
class Chat:
    """A message in a team's chat, as its webhook has taken it. `headers` by their names in small letters."""

    room: str
    body: bytes
    headers: dict[str, str]
    at: datetime

    @property
    def text(self) -> str:
        said: str = json.loads(self.body)["text"]
        return said


@dataclass
class Answered:
    """A reply from a phone: what was said, and what the desk said back (None is silence)."""

    number: str
    body: str
    answer: str | None
    at: datetime


@dataclass
class Phone:
    """What is remembered and how it behaves. One per provider; safe to ask from any thread."""

    account: str
    token: str
    desk: str
    sender: str = SENDER
    url: str = ""
    texts: list[Text] = field(default_factory=list)
    conversation: list[Answered] = field(default_factory=list)
    requests: int = 0
    unreported: int = 0  # texts whose receipts are still to be sent
    callbacks: list[tuple[str, int]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    chats: list[Chat] = field(default_factory=list)
    notify_token: str | None = None  # what Notify sends with its callbacks; None: it has been told none, and sends none
    smtp_port: int = 0
    telephones: dict[str, Ring] = field(default_factory=dict)
    behaviours: dict[tuple[str, str], Behaviour] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _expected: set[str] = field(default_factory=set)

    def behave(self, mode: Mode, number: str = EVERYBODY, *, seconds: float = 0, provider: str = TWILIO) -> None:
        """From now on, for this number (address, room) or for every one that has no behaviour of its own."""
        self.behaviours[provider, number] = Behaviour(Mode(mode), seconds)

    def behaviour(self, number: str, provider: str = TWILIO) -> Behaviour:
        found = self.behaviours.get((provider, number)) or self.behaviours.get((provider, EVERYBODY))
        return found or Behaviour()

    def new_id(self, kind: str) -> str:
        """As Twilio makes them: two letters and 32 of hex."""
        return f"{kind}{hashlib.sha256(f'{self.account}{kind}{next(self._numbers)}'.encode()).hexdigest()[:32]}"

    def take(self, to: str, sender: str, body: str, callback: str | None, validity: int | None) -> Text:
        """A text that the provider has accepted."""
        sid = self.new_id("SM")
        url = urldefrag(callback).url if callback else None
        rang = self.behaviour(to).mode in RINGS
        text = Text(sid, to, sender, body, url, validity, datetime.now(UTC), rang=rang)
        self.texts.append(text)
        self.unreported += 1
        return text

    def take_from_notify(self, sid: str, to: str, body: str, reference: str | None) -> Text:
        """A text that GOV.UK Notify has accepted."""
        rang = self.behaviour(to, NOTIFY).mode in RINGS
        text = Text(
            sid, to, self.sender, body, None, None, datetime.now(UTC), rang=rang, provider=NOTIFY, reference=reference
        )
        self.texts.append(text)
        self.unreported += 1
        return text

    async def dawdle(self, number: str, provider: str) -> None:
        """Be as slow as this number's behaviour says."""
        behaviour = self.behaviour(number, provider)
        if behaviour.mode is Mode.SLOW:
            await asyncio.sleep(behaviour.seconds)

    def rings(self, how: Ring, number: str = EVERYBODY) -> None:
        """What happens from now on when this telephone rings, or every one of which nothing was said."""
        self.telephones[number] = Ring(how)

    async def ring(self, call: Call) -> None:
        """Put a call through: until it is picked up, or has come to nothing."""
        try:
            if self.behaviour(call.to, VOICE).mode not in (Mode.SILENT, Mode.LOST_SILENT):
                how = self.telephones.get(call.to) or self.telephones.get(EVERYBODY) or Ring.PICKED_UP
                await calls.ring(self, call, how)
        except httpx2.HTTPError:
            self.callbacks.append((call.status, 0))
        finally:
            self.unreported -= 1

    async def press(self, number: str, key: str) -> str:
        """The owner presses a key in the newest call to this telephone; returns what is said then."""
        return await calls.press(self, self.newest_call(number), key)

    async def hang_up(self, number: str) -> None:
        """Put the receiver down in the newest call to this telephone."""
        await calls.hang_up(self, self.newest_call(number))

    def newest_call(self, number: str) -> Call:
        """Raises AssertionError if this telephone has none."""
        found = [call for call in self.calls if call.to == number]
        assert found, f"no call to this telephone; there are {len(self.calls)}"  # noqa: S101 - a story's own mistake
        return found[-1]

    def rang(self, number: str | None = None) -> list[Text]:
        """Texts that arrived on a phone, on this one or on any."""
        return [text for text in self.texts if text.rang and number in (None, text.to)]

    def expects(self, number: str, *words: str, within: float = 10) -> Text:
        """The next text on this phone that holds all these words. Blocks; raises AssertionError after `within` seconds."""
        deadline = time.monotonic() + within
        while True:
            if (text := self._next(number, words)) is not None:
                return text
            if time.monotonic() > deadline:
                raise AssertionError(f"no text with {words} within {within} s; {self._seen(number)}")
            time.sleep(0.02)

    async def expects_soon(self, number: str, *words: str, within: float = 10) -> Text:
        """`expects` for a story whose own loop must go on meanwhile."""
        deadline = time.monotonic() + within
        while (text := self._next(number, words)) is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"no text with {words} within {within} s; {self._seen(number)}")
            await asyncio.sleep(0.02)
        return text

    def refuse_unexpected(self) -> None:
        """Raises UnexpectedTextError if any phone has a text that `expects` has not asked for."""
        strays = [text for text in self.texts if text.rang and text.sid not in self._expected]
        if strays:
            raise UnexpectedTextError(f"{len(strays)} texts that nobody expected: {[text.body for text in strays]}")

    async def reply(
        self, number: str, body: str, *, sid: str | None = None, extra: Mapping[str, str] | None = None
    ) -> str | None:
        """The owner of this phone answers: told to the desk as Twilio would, and what the desk says back is remembered.

        Returns the desk's answer; None is silence. `sid` tells an earlier reply again.
        """
        sid = sid or self.new_id("SM")
        fields = {
            "MessageSid": sid,
            "AccountSid": self.account,
            "From": number,
            "To": self.sender,
            "Body": body,
            "NumMedia": "0",
            **(extra or {}),
        }
        answer = await self.post(f"{self.desk}/twilio/messages", fields)
        answer.raise_for_status()
        said = [message.text or "" for message in ElementTree.fromstring(answer.text).iter("Message")]  # noqa: S314 - our own desk
        back = said[0] if said else None
        self.conversation.append(Answered(number, body, back, datetime.now(UTC)))
        return back

    async def report(self, text: Text) -> None:
        """Send the receipts that this number's behaviour asks for."""
        try:
            for status, code in RECEIPTS.get(self.behaviour(text.to, text.provider).mode, DELIVERED):
                text.status = status
                await self.send_receipt(text, status, code)
        finally:
            self.unreported -= 1

    async def send_receipt(self, text: Text, status: str, code: str | None = None, *, sid: str | None = None) -> int:
        """One signed status callback; returns the desk's HTTP status, 0 if it could not be reached."""
        if text.provider == NOTIFY:
            return await notify.send_receipt(self, text, status)
        if text.callback is None:
            return 0
        fields = {
            "MessageSid": sid or text.sid,
            "SmsSid": sid or text.sid,
            "AccountSid": self.account,
            "From": text.sender,
            "To": text.to,
            "MessageStatus": status,
            "SmsStatus": status,
            **({"ErrorCode": code} if code else {}),
        }
        try:
            answer = await self.post(text.callback, fields)
        except httpx2.HTTPError:
            self.callbacks.append((status, 0))
            return 0
        self.callbacks.append((status, answer.status_code))
        return answer.status_code

    async def post(self, url: str, fields: Mapping[str, str], *, signature: str | None = None) -> httpx2.Response:
        """A form, signed as Twilio signs it."""
        headers = {
            "X-Twilio-Signature": sign(url, fields, self.token) if signature is None else signature,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        async with httpx2.AsyncClient(verify=authorities(), timeout=15, trust_env=False) as http:
            return await http.post(url, content=urlencode(fields), headers=headers)

    def _next(self, number: str, words: tuple[str, ...]) -> Text | None:
        for text in self.rang(number):
            if text.sid not in self._expected and all(word in text.body for word in words):
                self._expected.add(text.sid)
                return text
        return None

    def _seen(self, number: str) -> str:
        return f"this phone has {[text.body for text in self.rang(number)]}"


def sign(url: str, fields: Mapping[str, str], token: str) -> str:
    """Twilio's signature: HMAC-SHA1 over the address and the form's fields in order of their names, in base64."""
    said = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(token.encode(), said.encode(), hashlib.sha1).digest()).decode()
