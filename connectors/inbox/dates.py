"""Dates and times as exports write them, and never a guess: 03/04/2026 is March to some and April to others."""

import re
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo


class Order(StrEnum):
    """How a feed writes its dates. ISO dates, and those with the month in letters, are taken whatever it is."""

    ISO = "yyyy-mm-dd"
    BRITISH = "dd/mm/yyyy"
    AMERICAN = "mm/dd/yyyy"


MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_ISO = re.compile(r"(?P<y>[0-9]{4})([-/.]?)(?P<m>[0-9]{2})\2(?P<d>[0-9]{2})")
_LETTERS = re.compile(r"(?P<d>[0-9]{1,2})[ -/]?(?P<m>[A-Za-z]{3,9})[ -/,]*(?P<y>[0-9]{4})")
_NUMBERS = re.compile(r"(?P<a>[0-9]{1,2})[/.-](?P<b>[0-9]{1,2})[/.-](?P<y>[0-9]{4})")
_SHORT_YEAR = re.compile(r"[0-9]{1,2}[/. -]([0-9]{1,2}|[A-Za-z]{3,9})[/. -][0-9]{2}")
_SPREADSHEET = re.compile(r"[0-9]{5}([.][0-9]+)?")
_INSTANT = re.compile(
    r"(?P<date>.+?)(T|t|,? +)(?P<h>[0-9]{1,2}):(?P<min>[0-9]{2})(:(?P<s>[0-9]{2})([.,][0-9]{1,9})?)?"
    r" ?(?P<half>[AaPp][Mm])? ?(?P<zone>[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)
_MIDNIGHT = re.compile(r"[T ]00:00(:00([.]0+)?)?")


class NotADate(ValueError):
    """The message says what to write instead, and repeats nothing."""


def read_date(text: str, order: Order) -> date:
    """A calendar date.

    Taken always: 2010-03-14, 2010/03/14, 20100314, 14 Mar 2010, 14-March-2010; with numbers alone only as `order` says.
    A time of midnight behind it, as databases add, is dropped. Raises NotADate.
    """
    text = text.strip()
    if time := _MIDNIGHT.search(text):
        text = text[: time.start()] if time.end() == len(text) else text
    if found := _ISO.fullmatch(text):
        return _made(found["y"], found["m"], found["d"])
    if found := _LETTERS.fullmatch(text):
        return _made(found["y"], str(_month(found["m"])), found["d"])
    if found := _NUMBERS.fullmatch(text):
        return _by_order(found["a"], found["b"], found["y"], order)
    if _SHORT_YEAR.fullmatch(text):
        raise NotADate("write the year with four digits, as YYYY-MM-DD")
    if _SPREADSHEET.fullmatch(text):
        raise NotADate("is a spreadsheet's number for a date: format the column as text, YYYY-MM-DD")
    raise NotADate("write a date as YYYY-MM-DD")


def read_instant(text: str, order: Order, zone: ZoneInfo) -> datetime:
    """A date and a time of day, in UTC. Without an offset it is `zone`'s wall time; the hour that comes twice in October is
    its second coming, as in HL7 (`connectors/hl7/times.py`), so that no window ends an hour early. A date alone is that
    day's first minute: a register of suspensions has no more.

    Raises NotADate.
    """
    found = _INSTANT.fullmatch(text.strip())
    if found is None:
        return _first_minute(text, order, zone)
    day = read_date(found["date"], order)
    hour, half = int(found["h"]), (found["half"] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise NotADate("write a time of day that exists, as 02:06")
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        local = datetime(day.year, day.month, day.day, hour, int(found["min"]), int(found["s"] or 0), tzinfo=zone)
        if offset := found["zone"]:
            written = "+0000" if offset in "zZ" else offset.replace(":", "")
            local = local.replace(tzinfo=datetime.strptime(written, "%z").tzinfo)
        return local.replace(fold=1).astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotADate("write a time of day that exists, as 02:06") from None


def _first_minute(text: str, order: Order, zone: ZoneInfo) -> datetime:
    try:
        day = read_date(text, order)
    except NotADate as problem:
        if "day or month" in str(problem):
            raise
        raise NotADate("write a date and a time, as 2026-11-21T02:06:00+00:00") from None
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _by_order(first: str, second: str, year: str, order: Order) -> date:
    match order:
        case Order.BRITISH:
            return _made(year, second, first)
        case Order.AMERICAN:
            return _made(year, first, second)
        case Order.ISO:
            raise NotADate(
                "day or month first? write YYYY-MM-DD, or say dates = 'dd/mm/yyyy' in the folder's mapping.toml"
            )


def _made(year: str, month: str, day: str) -> date:
    try:
        made = date(int(year), int(month), int(day))
    except ValueError:
        raise NotADate("write a date that exists, as YYYY-MM-DD") from None
    if not 1900 <= made.year <= 2999:
        raise NotADate("write a date that exists, as YYYY-MM-DD")
    return made


def _month(name: str) -> int:
    short = name[:3].lower()
    full = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ]
    if short not in MONTHS or not full[MONTHS.index(short)].startswith(name.lower().removesuffix("t")):
        raise NotADate("write a date as YYYY-MM-DD")
    return MONTHS.index(short) + 1
