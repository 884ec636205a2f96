"""What is said of a record that could not be handled: where it lies, what kind of error, and nothing that is in it."""

import hashlib
from datetime import datetime
from enum import StrEnum

from schemas.base import Shape, When
from schemas.events import EVENT_TOPICS, EVENTS
from schemas.moments import DEAD_LETTERS, Ended, Outcome
from schemas.sealing import SealBroken
from schemas.wire import Record, Sealer, event_key, key_id
from streams.incoming import LANE, Incoming, Unreadable

UNKNOWN = "unknown"
HEX_KEY = 64  # digits of an event key


class Reason(StrEnum):
    """Why a record was buried. Closed: it is a metric's label too."""

    UNSEALED = "unsealed"  # no seal, a key we do not hold, or moved from where it was sealed
    MALFORMED = "malformed"  # opened, but not one of our shapes
    TOO_SLOW = "too-slow"  # the step did not end in time, and the database was there
    TOO_LARGE = "too-large"  # what it led to does not fit into a Kafka record
    FAILED = "failed"  # the step refused it or broke: a bug of ours


def reason_for(problem: BaseException) -> Reason:
    """The named reason for an error. A table, so that the loop has one question and one answer."""
    if isinstance(problem, SealBroken):
        return Reason.UNSEALED
    if isinstance(problem, TimeoutError):
        return Reason.TOO_SLOW
    if isinstance(problem, Unreadable):
        return Reason.MALFORMED
    return Reason.FAILED


class Pointer(Shape):
    """A dead letter: at most 1 KiB, never a copy of the record, so it always fits and no child's data is kept twice."""

    topic: str
    partition: int
    offset: int
    lane: str
    reason: Reason
    error: str
    sha256: str
    buried_at: When

    @classmethod
    def to(cls, letter: Incoming, problem: BaseException, *, reason: Reason, lane: str, at: datetime) -> "Pointer":
        """A pointer to a record. The error gives its type and never its words, which may quote the record."""
        return cls(
            topic=letter.topic,
            partition=letter.partition,
            offset=letter.offset,
            lane=lane,
            reason=reason,
            error=type(problem.__cause__ or problem).__name__[:100],
            sha256=cls.hash_of(letter),
            buried_at=at,
        )

    @staticmethod
    def hash_of(letter: Incoming) -> str:
        """SHA-256 of the record's value, sealed as it is."""
        return hashlib.sha256(letter.value or b"").hexdigest()


def pointer_record(pointer: Pointer, sealer: Sealer) -> Record:
    """As it goes to the dead-letter topic: sealed like everything, keyed by the record that it points to."""
    key = sealer.mark("dead-letter", pointer.topic, str(pointer.partition), str(pointer.offset)).encode()
    sealed = sealer.seal(pointer.model_dump_json().encode(), place=_place(pointer.lane))
    return Record(DEAD_LETTERS, key, sealed, (("nl_key", key_id(sealed)), (LANE, pointer.lane.encode())))


def read_pointer(letter: Incoming, sealer: Sealer) -> Pointer:
    """The pointer again. Raises SealBroken, or ValueError that repeats no value."""
    lane = letter.headers.get(LANE, b"").decode("ascii", "replace")
    return Pointer.model_validate_json(sealer.open(letter.value or b"", place=_place(lane)))


def _place(lane: str) -> str:
    return f"{DEAD_LETTERS}\n{lane}"


def outcome_for(letter: Incoming, *, sealer: Sealer) -> Ended | None:
    """ "Dead letter", for an event whose name can still be read in its headers; None for what nobody could have accepted.

    Only the headers are believed; a type that they do not hold, or that nobody knows, is "unknown".
    """
    key = _event_key(letter, sealer)
    if key is None:
        return None
    said = letter.headers.get("ce_type", b"").decode("ascii", "replace")
    return Ended(event_key=key, type=said if said in EVENTS else UNKNOWN, outcome=Outcome.DEAD_LETTER)


def _event_key(letter: Incoming, sealer: Sealer) -> str | None:
    if letter.topic in EVENT_TOPICS:
        names = [letter.headers.get(name, b"").decode("utf-8", "replace") for name in ("ce_source", "ce_id")]
        return event_key(sealer, *names) if all(names) else None
    key = letter.headers.get("nl_event", b"").decode("ascii", "replace")
    return key if len(key) == HEX_KEY and set(key) <= set("0123456789abcdef") else None
