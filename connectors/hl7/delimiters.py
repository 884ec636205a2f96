"""The five characters that divide a message. They are read from its own head, and never assumed."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self


class Unreadable(ValueError):
    """These bytes are not an HL7 v2 message. The message is one sentence, and repeats nothing of them."""


MSH: Final = "MSH"


@dataclass(frozen=True, slots=True)
class Delimiters:
    """As in MSH-1 and MSH-2. An empty one is not used by this sender (versions 2.1 and 2.2 allow fewer)."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @property
    def encoding(self) -> str:
        """MSH-2 again."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation

    @classmethod
    def of(cls, head: str) -> Self:
        """From the beginning of a message. Raises Unreadable: no MSH, or characters that cannot divide anything."""
        if not head.startswith(MSH) or len(head) < 4:
            raise Unreadable("A message begins with MSH and its field separator.")
        field = head[3]
        # One more than there may be is enough to see that there are too many.
        given = head[4:10].split(field, 1)[0].splitlines()
        return cls._made(field, given[0] if given else "")

    @classmethod
    @lru_cache(maxsize=64)  # nearly everybody's are the same
    def _made(cls, field: str, encoding: str) -> Self:
        if len(encoding) > 5:
            raise Unreadable("MSH-2 holds at most five characters.")
        made = cls(field, *(encoding[place : place + 1] for place in range(5))) if encoding else cls(field)
        used = [*field, *made.encoding]
        if len(set(used)) != len(used) or any(char.isalnum() or char.isspace() or char < " " for char in used):
            raise Unreadable("The delimiters in MSH-1 and MSH-2 must be five different marks, such as |^~\\&.")
        return made
