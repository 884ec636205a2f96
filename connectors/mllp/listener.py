"""One frame in, one answer out: read, recognised, translated, checked, kept in Kafka, answered. In that order, whatever is in it."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from connectors.acceptance import check_events, check_whose
from connectors.cloudevents import Told
from connectors.door import Door, count
from connectors.hl7.acknowledgements import Answer, Condition, Fault, Verdict, acknowledge
from connectors.hl7.delimiters import Unreadable
from connectors.hl7.header import VERSIONS, Header, read_header
from connectors.hl7.message import Message, header_of, parse
from connectors.hl7.seen import Before, Seen
from connectors.hl7.translate import translate
from connectors.mllp.framing import LARGEST, Frame
from connectors.mllp.known import Entry, Peer, Senders
from connectors.problems import Reason, Refused
from connectors.publish import NotPublished
from connectors.visits.known import Visits
from connectors.visits.reading import Nothing, Reading
from schemas.envelope import Envelope
from schemas.envelope import Mode as EventMode
from schemas.logs import logger
from schemas.metrics import UNKNOWN_FEED
from store.rights import Agency
from store.senders import Sender

DOOR: Final = "mllp"

REUSED: Final = "control-id-reused"

MODES: Final = {"P": EventMode.LIVE, "T": EventMode.TEST, "D": EventMode.TEST}
"""MSH-11 (HL7 table 0103): a message for training or for debugging never pages anybody."""

FAULTS: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    RuntimeError,
    AssertionError,
    MemoryError,
    OSError,
)
"""A mistake of ours in reading what somebody sent: it is answered, counted and logged by its type, and the next frame is read."""

STARTING: Final = Fault(
    Verdict.ERROR, Condition.INTERNAL, "Not ready yet: nothing was kept, send it again in a moment.", Reason.STARTING
)
AWAY: Final = Fault(
    Verdict.ERROR, Condition.INTERNAL, "Not kept: send it again. What arrives twice counts once.", Reason.KAFKA_AWAY
)
FAILED: Final = Fault(
    Verdict.ERROR, Condition.INTERNAL, "Something failed on our side: nothing was kept, send it again.", Reason.FAILED
)
STRANGER: Final = Fault(
    Verdict.REJECTED,
    Condition.UNKNOWN,
    "This sender (MSH-3, MSH-4) is not registered here for this address or certificate: ask the operator.",
    "unknown-sender",
    ("MSH", 3),
)
TOO_LARGE: Final = Fault(
    Verdict.REJECTED, Condition.INTERNAL, f"At most {LARGEST // 1024} KiB in one message.", Reason.TOO_LARGE
)


class _Refused(Exception):
    """The message is not taken, for this fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


@dataclass(slots=True)
class _Answering:
    """What has come out about one frame so far: enough to answer it whenever it fails."""

    header: Header | None = None
    sender: Sender | None = None
    feed: str = UNKNOWN_FEED


