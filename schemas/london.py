"""The clock on the wall of everybody who is on call: Europe/London, through both changes a year."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")


def today(at: datetime) -> date:
    """The date in London at an instant: a list entry expires at London's midnight, whatever the machine's zone."""
    return at.astimezone(LONDON).date()
