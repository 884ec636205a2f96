"""An HL7 v2 message as it lies in a frame: segments, fields, repetitions, components. Whatever the version, nothing is required."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from connectors.hl7.charset import decode
from connectors.hl7.delimiters import MSH, Delimiters, Unreadable
from connectors.hl7.escapes import unescape

NULL: Final = '""'
"""The explicit null: it is known that there is nothing. An empty field says nothing at all."""

MOST_SEGMENTS: Final = 5_000

_BEGINNING: Final = " \t\r\n\ufeff\0"


@dataclass(frozen=True, slots=True)
class Value:
    """One repetition of a field."""

    raw: str
    delimiters: Delimiters
    codec: str

    def part(self, component: int = 1, sub: int = 1) -> str:
        """A component's subcomponent, both counted from 1, unescaped; empty if it is absent or null."""
        return _part(self.raw, component, sub, self.delimiters, self.codec)

    def parts(self) -> list[str]:
        """The first subcomponent of every component."""
        return [self.part(place) for place in range(1, self.raw.count(self.delimiters.component) + 2)]

    @property
    def is_null(self) -> bool:
        return self.raw == NULL


@dataclass(frozen=True, slots=True)
class Segment:
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
        mark = self.delimiters.repetition
        return [Value(one, self.delimiters, self.codec) for one in (raw.split(mark) if mark else [raw]) if one]

    def first(self, field: int) -> Value:
        """The first repetition of a field that holds anything; an empty one if none does."""
        return next(iter(self.values(field)), Value("", self.delimiters, self.codec))

    def part(self, field: int, component: int = 1, sub: int = 1) -> str:
        """A component of a field's first repetition that holds anything."""
        raw = self.raw(field)
        if not raw:
            return ""
        mark = self.delimiters.repetition
        if mark and mark in raw:
            raw = next(filter(None, raw.split(mark)), "")
        return _part(raw, component, sub, self.delimiters, self.codec)


@dataclass(frozen=True, slots=True)
class Message:
    """One message. The first of its segments is MSH."""

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        return self.segments[0]

    def segment(self, name: str) -> Segment:
        """The first of this name; an empty one if there is none."""
        return next(self.all(name), Segment(name, (), self.header.delimiters, self.header.codec))

    def all(self, name: str) -> Iterator[Segment]:
        return (segment for segment in self.segments if segment.name == name)

    def below(self, segments: tuple[Segment, ...]) -> Self:
        """The same message with only some of its segments below the header: one patient of several."""
        return type(self)((self.header, *segments))


def parse(data: bytes) -> Message:
    """The message in a frame. Segments end with CR, LF or both; a line end in the middle of a field is part of the field.

    Raises:
        Unreadable: no MSH at the beginning, delimiters that divide nothing, a second MSH, too many segments.
    """
    text, codec = decode(data)
    text = text.strip(_BEGINNING)
    delimiters = Delimiters.of(text)
    lines = _ends(delimiters.field).split(text)
    if len(lines) > MOST_SEGMENTS:
        raise Unreadable(f"A message has at most {MOST_SEGMENTS} segments.")
    segments = tuple(_segment(line, delimiters, codec) for line in lines)
    if any(segment.name == MSH for segment in segments[1:]):
        raise Unreadable("There are two messages in one frame: send each in a frame of its own.")
    return Message(segments)


def header_of(data: bytes) -> Segment | None:
    """The MSH segment alone, wherever it is in bytes that cannot be read as a message: whoever sent them wants an answer."""
    begins = data.find(MSH.encode())
    if begins < 0:
        return None
    text, codec = decode(data[begins : begins + 65_536])
    try:
        delimiters = Delimiters.of(text)
    except Unreadable:
        delimiters = Delimiters(text[3]) if len(text) > 3 and not text[3].isalnum() else Delimiters()
    return _segment(re.split(r"[\r\n]", text, maxsplit=1)[0], delimiters, codec)


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


def _part(raw: str, component: int, sub: int, delimiters: Delimiters, codec: str) -> str:
    text = _nth(_nth(raw, delimiters.component, component), delimiters.subcomponent, sub)
    return "" if not text or text == NULL else unescape(text, delimiters, codec)


def _nth(text: str, mark: str, place: int) -> str:
    if not mark:
        return text if place == 1 else ""
    if place == 1:
        return text.partition(mark)[0]
    parts = text.split(mark, place)
    return parts[place - 1] if len(parts) >= place else ""
