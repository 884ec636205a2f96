"""Escape sequences in a value (HL7 v2 chapter 2, section 2.7): the delimiters themselves, bytes, and how text is laid out."""

import re
from functools import lru_cache

from connectors.hl7.delimiters import Delimiters

LONGEST = 4096
"""Characters in one sequence: what is longer is not one."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_LAYOUT = re.compile(r"\.(br|sp|fi|nf|in|ti|sk|ce)([+-]?\d+)?")


@lru_cache(maxsize=64)
def _pattern(escape: str) -> re.Pattern[str]:
    mark = re.escape(escape)
    return re.compile(f"{mark}([^{mark}]{{1,{LONGEST}}}){mark}")


def unescape(text: str, delimiters: Delimiters, codec: str = "utf-8") -> str:
    """The value that was meant, on one line, without spaces around it.

    What is not a sequence stays as it was written: a lone backslash, and a sequence that nobody has defined. Highlighting
    and changes of the character set (`\\C..\\`, `\\M..\\`) are dropped; layout and control characters become a space.
    """
    if delimiters.escape and delimiters.escape in text:
        text = _pattern(delimiters.escape).sub(lambda found: _meant(found, delimiters, codec), text)
    elif text.isprintable():  # nearly every value, and there are a hundred in a message
        return text.strip()
    return _CONTROL.sub(" ", text).strip()


def _meant(found: re.Match[str], delimiters: Delimiters, codec: str) -> str:
    said = found[1]
    known = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "P": delimiters.truncation or "#",
        "H": "",
        "N": "",
    }
    if said in known:
        return known[said]
    if said[0] == "X" and len(said) % 2 and re.fullmatch("[0-9A-Fa-f]+", said[1:]):
        return bytes.fromhex(said[1:]).decode(codec, "replace").replace("\ufffd", " ")
    if said[0] in "CMZ" and re.fullmatch("[CM][0-9A-Fa-f]+|Z.*", said):
        return ""
    return " " if _LAYOUT.fullmatch(said) else found[0]