@dataclass
class Listener:
    """What all connections share. `door.publisher` is asked once for each message that says something."""

    door: Door
    senders: Senders
    visits: Visits = field(default_factory=Visits)
    seen: Seen = field(default_factory=Seen)
    new_id: Callable[[], str] = field(default=lambda: secrets.token_hex(10))
    warned: dict[str, datetime] = field(default_factory=dict)

    async def answer(self, frame: Frame, peer: Peer) -> Answer:
        """The one acknowledgement of a frame. Accepted only once Kafka has what the message says, or if it says nothing that
        is wanted. Never raises but for cancellation."""
        so_far = _Answering()
        fault: Fault | None = None
        try:
            await self._take(frame, peer, so_far)
        except _Refused as refusal:
            fault = refusal.fault
        except FAULTS as problem:
            logger().error("message-failed", feed=so_far.feed, error=type(problem).__name__)
            fault = FAILED
        if fault is not None:
            self.door.metrics.events_refused.labels(feed=so_far.feed, reason=fault.reason).inc()
            self.door.doorkeeper.tally.refused(so_far.feed, self.door.clock())
        sender = so_far.sender
        receiver = (sender.application, sender.facility) if sender else ("", "")
        return acknowledge(so_far.header, fault, at=self.door.clock(), new_id=self.new_id, receiver=receiver)

    async def _take(self, frame: Frame, peer: Peer, so_far: _Answering) -> None:
        received_at = self.door.clock()
        message = self._read(frame, so_far)
        header = so_far.header = read_header(message)
        sender, agency = self._recognise(so_far, header, peer)
        _check(header)
        before = self.seen.look(sender.sender, header.control_id, frame.data)
        if before is Before.THE_SAME:
            return self._note(agency, Nothing.DUPLICATE, received_at)
        source = sender.source or agency.sources[0]
        reading = translate(
            message, header, sender, source, visits=self.visits, sealer=self.door.sealer, now=received_at
        )
        envelopes = self._envelopes(reading, header, sender, agency, source, received_at)
        await self._keep(envelopes, agency)
        for known in reading.visits:
            self.visits.keep(known)
        self.seen.keep(sender.sender, header.control_id, frame.data)
        if before is Before.OTHERWISE:
            self._warn(agency, received_at)
        if not envelopes:
            self._note(agency, reading.nothing or Nothing.NOT_WANTED, received_at)
        return None

    def _read(self, frame: Frame, so_far: _Answering) -> Message:
        """The message. Raises _Refused, with what could be read of the header, for the answer."""
        if frame.too_large:
            so_far.header = _rescued(frame.data)
            raise _Refused(TOO_LARGE)
        try:
            message = parse(frame.data)
        except Unreadable as problem:
            so_far.header = _rescued(frame.data)
            raise _Refused(
                Fault(Verdict.REJECTED, Condition.SEQUENCE, str(problem), Reason.MALFORMED, ("MSH", 0))
            ) from problem
        return message

    def _recognise(self, so_far: _Answering, header: Header, peer: Peer) -> Entry:
        if not self.senders.ready:
            raise _Refused(STARTING)
        found = self.senders.find(header.application, header.facility, peer)
        if found is None:
            raise _Refused(STRANGER)
        so_far.sender, agency = found
        so_far.feed = agency.name
        return found

    def _envelopes(
        self, reading: Reading, header: Header, sender: Sender, agency: Agency, source: str, received_at: datetime
    ) -> list[Envelope]:
        """The events through the same checks as at every other door. Raises _Refused."""
        mode = MODES[header.processing]
        told = [
            Told(
                "",
                {
                    "specversion": "1.0",
                    "id": said.id,
                    "source": source,
                    "type": said.type,
                    "time": said.time,
                    "authority": sender.authority or None,
                    "mode": mode,
                },
                said.data,
            )
            for said in reading.said
        ]
        try:
            known = check_whose(told, agency)
            return check_events(known, agency, entrance=DOOR, mode=self.door.mode, received_at=received_at)
        except Refused as refusal:
            raise _Refused(_fault_of(refusal)) from refusal

    async def _keep(self, envelopes: list[Envelope], agency: Agency) -> None:
        if not envelopes:
            return
        try:
            await self.door.publisher.publish(*envelopes)
        except NotPublished as problem:
            raise _Refused(AWAY) from problem
        count(envelopes, agency, self.door)

    def _note(self, agency: Agency, why: Nothing, at: datetime) -> None:
        self.door.metrics.messages_noted.labels(feed=agency.name, door=DOOR, reason=why).inc()
        self.door.doorkeeper.saw(agency, at)

    def _warn(self, agency: Agency, at: datetime) -> None:
        """Once a minute for each feed: some senders give every message the same control id."""
        self.door.metrics.messages_noted.labels(feed=agency.name, door=DOOR, reason=REUSED).inc()
        last = self.warned.get(agency.name)
        if last is None or (at - last).total_seconds() >= 60:
            self.warned[agency.name] = at
            logger().warning(REUSED, feed=agency.name)


def _rescued(data: bytes) -> Header | None:
    segment = header_of(data)
    return Header.of(segment) if segment else None


def _check(header: Header) -> None:
    """What every message must say of itself. Raises _Refused."""
    required = (
        (header.kind, ("MSH", 9), "MSH-9 (what the message is) is required."),
        (header.event or header.kind != "ADT", ("MSH", 9), "MSH-9 or EVN-1 must name the event."),
        (header.control_id, ("MSH", 10), "MSH-10 (the control id) is required."),
        (header.processing, ("MSH", 11), "MSH-11 is required: P for what is real, T or D for a test."),
    )
    for there, where, says in required:
        if not there:
            raise _Refused(Fault(Verdict.ERROR, Condition.MISSING, says, Reason.INVALID, where))
    if header.processing not in MODES:
        says = "MSH-11 must be P, T or D."
        raise _Refused(Fault(Verdict.REJECTED, Condition.PROCESSING, says, Reason.INVALID, ("MSH", 11)))
    if header.version and header.version not in VERSIONS:
        says = "MSH-12 must be a version from 2.1 to 2.8."
        raise _Refused(Fault(Verdict.REJECTED, Condition.VERSION, says, Reason.INVALID, ("MSH", 12)))


_FIELDS: Final = {
    "data.person.nhs_number": ("PID", 3),
    "data.person": ("PID", 5),
    "data.attendance": ("PV1", 19),
    "data.site": ("MSH", 4),
}


def _fault_of(refusal: Refused) -> Fault:
    """A refusal of the common checks, in HL7's words. What is said never holds a value."""
    if refusal.reason in (Reason.NOT_YOURS, Reason.NOT_AGREED):
        return Fault(Verdict.REJECTED, Condition.UNKNOWN, refusal.detail, refusal.reason, ("MSH", 4))
    first = refusal.errors[0] if refusal.errors else None
    where = next((place for path, place in _FIELDS.items() if first and first.path.startswith(path)), None)
    says = first.message if first else refusal.detail
    return Fault(Verdict.ERROR, Condition.VALUE, says, refusal.reason, where)
