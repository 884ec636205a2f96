"""MLLP: where a message begins and ends in a stream of bytes (0x0B … 0x1C 0x0D), however it arrives."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

BEGIN: Final = 0x0B
END: Final = 0x1C
RETURN: Final = 0x0D
FEED: Final = 0x0A

LARGEST: Final = 1 << 20
"""Bytes of one message (domain page, section 2.1)."""

HEAD: Final = 64 * 1024
"""Bytes of a message that is too large which are kept: enough to read its MSH, and to answer it."""

_MARKS: Final = re.compile(rb"[\x0b\x1c]")


@dataclass(frozen=True, slots=True)
class Frame:
    """What was between the marks. `too_large`: it is only the beginning."""

    data: bytes
    too_large: bool = False


def framed(answer: bytes) -> bytes:
    """An answer as it goes on the wire. Our answers hold none of the marks; one that came in with a message is taken out."""
    return b"\x0b" + _MARKS.sub(b"", answer) + b"\x1c\x0d"


class Framer:
    """Takes bytes as they come and gives frames as they are complete. Holds one message at the most, and never more than its
    limit.

    What is outside of a frame is noise, and is dropped. A second beginning inside a frame begins it anew: what came before it
    is half a message, which is no message. An end mark counts when CR, LF or a beginning follows it, or silence (`silence`):
    some senders leave the CR out, and text may hold the mark.
    """

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._buffer = bytearray()
        self._inside = False
        self._too_large = False
        self._looked = 0  # bytes of the buffer in which there is no mark left to find
        self._bytes = 0  # of this frame that were dropped, because it is too large
        self.noise = 0
        self.halves = 0

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and has not ended."""
        return self._inside

    @property
    def at_end_mark(self) -> bool:
        """Whether the last byte was an end mark: a frame that ends here, or text that goes on."""
        return self._inside and self._buffer[-1:] == b"\x1c" and self._looked == len(self._buffer) - 1

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes; give each frame that they complete. The iterator must be run to its end."""
        self._buffer += data
        while True:
            if not self._inside and not self._find_beginning():
                return
            frame, more = self._go_on()
            if frame is not None:
                yield frame
            if not more:
                return

    def silence(self) -> Frame | None:
        """Nothing came for a while: a frame that stands at its end mark has ended."""
        return self._ended(len(self._buffer) - 1, len(self._buffer)) if self.at_end_mark else None

    def _find_beginning(self) -> bool:
        begins = self._buffer.find(BEGIN)
        self.noise += len(self._buffer) if begins < 0 else begins
        if begins < 0:
            self._buffer.clear()
            return False
        self._begin(begins + 1)
        return True

    def _begin(self, start: int) -> None:
        del self._buffer[:start]
        self._inside, self._too_large, self._looked = True, False, 0

    def _go_on(self) -> tuple[Frame | None, bool]:
        """One mark further: a frame if it ended, and whether there may be more in the buffer."""
        found = _MARKS.search(self._buffer, self._looked)
        if found is None:
            self._looked = len(self._buffer)
            self._shorten()
            return None, False
        place = found.start()
        if self._buffer[place] == BEGIN:
            self.halves += 1
            self._begin(place + 1)
            return None, True
        if place + 1 == len(self._buffer):
            self._looked = place
            self._shorten()
            return None, False
        after = self._buffer[place + 1]
        if after not in (RETURN, FEED, BEGIN):
            self._looked = place + 1
            return None, True
        return self._ended(place, place + (1 if after == BEGIN else 2)), True

    def _ended(self, end: int, rest: int) -> Frame:
        self._looked = end
        too_large = self._too_large or end > self._largest
        frame = Frame(bytes(self._buffer[: min(end, HEAD) if too_large else end]), too_large)
        del self._buffer[:rest]
        self._inside = False
        return frame

    def _shorten(self) -> None:
        """Of a message that is too large only the head is kept while the rest goes by."""
        if not self._too_large and self._looked <= self._largest:
            return
        self._too_large = True
        del self._buffer[HEAD : self._looked]
        self._looked = min(self._looked, HEAD)
