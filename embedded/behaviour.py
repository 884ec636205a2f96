"""All the ways in which a made-up network is told to treat a number, and what it then says of a text."""

from dataclasses import dataclass
from enum import StrEnum

TWILIO, CHAT = "twilio", "chat"
"""With `notify.NOTIFY`, `calls.VOICE` and `mail.SMTP`: whose behaviour it is."""
EVERYBODY = "*"


class Mode(StrEnum):
    """How the network treats a number."""

    DELIVER = "deliver"
    UNDELIVERED = "undelivered"  # 30003: the phone is off
    FAILED = "failed"  # 30008
    SILENT = "silent"  # taken, and then no receipt at all
    SENT_ONLY = "sent-only"  # with the carrier, and then nothing
    SLOW = "slow"  # the answer to the pager takes `seconds`
    TOO_MANY = "429"
    FAULT = "500"
    INVALID = "invalid"  # 21211
    OPTED_OUT = "opted-out"  # 21610
    LOST_REPLY = "lost-reply"  # taken and delivered with receipts; the answer to the pager is cut off
    LOST_SILENT = "lost-silent"  # taken and delivered; the answer is cut off and no receipt comes either
    TWICE = "twice"  # every receipt twice
    REORDERED = "reordered"  # delivered first, then sent, then queued
    EARLY = "early"  # every receipt before the answer to the pager


RECEIPTS: dict[Mode, tuple[tuple[str, str | None], ...]] = {
    Mode.UNDELIVERED: (("queued", None), ("sent", None), ("undelivered", "30003")),
    Mode.FAILED: (("queued", None), ("failed", "30008")),
    Mode.SILENT: (),
    Mode.LOST_SILENT: (),
    Mode.SENT_ONLY: (("queued", None), ("sent", None)),
    Mode.TWICE: (("queued", None),) * 2 + (("sent", None),) * 2 + (("delivered", None),) * 2,
    Mode.REORDERED: (("delivered", None), ("sent", None), ("queued", None)),
}
DELIVERED: tuple[tuple[str, str | None], ...] = (("queued", None), ("sent", None), ("delivered", None))
RINGS = frozenset(Mode) - {Mode.UNDELIVERED, Mode.FAILED, Mode.TOO_MANY, Mode.FAULT, Mode.INVALID, Mode.OPTED_OUT}
"""In these modes the text does arrive on the phone, whatever the pager is told of it."""


@dataclass
class Behaviour:
    mode: Mode = Mode.DELIVER
    seconds: float = 0
