"""HL7's date and time: as much of `YYYYMMDDHHMMSS.SSSS+ZZZZ` as the sender knows, and London's clock where no offset is said."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from schemas.london import LONDON

SOON: Final = timedelta(minutes=5)
"""By how much a sender's clock may be ahead of ours before a time is taken for one that is still to come."""

LONGEST: Final = 64
"""Characters: what is longer is no time, and is not remembered for one."""

_WRITTEN: Final = re.compile(
    r"(\d{4})-?(\d\d)(?:-?(\d\d)(?:[T ]?(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,]\d{1,9})?)?)?)?)?\s*(Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)


def instant(text: str, *, now: datetime) -> datetime | None:
    """The instant, in UTC; None if the text is no time, cannot be, or does not say the hour.

    Without an offset it is London's wall clock. In the hour that the clocks go through twice in October it is the second
    pass, unless that is still to come at `now` (when we have it): a window must not be cut short by an hour. The hour that
    is left out in March is read as if the clocks had not changed yet.
    """
    passes = _passes(text) if len(text) <= LONGEST else None
    if passes is None:
        return None
    earlier, later = passes
    return earlier if later > now + SOON else later


def birth_date(text: str) -> date | None:
    """The date alone: a birth at half past midnight must not move to the day before by way of a time zone."""
    found = _WRITTEN.fullmatch(text.strip()) or re.fullmatch(r"(\d{4})(\d\d)(\d\d)\D?.*", text.strip(), re.ASCII)
    if found is None or found[3] is None:
        return None
    try:
        born = date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None
    return born if 1900 <= born.year <= 2999 else None


@lru_cache(maxsize=4096)  # a message says the same second three times, and others the same minute
def _passes(text: str) -> tuple[datetime, datetime] | None:
    """When London's clocks show it: once, which is twice the same, or twice in the hour that comes twice."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None or found[3] is None or found[4] is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    if not 1900 <= year <= 2999:
        return None
    midnight = hour == 24 and minute == second == 0
    try:
        wall = datetime(year, month, day, 0 if midnight else hour, minute, min(second, 59))  # noqa: DTZ001 - London's, below
        wall += timedelta(days=int(midnight))
        if found[7] is not None:
            said = wall.replace(tzinfo=_zone(found[7])).astimezone(UTC)
            return said, said
        earlier, later = (wall.replace(tzinfo=LONDON, fold=fold).astimezone(UTC) for fold in (0, 1))
    except (ValueError, OverflowError):
        return None
    return earlier, max(earlier, later)  # in March the hour is left out, and is read as before the change


def _zone(offset: str) -> timezone:
    if offset == "Z":
        return UTC
    digits = offset[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 14 or minutes > 59:
        raise ValueError("no such offset")
    east = timedelta(hours=hours, minutes=minutes)
    return timezone(-east if offset[0] == "-" else east)
