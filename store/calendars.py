"""A rota as an iCalendar file (RFC 5545): which event puts whom on call, with recurrence, exceptions and time zones worked out.

How an event says it:
- the role in its title, `Islington primary: Ada Marsh`, or as a category beside the team (`CATEGORIES:Islington,primary`);
- the person by id, name or email after the colon (or as the whole title, if the role is a category), several with `,`
  between; without any, everybody invited who has not declined (`ATTENDEE`, by their email);
- the team in the title or a category, or once for the whole file where the command is told it.

Times without a zone are those on the wall in London, and so is the hour at which an event of whole days begins and ends.
In the hour that the clocks skip, a time is as long after midnight as it would have been; of the hour that comes twice, it
is the first (both as RFC 5545 has it). Cancelled events put nobody on call. A recurring shift keeps its hours on the wall.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import recurring_ical_events
from icalendar import Calendar, Component
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.london import LONDON
from schemas.pages import Role
from store.csvs import BadFile, Findings, Problem
from store.people import responders
from store.rotas import Shift

LARGEST: Final = 5 * 1024 * 1024
MOST_EVENTS: Final = 5_000
MOST_SHIFTS: Final = 20_000
MOST_TIMES: Final = 5_000
"""Repeats that one rule may count."""
FIRST_YEAR: Final = 2000
BACK, AHEAD = timedelta(days=1), timedelta(days=366)
"""Of what time a calendar is the whole truth: a day before the import, and a year after."""

_ROLES = "|".join(Role)
_TITLE = re.compile(rf"(?:(?P<team>.*?)\s+)??(?P<role>{_ROLES})\s*(?:[:–-]\s*(?P<who>.*))?", re.IGNORECASE | re.DOTALL)
_LINE = "X-NIGHTLIGHT-LINE"
_EVERY = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_PARTS_OF_A_DAY = ("BYHOUR", "BYMINUTE", "BYSECOND")

# What the two libraries raise of themselves for what is no calendar; each is a refusal here, and says nothing of the file.
_GARBAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Entry:
    """One shift of the calendar: `who` are the names, ids or addresses that it gives."""

    line: int
    team: str
    role: Role
    who: tuple[str, ...] = field(repr=False)
    starts: datetime
    ends: datetime


def horizon(at: datetime) -> tuple[datetime, datetime]:
    """The time of which a calendar is the whole truth when it is imported at `at`."""
    return at - BACK, at + AHEAD


def read(data: bytes, *, at: datetime, team: str | None = None, changeover: time = time()) -> list[Entry]:
    """Every shift within the horizon, or BadFile with the line of every event that is wrong.

    `team`: for events that name none. `changeover`: the hour in London at which events of whole days change hands.
    Slow calendars exist: the caller gives it as long as it likes, and no longer.
    """
    try:
        return _read(data, at, team, changeover)
    except _GARBAGE:
        raise _bad("has an event whose times or rules cannot be read: export it again") from None


def _read(data: bytes, at: datetime, team: str | None, changeover: time) -> list[Entry]:
    calendar = _parse(data)
    findings = Findings()
    for event in calendar.walk("VEVENT"):
        _limit(event, findings)
    findings.stop()
    entries: list[Entry] = []
    for event in _occurrences(calendar, *horizon(at)):
        entries += _entries(event, team, changeover, findings)
        if len(entries) > MOST_SHIFTS:
            raise _bad(f"has more than {MOST_SHIFTS} shifts in a year: that is no rota")
    _once(findings).stop()
    if not entries:
        raise _bad("has no shift from now to a year ahead: nothing was found that names a role and a person")
    return entries


async def people(connection: AsyncConnection, entries: Sequence[Entry]) -> list[Shift]:
    """The same with each person known by their id. Raises BadFile: somebody who is not known, or a name of two people."""
    known: dict[str, set[str]] = {}
    rows = await connection.execute(select(responders.c.person, responders.c.name, responders.c.email))
    for row in rows:
        for word in (row.person, row.name, row.email):
            if word:
                known.setdefault(_plain(word), set()).add(row.person)
    findings = Findings()
    found: list[Shift] = []
    for entry in entries:
        for word in entry.who:
            meant = sorted(known.get(_plain(word), ()))
            if len(meant) == 1:
                found.append(Shift(entry.line, entry.team, meant[0], entry.role, entry.starts, entry.ends))
                continue
            says = "is the name of two people: write the id" if meant else "is not known: import responders first"
            findings.add(entry.line, "person", says)
    _once(findings).stop()
    return found


def _parse(data: bytes) -> Component:
    if len(data) > LARGEST:
        raise _bad(f"is larger than {LARGEST // 1024 // 1024} MB: that is no rota")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _bad("is not UTF-8: export it again as iCalendar") from None
    lines = [number for number, line in enumerate(text.splitlines(), start=1) if line.strip().upper() == "BEGIN:VEVENT"]
    if len(lines) > MOST_EVENTS:
        raise _bad(f"has more than {MOST_EVENTS} events: that is no rota")
    if "BEGIN:VCALENDAR" not in text[:1000].upper():
        raise _bad("is not an iCalendar file: it does not begin with BEGIN:VCALENDAR")
    try:
        calendar = Calendar.from_ical(text)
        events = calendar.walk("VEVENT")
    except _GARBAGE:
        raise _bad("is not an iCalendar file that can be read: export it again") from None
    if calendar.name != Calendar.name or len(events) != len(lines):
        raise _bad("is not an iCalendar file that can be read: export it again")
    for event, line in zip(events, lines, strict=True):
        event[_LINE] = str(line)
    return calendar


def _limit(event: Component, findings: Findings) -> None:
    """Rules that would take for ever, or longer than anybody is on call, are refused before they are begun."""
    line = int(str(event[_LINE]))
    starts = getattr(event.get("DTSTART"), "dt", None)
    if not isinstance(starts, date):
        findings.add(line, "DTSTART", "is missing, or no date")
    elif starts.year < FIRST_YEAR:
        findings.add(line, "DTSTART", f"is before {FIRST_YEAR}: let the series begin later")
    for rule in _listed(event.get("RRULE")):
        if not isinstance(rule, Mapping):
            findings.add(line, "RRULE", "is no rule that can be read")
            continue
        every = {str(word).upper() for word in _listed(rule.get("FREQ"))}
        if not every or not every <= _EVERY or any(part in rule for part in _PARTS_OF_A_DAY):
            findings.add(line, "RRULE", "repeats within a day: a shift repeats daily, weekly, monthly or yearly")
        if any(int(count) < 1 for count in _listed(rule.get("INTERVAL"))):
            findings.add(line, "RRULE", "repeats at an interval of nothing: INTERVAL is 1 or more")
        if "DAILY" in every and "BYSETPOS" in rule:
            findings.add(
                line, "RRULE", "picks among the times of one day (BYSETPOS), and a day has but one: leave it out"
            )
        if any(int(count) > MOST_TIMES for count in _listed(rule.get("COUNT"))):
            findings.add(line, "RRULE", f"counts more than {MOST_TIMES} repeats: write UNTIL, or neither")


def _occurrences(calendar: Component, starts: datetime, ends: datetime) -> Iterator[Component]:
    found = recurring_ical_events.of(calendar).between(starts.astimezone(LONDON), ends.astimezone(LONDON))
    yield from (event for event in found if str(event.get("STATUS", "")).upper() != "CANCELLED")


def _entries(event: Component, team: str | None, changeover: time, findings: Findings) -> list[Entry]:
    line = int(str(event[_LINE]))
    starts, ends = (_instant(getattr(event[name], "dt", None), changeover) for name in ("DTSTART", "DTEND"))
    if ends <= starts:
        findings.add(line, "DTEND", "is not after DTSTART")
        return []
    said, role, who = _said(event)
    team = said or team
    if role is None:
        findings.add(line, "SUMMARY", f"names no role: write 'Team {Role.PRIMARY}: Person', or a category {_or(Role)}")
    if not team:
        findings.add(line, "SUMMARY", "names no team: write 'Team role: Person', or import with --team")
    if not who:
        findings.add(line, "SUMMARY", "names nobody: write 'Team role: Person', or invite them")
    if role is None or not team or not who:
        return []
    return [Entry(line, team, role, who, starts, ends)]


def _said(event: Component) -> tuple[str | None, Role | None, tuple[str, ...]]:
    """The team, the role and the people that an event names."""
    title = " ".join(str(next(iter(_listed(event.get("SUMMARY"))), "")).split())
    categories = [" ".join(str(word).split()) for word in getattr(event, "categories", ())]
    roles = [word for word in categories if word.casefold() in set(Role)]
    others = [word for word in categories if word.casefold() not in set(Role)]
    if parts := _TITLE.fullmatch(title):
        team = parts["team"] or next(iter(others), None)
        return team, Role(parts["role"].casefold()), _names(parts["who"] or "") or _invited(event)
    if len(roles) == 1:
        return next(iter(others), None), Role(roles[0].casefold()), _invited(event) or _names(title)
    return next(iter(others), None), None, _names(title)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in re.split(r"[,;]", text) if name.strip())


def _invited(event: Component) -> tuple[str, ...]:
    invited = []
    for attendee in _listed(event.get("ATTENDEE")):
        declined = str(getattr(attendee, "params", {}).get("PARTSTAT", "")).upper() == "DECLINED"
        scheme, _, address = str(attendee).partition(":")
        if scheme.casefold() == "mailto" and address and not declined:
            invited.append(address)
    return tuple(invited)


def _instant(value: Any, changeover: time) -> datetime:
    """A date, a time on London's walls, or a time in a zone, as UTC."""
    at: datetime = value if isinstance(value, datetime) else datetime.combine(value, changeover)
    return (at if at.tzinfo else at.replace(tzinfo=LONDON)).astimezone(UTC)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _once(findings: Findings) -> Findings:
    """A series that is wrong is wrong a hundred times over, and said once."""
    return Findings(list(dict.fromkeys(findings.problems)))


def _plain(word: str) -> str:
    return " ".join(word.split()).casefold()


def _or(words: Any) -> str:
    return " or ".join(words)


def _bad(says: str) -> BadFile:
    return BadFile([Problem(1, None, says)])
