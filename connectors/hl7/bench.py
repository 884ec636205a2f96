"""The test bench: one sender's messages, tried without a network, a broker or a database."""

import re
from dataclasses import asdict
from typing import Any, Final

from connectors.hl7.delimiters import Unreadable
from connectors.hl7.header import read_header
from connectors.hl7.message import parse
from connectors.hl7.translate import translate
from connectors.visits.known import Visits
from schemas.base import Clock
from schemas.sealing import Keyring
from store.senders import Sender

_MARKS: Final = re.compile(rb"\x1c\r?|\x0b")
_HEAD: Final = re.compile(rb"(?:^|(?<=[\r\n]))(?=MSH[^A-Za-z0-9\s])")
_ENVELOPE: Final = re.compile(rb"(?:FHS|BHS)[^A-Za-z0-9\s](?:(?!MSH).)*\Z", re.DOTALL)


def split(held: bytes) -> list[bytes]:
    """The messages in a file: in MLLP frames, or one after the other, each beginning with MSH."""
    parts = [part.strip(b"\r\n") for part in _MARKS.split(held)] if b"\x0b" in held else _HEAD.split(held)
    found = [part for part in parts if part.strip()]
    if len(found) > 1 and _ENVELOPE.match(found[0].lstrip()):  # the head of a batch: its messages come behind
        del found[0]
    return found or [b""]


class Bench:
    """Remembers visits from one message to the next, as the door does. Its keyed hashes are good for one run."""

    def __init__(self, sender: Sender, clock: Clock) -> None:
        self._sender = sender
        self._clock = clock
        self._visits = Visits()
        self._sealer = Keyring.make()
        self._source = sender.source or sender.agency

    def tried(self, data: bytes, *, data_too: bool = False) -> dict[str, Any]:
        """What a message becomes: `type`, `mode`, `becomes` (event types), `nothing` if it leads to none, and `why`.

        Without `data_too` nothing of a person is in it.
        """
        try:
            message = parse(data)
        except Unreadable as problem:
            return {"type": None, "becomes": [], "nothing": "refused", "why": [str(problem)]}
        header = read_header(message)
        reading = translate(
            message,
            header,
            self._sender,
            self._source,
            visits=self._visits,
            sealer=self._sealer,
            now=self._clock(),
        )
        for known in reading.visits:
            self._visits.keep(known)
        theirs = [] if self._sender.says(header.application, header.facility) else ["MSH-3, MSH-4: not this sender's"]
        shown = {"events": [asdict(said) for said in reading.said]} if data_too else {}
        return {
            "type": "^".join(filter(None, (header.kind, header.event))),
            "mode": {"P": "live", "T": "test", "D": "test"}.get(header.processing),
            "becomes": [said.type for said in reading.said],
            "nothing": reading.nothing,
            "why": [*theirs, *reading.why],
            **shown,
        }
