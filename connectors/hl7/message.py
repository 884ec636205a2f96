"""An HL7 v2 message as it lies in a frame: segments, fields, repetitions, components. Whatever the version, nothing is required."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, Self

from connectors.hl7.charset import decode
from connectors.hl7.delimiters import MSH, Delimiters, Unreadable
from connectors.hl7.escapes import unescape

NULL: Final = '""'
"""The explicit null: it is known that there is nothing. An empty field says nothing at all."""

MOST_SEGMENTS: Final = 5_000

LONGEST_HEAD: Final = 65_536
"""Bytes in which a header is looked for, if the whole cannot be read."""

_ENVELOPE: Final = re.compile(r"(?:FHS|BHS)[^A-Za-z0-9\s]")
_HEAD: Final = re.compile(r"[\r\n]+(?=MSH)")
_BEGINNING: Final = " \t\r\n\ufeff\0"


class Value(NamedTuple):
    """One repetition of a field."""

    raw: str
    components: list[str]
    delimiters: Delimiters
    codec: str

    @classmethod
    def of(cls, raw: str, delimiters: Delimiters, codec: str) -> Self:
        return cls(raw, raw.split(delimiters.component) if delimiters.component else [raw], delimiters, codec)

    def part(self, component: int = 1, sub: int = 1) -> str:
        """A component's subcomponent, both counted from 1, unescaped; empty if it is absent or null."""
        text = self.components[component - 1] if component <= len(self.components) else ""
        return _meant(text, sub, self.delimiters, self.codec) if text else ""

    def parts(self) -> list[str]:
        """The first subcomponent of every component."""
        return [self.part(place) for place in range(1, len(self.components) + 1)]

    @property
    def is_null(self) -> bool:
        return self.raw == NULL


class Segment(NamedTuple):
    """`fields[3]` is its third field, as it was written; `fields[0]` is its name."""

    name: str
    fields: tuple[str, ...]
    delimiters: Delimiters
    codec: str

    def raw(self, field: int) -> str:
        return self.fields[field] if field < len(self.fields) else ""

    def values(self, field: int) -> list[Value]:
        """The repetitions of a field that hold anything, the null among them."""
        raw = self.raw(field)
        if not raw:  # as most fields are
            return []
        mark = self.delimiters.repetition
        return [Value.of(one, self.delimiters, self.codec) for one in (raw.split(mark) if mark else [raw]) if one]

    def first(self, field: int) -> Value:
        """The first repetition of a field that holds anything; an empty one if none does."""
        values = self.values(field)
        return values[0] if values else Value.of("", self.delimiters, self.codec)

    def part(self, field: int, component: int = 1, sub: int = 1) -> str:
        """A component of a field's first repetition that holds anything."""
        raw = self.fields[field] if field < len(self.fields) else ""
        if not raw:
            return ""
        mark = self.delimiters.repetition
        if mark and mark in raw:
            raw = next(filter(None, raw.split(mark)), "")
        text = _nth(raw, self.delimiters.component, component)
        return _meant(text, sub, self.delimiters, self.codec) if text else ""


@dataclass(frozen=True)
class Message:
    """One message. The first of its segments is MSH."""

    segments: tuple[Segment, ...]

    @cached_property
    def _firsts(self) -> dict[str, Segment]:
        return {segment.name: segment for segment in reversed(self.segments)}

    @property
    def header(self) -> Segment:
        return self.segments[0]

    def segment(self, name: str) -> Segment:
        """The first of this name; an empty one if there is none."""
        return self._firsts.get(name) or Segment(name, (), self.header.delimiters, self.header.codec)

    def all(self, name: str) -> Iterator[Segment]:
        return (segment for segment in self.segments if segment.name == name)

    def below(self, segments: tuple[Segment, ...]) -> Self:
        """The same message with only some of its segments below the header: one patient of several."""
        return type(self)((self.header, *segments))


def parse(data: bytes) -> Message:
    """The message in a frame. Segments end with CR, LF or both; a line end in the middle of a field is part of the field.

    One message in the envelope of a batch (FHS, BHS … BTS, FTS) is a message like any other.

    Raises:
        Unreadable: no MSH at the beginning, delimiters that divide nothing, a second MSH, too many segments.
    """
    text, codec = decode(data)
    text = _out_of_envelope(text.strip(_BEGINNING))
    delimiters = Delimiters.of(text)
    lines = _ends(delimiters.field).split(text)
    if len(lines) > MOST_SEGMENTS:
        raise Unreadable(f"A message has at most {MOST_SEGMENTS} segments.")
    segments = tuple(_segment(line, delimiters, codec) for line in lines)
    if [segment.name for segment in segments].count(MSH) > 1:
        raise Unreadable("There are two messages in one frame: send each in a frame of its own.")
    return Message(segments)


def header_of(data: bytes) -> Segment | None:
    """The MSH segment alone, wherever it is in bytes that cannot be read as a message: whoever sent them wants an answer."""
    begins = data.find(MSH.encode())
    text, codec = decode(data[max(begins, 0) :][:LONGEST_HEAD])
    if begins < 0:  # two bytes to a letter, or no header at all
        text = text[text.find(MSH) :]
    if not text.startswith(MSH):
        return None
    try:
        delimiters = Delimiters.of(text)
    except Unreadable:
        mark = text[3:4]
        divides = mark.isprintable() and not (mark.isalnum() or mark.isspace())
        delimiters = Delimiters(mark) if mark and divides else Delimiters()
    return _segment(re.split(r"[\r\n]", text, maxsplit=1)[0], delimiters, codec)


def _out_of_envelope(text: str) -> str:
    """From MSH on, where a batch's own headers come before it. What comes behind, BTS and FTS, are segments of no use to us."""
    first = _HEAD.search(text) if _ENVELOPE.match(text) else None
    return text[first.end() :] if first else text


_patterns: dict[str, re.Pattern[str]] = {}


def _ends(field: str) -> re.Pattern[str]:
    """Where a segment ends: at a line end that a segment's name follows, or nothing but line ends."""
    if field not in _patterns and len(_patterns) < 100:
        _patterns[field] = _compile(field)
    return _patterns.get(field) or _compile(field)


def _compile(field: str) -> re.Pattern[str]:
    return re.compile(rf"[\r\n]+(?=[A-Z][A-Z0-9]{{2}}(?:{re.escape(field)}|[\r\n]|$))")


def _segment(line: str, delimiters: Delimiters, codec: str) -> Segment:
    fields = line.rstrip("\r\n").split(delimiters.field)
    if fields[0] == MSH:
        fields.insert(1, delimiters.field)
    return Segment(fields[0], tuple(fields), delimiters, codec)


def _meant(text: str, sub: int, delimiters: Delimiters, codec: str) -> str:
    """Of a component as it was written, a subcomponent as it was meant."""
    if sub > 1 or delimiters.subcomponent in text:
        text = _nth(text, delimiters.subcomponent, sub)
    if text == NULL:
        return ""
    if text.isalnum():  # as most are: there is nothing in it to be undone
        return text
    return unescape(text, delimiters, codec)


def _nth(text: str, mark: str, place: int) -> str:
    if not mark or mark not in text:
        return text if place == 1 else ""
    parts = text.split(mark, place)
    return parts[place - 1] if len(parts) >= place else ""
