"""Made-up telephones ringing: what Twilio does with a call, and what its owner does.

A call that is picked up asks the desk what to say, as Twilio would, and stays open until a key is pressed or it is hung up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urldefrag
from xml.etree import ElementTree

if TYPE_CHECKING:
    from embedded.network import Phone

VOICE = "twilio-voice"
"""Under which the network is told how to treat calls: not as it treats texts to the same number."""


class Ring(StrEnum):
    """What happens when it rings."""

    PICKED_UP = "picked-up"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    MACHINE = "machine"  # a voicemail takes it, and Twilio notices


@dataclass
class Call:
    """One call as Twilio has it. `heard` is everything that was said in it, `keys_to` where a key goes now."""

    sid: str
    to: str
    sender: str
    url: str
    callback: str | None
    machine_callback: str | None
    asked: dict[str, str]
    at: datetime
    status: str = "queued"
    heard: list[str] = field(default_factory=list)
    keys_to: str | None = None

    def is_asking(self) -> bool:
        """Does the desk wait for a key?"""
        return self.keys_to is not None


async def ring(phone: Phone, call: Call, how: Ring) -> None:
    """From the queue to whatever comes of it, with a callback for each step."""
    await _report(phone, call, "initiated")
    if how is Ring.FAILED:
        await _report(phone, call, "failed")
        return
    await _report(phone, call, "ringing")
    if how in (Ring.BUSY, Ring.NO_ANSWER):
        await _report(phone, call, how.value)
        return
    await _report(phone, call, "in-progress")
    await _listen(phone, call, call.url, {})
    if how is Ring.MACHINE:
        if call.machine_callback:
            fields = {**_fields(phone, call), "AnsweredBy": "machine_start", "MachineDetectionDuration": "2900"}
            await phone.post(call.machine_callback, fields)
        await hang_up(phone, call)


async def press(phone: Phone, call: Call, key: str) -> str:
    """Its owner presses a key; returns what is said then. The call ends if nothing more is asked."""
    if call.keys_to is None:
        return ""
    await _listen(phone, call, call.keys_to, {"Digits": key})
    said = call.heard[-1]
    if not call.is_asking():
        await hang_up(phone, call)
    return said


async def hang_up(phone: Phone, call: Call) -> None:
    call.keys_to = None
    await _report(phone, call, "completed")


async def _listen(phone: Phone, call: Call, url: str, more: dict[str, str]) -> None:
    """Ask the desk what to say, and say it."""
    answer = await phone.post(url, {**_fields(phone, call), **more})
    if answer.status_code != 200:
        call.heard.append("We are sorry, an application error has occurred. Goodbye.")
        call.keys_to = None
        return
    document = ElementTree.fromstring(answer.text)  # noqa: S314 - our own desk
    gathers = list(document.iter("Gather"))
    call.keys_to = gathers[0].get("action") if gathers else None
    first = gathers[0] if gathers else document
    call.heard.append(" ".join(said.text or "" for said in first.iter("Say")))


async def _report(phone: Phone, call: Call, status: str) -> None:
    call.status = status
    if call.callback:
        answer = await phone.post(call.callback, _fields(phone, call))
        phone.callbacks.append((status, answer.status_code))


def _fields(phone: Phone, call: Call) -> dict[str, str]:
    return {
        "CallSid": call.sid,
        "AccountSid": phone.account,
        "From": call.sender,
        "To": call.to,
        "CallStatus": call.status,
        "Direction": "outbound-api",
        "ApiVersion": "2010-04-01",
    }


def without_fragment(url: str | None) -> str | None:
    """Twilio keeps what follows `#` to itself."""
    return urldefrag(url).url if url else None
