"""Calls, as Twilio asks us about them: what to say, which key was pressed, and how each ended.

Only a key counts. Who or what picks up hears the same, and a voicemail that is spoken to has accepted nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from desk.callbacks import REFUSALS, TWILIO, Callbacks, attempt_of, need
from notifiers import clocks, settle, voice, wording
from notifiers.replies import WORDS, Verb
from notifiers.texts import Fields
from notifiers.twiml import ask, tell
from schemas.kinds import BY_TYPE, DRILL
from schemas.logs import logger
from schemas.pages import Channel, PageState, Purpose
from store import answers, calls, phones
from store.answers import Answer, Answered
from store.calls import Call
from store.receipts import Receipt

ACTS = {
    WORDS[Verb.ACCEPT][0]: answers.accept,
    WORDS[Verb.PASS][0]: answers.pass_on,
    WORDS[Verb.DONE][0]: answers.record_contact,
}
"""What a key does: the same digits as in a reply."""

KEYS = frozenset("0123456789*#")
"""All that a telephone has."""


def router(callbacks: Callbacks) -> APIRouter:
    """POST /twilio/voice, /twilio/key, /twilio/call and /twilio/machine."""
    routes = APIRouter()
    spoken = Spoken(callbacks)
    for path, handler, summary in (
        ("/twilio/voice", spoken.picked_up, "A phone is picked up: what to say, as TwiML"),
        ("/twilio/key", spoken.key, "A key was pressed; the answer is TwiML"),
    ):
        routes.add_api_route(
            path, handler, methods=["POST"], response_class=Response, responses=REFUSALS, summary=summary
        )
    for path, handler, summary in (
        ("/twilio/call", spoken.status, "A receipt: what became of a call"),
        ("/twilio/machine", spoken.machine, "Who has picked up: a person, or a machine"),
    ):
        routes.add_api_route(path, handler, methods=["POST"], status_code=204, responses=REFUSALS, summary=summary)
    return routes


@dataclass(frozen=True)
class Spoken:
    """The four handlers and what they need."""

    callbacks: Callbacks

    async def picked_up(self, request: Request) -> Response:
        """Say what it is about, and wait for a key. To a machine nothing is said."""
        fields = await self.callbacks.form(request)
        if fields.get("AnsweredBy", "").startswith(voice.MACHINES):
            await self._settle(request, fields, "machine")
            return _twiml(tell(None))
        attempt = attempt_of(request.query_params.get("attempt"))
        async with self.callbacks.engine.connect() as connection:
            call = await calls.find(connection, attempt, need(fields, "CallSid")) if attempt else None
        return _twiml(self._say(call))

    async def key(self, request: Request) -> Response:
        """Do what the key asks, once. The same key told again does nothing more, and hears how it stands."""
        fields = await self.callbacks.form(request)
        attempt, now = attempt_of(request.query_params.get("attempt")), self.callbacks.clock()
        pressed = fields.get("Digits", "")[:1]
        async with self.callbacks.engine.begin() as connection:
            call = await calls.find(connection, attempt, need(fields, "CallSid")) if attempt else None
            answered = await self._act(connection, call, pressed, now) if call else None
            if call and (answered or (call.page is None and pressed)):
                await self._write_down(connection, call, fields, now)
            elif call and pressed in KEYS:  # it means nothing, and it was pressed: the timeline says so
                wrong = Receipt(TWILIO, need(fields, "CallSid"), f"key-{pressed}", pressed, call.attempt)
                await settle.take(connection, wrong, at=now)
        if call is None:
            return _twiml(tell(wording.NOTHING))
        if answered is None:
            return _twiml(tell(wording.THANKS) if call.page is None else self._say(call, first=wording.NOT_UNDERSTOOD))
        clocks.observe(self.callbacks.metrics, answered)
        logger().info("key", page=str(answered.page), outcome=answered.answer.value)
        return _twiml(tell(wording.heard(answered.answer, answered.reference, drill=answered.type == DRILL)))

    async def status(self, request: Request) -> Response:
        """Keep the receipt and move its attempt, as a text's."""
        fields = await self.callbacks.form(request)
        await self._settle(request, fields, need(fields, "CallStatus"))
        return Response(status_code=204)

    async def machine(self, request: Request) -> Response:
        """A machine has picked up: nobody is reached, and the page moves on at once. A person, or nobody knows: wait."""
        fields = await self.callbacks.form(request)
        who = need(fields, "AnsweredBy")
        await self._settle(request, fields, "machine" if who.startswith(voice.MACHINES) else f"picked-up-by-{who}"[:64])
        return Response(status_code=204)

    def _say(self, call: Call | None, first: str = "") -> str:
        if call is None:
            return tell(wording.NOTHING)
        over = call.page is not None and call.state is not PageState.OPEN and call.purpose is Purpose.PAGE
        if over:
            return tell(wording.heard(_how_it_stands(call), call.reference, drill=call.type == DRILL))
        kind = BY_TYPE.get(call.type)
        fields = Fields(
            call.reference,
            kind.place if kind else "an agency",
            call.team,
            "",
            call.note,
            drill=call.type == DRILL,
            possible=call.possible,
        )
        words = f"{first} {wording.write(Channel.VOICE, call.purpose, fields)}".strip()
        keys = f"{self.callbacks.settings.base_url}/twilio/key?attempt={call.attempt}"
        return ask(words, keys_to=keys, goodbye=wording.GOODBYE)

    async def _act(self, connection: AsyncConnection, call: Call, pressed: str, at: datetime) -> Answered | None:
        """None where the key means nothing here."""
        act = ACTS.get(pressed)
        if call.page is None or act is None:
            return None
        if call.purpose is Purpose.PAGE and act is answers.record_contact and call.state is PageState.OPEN:
            return None
        return await act(connection, call.page, call.person, via="call", at=at)

    async def _write_down(self, connection: AsyncConnection, call: Call, fields: dict[str, str], now: datetime) -> None:
        """The key is the proof that a person was reached: the attempt is delivered, and the phone works."""
        receipt = Receipt(TWILIO, need(fields, "CallSid"), "key", fields.get("Digits", "")[:1], call.attempt)
        settled = await settle.take(connection, receipt, at=now)
        await phones.heard(connection, call.person, at=now)
        if settled is not None:
            settle.observe(self.callbacks.metrics, receipt, settled, at=now)

    async def _settle(self, request: Request, fields: dict[str, str], status: str) -> None:
        attempt = attempt_of(request.query_params.get("attempt"))
        receipt = Receipt(TWILIO, need(fields, "CallSid"), status, fields.get("ErrorCode") or None, attempt)
        await self.callbacks.settle(receipt)
        if status == "completed" and fields.get("AnsweredBy", "").startswith(voice.MACHINES):
            logger().info("call-answered-by-a-machine", attempt=str(attempt))


def _how_it_stands(call: Call) -> Answer:
    if call.state in (PageState.ACCEPTED, PageState.CONTACT):
        return Answer.YOURS if call.accepted_by == call.person else Answer.TAKEN
    return Answer.ENDED


def _twiml(document: str) -> Response:
    return Response(document, media_type="application/xml")
