"""How events and messages lie in Kafka: sealed value, HMAC key, headers in the clear that hold nothing personal (contract 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from schemas.envelope import Envelope, pack, unpack
from schemas.moments import MESSAGES, Message
from schemas.sealing import SealBroken


class Sealer(Protocol):
    """A keyring, or a file that holds one."""

    def seal(self, value: bytes, *, place: str) -> bytes: ...
    def open(self, sealed: bytes, *, place: str) -> bytes: ...
    def mark(self, domain: str, *parts: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record, ready to be sent."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def key_id(sealed: bytes) -> bytes:
    """The id of the key it was sealed with, for the `nl_key` header."""
    return sealed[2 : 2 + sealed[1]]


def event_key(sealer: Sealer, source: str, id: str) -> str:  # noqa: A002 - CloudEvents' own name
    """What makes an event itself, wherever it is seen: the same source and id are the same event."""
    return sealer.mark("event", source, id)


def event_record(envelope: Envelope, sealer: Sealer) -> Record:
    """An accepted event as it goes to its topic, keyed by what it happened to."""
    topic = envelope.event.topic
    sealed = sealer.seal(pack(envelope), place=_place(topic, envelope.source, envelope.id))
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": envelope.id,
        "ce_source": envelope.source,
        "ce_type": envelope.type,
        "ce_time": envelope.time.isoformat(),
        "ce_authority": envelope.authority,
        "ce_mode": envelope.mode,
        "content-type": "application/octet-stream",
    }
    headers = tuple((name, value.encode()) for name, value in attributes.items() if value is not None)
    key = sealer.mark("subject", envelope.event.subject).encode()
    return Record(topic, key, sealed, (*headers, ("nl_key", key_id(sealed))))


def read_event(topic: str, value: bytes, headers: Mapping[str, bytes], sealer: Sealer) -> Envelope:
    """The event again. Raises SealBroken, or ValueError that repeats no value."""
    try:
        source, id_ = headers["ce_source"].decode(), headers["ce_id"].decode()
    except (KeyError, UnicodeDecodeError) as problem:
        raise SealBroken("no ce_source and ce_id in the headers") from problem
    return unpack(sealer.open(value, place=_place(topic, source, id_)))


def message_record(message: Message, sealer: Sealer) -> Record:
    """What one step tells the next, keyed by what must stay in order."""
    key = message.event_key
    sealed = sealer.seal(message.model_dump_json().encode(), place=_place(message.topic, message.kind, key))
    headers = (("nl_kind", message.kind.encode()), ("nl_event", key.encode()), ("nl_key", key_id(sealed)))
    return Record(message.topic, sealer.mark(*message.ordered_by).encode(), sealed, headers)


def read_message(topic: str, value: bytes, headers: Mapping[str, bytes], sealer: Sealer) -> Message:
    """The message again. Raises SealBroken, or ValueError that repeats no value."""
    try:
        kind, key = headers["nl_kind"].decode(), headers["nl_event"].decode()
        shape = MESSAGES[kind]
    except (KeyError, UnicodeDecodeError) as problem:
        raise SealBroken("no nl_kind and nl_event that we know in the headers") from problem
    return shape.model_validate_json(sealer.open(value, place=_place(topic, kind, key)))


def _place(*parts: str) -> str:
    return "\n".join(parts)
