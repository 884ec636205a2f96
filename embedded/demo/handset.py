"""The phone on the screen as the stage knows it: every made-up phone's texts in order, and one that fails when asked to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx2
from starlette.types import ASGIApp

from embedded import phone_api
from embedded.behaviour import RECEIPTS, Mode
from embedded.demo.stage import Text
from embedded.network import SENDER, Answered, Phone
from embedded.network import Text as Taken
from embedded.phone import ACCOUNT, TOKEN
from schemas.settings import Settings

PAGES = ": new moment"
"""Words that only the text of a page has."""


@dataclass
class FailingOnce(Phone):
    """A network that loses as many pages' first texts as it was told to: taken, and then no phone to put them on.

    `typed_at` has, for each of the conversation, when it was sent and not when it was answered.
    """

    to_lose: int = 0
    typed_at: list[datetime] = field(default_factory=list)

    def take(self, to: str, sender: str, body: str, callback: str | None, validity: int | None) -> Taken:
        reference, page, _ = body.partition(PAGES)
        first = page and not any(text.body.startswith(reference) for text in self.texts)
        text = super().take(to, sender, body, callback, validity)
        if self.to_lose and first:
            self.to_lose -= 1
            text.rang = False
        return text

    async def reply(
        self, number: str, body: str, *, sid: str | None = None, extra: Mapping[str, str] | None = None
    ) -> str | None:
        typed_at = datetime.now(UTC)
        back = await super().reply(number, body, sid=sid, extra=extra)
        self.typed_at.append(typed_at)
        return back

    async def report(self, text: Taken) -> None:
        if text.rang:
            await super().report(text)
            return
        for status, code in RECEIPTS[Mode.UNDELIVERED]:
            text.status = status
            await self.send_receipt(text, status, code)


class Handset:
    """A `stage.Phone`. `app` is its network's own API, which the pager takes for Twilio."""

    def __init__(self, settings: Settings) -> None:
        token = settings.twilio_auth_token
        self.network = self._network = FailingOnce(
            settings.twilio_account_sid or ACCOUNT,
            token.get_secret_value() if token else TOKEN,
            settings.base_url,
            settings.twilio_from or SENDER,
            url=f"http://{settings.listen}",
        )
        self.app: ASGIApp = phone_api.build(self._network)

    def texts(self) -> Sequence[Text]:
        arrived = [Text(t.sid, t.to, mine=False, words=t.body, at=t.at, note=t.status) for t in self._network.rang()]
        arrived += [
            Text(f"{call.sid}-{place}", call.to, mine=False, words=f"☎ {heard}", at=call.at, note=f"call {call.status}")
            for call in self._network.calls
            for place, heard in enumerate(call.heard)
        ]
        conversation = zip(self._network.conversation, self._network.typed_at, strict=False)
        said = [text for n, (each, typed_at) in enumerate(conversation) for text in _said(n, each, typed_at)]
        return sorted([*arrived, *said], key=lambda text: text.at)

    def fail_next(self) -> None:
        self._network.to_lose = 1

    async def answer(self, number: str, words: str) -> None:
        call = next((call for call in reversed(self._network.calls) if call.to == number and call.is_asking()), None)
        try:
            if call is not None and len(words.strip()) == 1:
                await self._network.press(number, words.strip())
                return
            await self._network.reply(number, words)
        except httpx2.HTTPError:
            away = "(not sent: the desk did not answer)"
            now = datetime.now(UTC)
            self._network.conversation.append(Answered(number, words, away, now))
            self._network.typed_at.append(now)


def _said(place: int, each: Answered, typed_at: datetime) -> Iterator[Text]:
    yield Text(f"said-{place}", each.number, mine=True, words=each.body, at=typed_at)
    if each.answer:
        yield Text(f"said-{place}-back", each.number, mine=False, words=each.answer, at=each.at)
