"""Bytes to text: as MSH-18 says, if that can be, and as it was meant, if it says wrong (HL7 table 0211)."""

import codecs
import re
from functools import lru_cache
from typing import Final, NamedTuple

_UTF_8: Final = "utf-8"
_WINDOWS: Final = "cp1252"

_DECLARED: Final = {
    "": None,
    "ASCII": "ascii",
    "ISOIR6": "ascii",
    "88591": _WINDOWS,  # what calls itself 8859/1 in this country is Windows': a superset
    "UNICODE": _UTF_8,
    "UNICODEUTF8": _UTF_8,
    "UTF8": _UTF_8,
    "WINDOWS1252": _WINDOWS,
    "CP1252": _WINDOWS,
    "ISOIR87": "iso2022_jp",
    "ISOIR14": "iso2022_jp",
    "ISOIR159": "iso2022_jp_1",
    "GB180302000": "gb18030",
    "GB18030": "gb18030",
    "KSX1001": "euc_kr",
    "CNS116431992": "euc_tw",
    "BIG5": "big5",
} | {f"8859{part}": f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)}

LONGEST: Final = 100
"""Bytes of a character set's name."""

_LINE_END: Final = re.compile(rb"[\r\n]")
_SEVERAL_BYTES: Final = ("gb18030", "euc_kr", "big5", "iso2022_jp", "iso2022_jp_1")


class Decoded(NamedTuple):
    """The text, and the codec that it was read with: an escape for bytes inside of it is read with the same."""

    text: str
    codec: str


def declared(head: bytes) -> str | None:
    """The codec that MSH-18 of a message names in its first repetition; None if it names none, or one that is not known."""
    ends = _LINE_END.search(head)
    line = head[: ends.start()] if ends else head
    fields = line.split(line[3:4], 18) if len(line) > 3 else []
    return _codec(fields[17][:LONGEST]) if len(fields) > 17 else None


@lru_cache(maxsize=64)
def _codec(said: bytes) -> str | None:
    name = re.sub(rb"[^A-Z0-9].*$", b"", re.sub(rb"[ _/-]", b"", said.upper())).decode("ascii", "ignore")
    return _DECLARED.get(name.removeprefix("ISO") if name.startswith("ISO8859") else name)


def decode(data: bytes) -> Decoded:
    """Every byte becomes a character: what is declared wrongly is tried as UTF-8, then as Windows-1252, then as Latin-1.

    Bytes that are UTF-8 with more than ASCII in it are UTF-8 whatever is declared, unless that is one of the sets with
    several bytes to a character: nobody is called 'ZoÃ«'. UTF-16 and UTF-32 are known by the NULs beside every letter, and
    by nothing else: who declares them and sends single bytes is read, and answered, in what was sent.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    if wide := _wide(data[:4]):
        return _first(data, (wide, "latin-1"))
    if data.isascii() and b"\x1b" not in data:
        return Decoded(data.decode("ascii"), declared(data) or _UTF_8)
    codec = declared(data) or _UTF_8
    if codec in _SEVERAL_BYTES:
        return _first(data, (codec, _UTF_8, _WINDOWS, "latin-1"))
    return _first(data, (_UTF_8, codec, _WINDOWS, "latin-1"))


def _wide(start: bytes) -> str | None:
    """The codec of text with two or four bytes to a letter; None if its first letter has one."""
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if start[1:4] == b"\0\0\0":
        return "utf-32-le"
    if start[:3] == b"\0\0\0":
        return "utf-32-be"
    if start[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if start[:1] == b"\0" else None


def _first(data: bytes, tried: tuple[str, ...]) -> Decoded:
    for codec in tried:
        try:
            return Decoded(data.decode(codec), codec)
        except (UnicodeDecodeError, LookupError):
            continue
    return Decoded(data.decode("latin-1"), "latin-1")
