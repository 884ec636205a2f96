"""What has been answered AA already: the same message again changes nothing, and is answered AA again."""

import hashlib
from collections import OrderedDict
from enum import Enum, auto
from typing import Final

MOST: Final = 100_000
"""Messages remembered: at a region's peak of 150 a second some ten minutes, which is longer than anybody waits to send again."""

MOST_CONTENTS: Final = 8


class Before(Enum):
    """Whether a message came before. The same control id with another content is another message: senders begin to count
    anew, and some give every message one number."""

    NEVER = auto()
    THE_SAME = auto()
    OTHERWISE = auto()


class Seen:
    """By sender, control id and content. Digests alone are kept."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._contents: OrderedDict[bytes, tuple[bytes, ...]] = OrderedDict()

    def look(self, sender: str, control_id: str, frame: bytes) -> Before:
        contents = self._contents.get(_digest(f"{sender}\n{control_id}".encode()))
        if contents is None:
            return Before.NEVER
        return Before.THE_SAME if _digest(frame) in contents else Before.OTHERWISE

    def keep(self, sender: str, control_id: str, frame: bytes) -> None:
        """It has been answered AA."""
        key = _digest(f"{sender}\n{control_id}".encode())
        new = _digest(frame)
        former = (each for each in self._contents.get(key, ()) if each != new)
        self._contents[key] = (*former, new)[-MOST_CONTENTS:]
        self._contents.move_to_end(key)
        if len(self._contents) > self._most:
            self._contents.popitem(last=False)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
