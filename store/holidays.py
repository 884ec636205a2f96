"""The bank holidays of England and Wales, as dated data: `holidays.csv` beside this file says from where, and from when."""

import csv
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources


@cache
def known() -> Mapping[date, str]:
    """Every bank holiday in the file, by date."""
    text = (resources.files("store") / "holidays.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {date.fromisoformat(row["date"]): row["name"] for row in csv.DictReader(lines)}


def last_year() -> int:
    """The last year of which the file knows anything: after it, bring it up to date."""
    return max(day.year for day in known())
