"""The CSV of shifts (contract section 6): who is on call when, in the wall time of Europe/London."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.london import LONDON
from schemas.pages import Role
from store import audit, csvs
from store.csvs import Check, Findings, Refused
from store.database import lock
from store.people import responders, shifts
from store.responders import PERSON, TEAM

_WALL_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)(Z|[+-]\d\d:\d\d)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift of the file, in UTC: its start belongs to it, its end does not."""

    line: int
    team: str
    person: str
    role: Role
    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class OnShift:
    """One shift as it is shown. `reachable` is False for a phone that has opted out."""

    team: str
    role: Role
    person: str
    name: str
    starts: datetime
    ends: datetime
    reachable: bool


def wall_time(cell: str) -> datetime:
    """London's wall time, or a time with its own offset, as UTC. Raises Refused.

    Of the hour that comes twice when the clocks go back, the first is meant, unless an offset says otherwise. A time in
    the hour that is skipped when they go forward never happens, so it is refused and not moved: nobody knows which way.
    """
    if not cell:
        raise Refused("is empty")
    parts = _WALL_TIME.fullmatch(cell)
    try:
        day, time, offset = parts.groups() if parts else ("", "", "")
        moment = datetime.fromisoformat(f"{day}T{time}{offset or ''}")
    except ValueError:
        raise Refused("write a time that exists, as 2026-11-21 17:00") from None
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    instant = moment.replace(tzinfo=LONDON).astimezone(UTC)
    if instant.astimezone(LONDON).replace(tzinfo=None) != moment:
        raise Refused("does not exist: the clocks go forward over it")
    return instant


COLUMNS: Mapping[str, Check] = {
    "team": TEAM,
    "person": PERSON,
    "role": csvs.one_of(Role),
    "starts": wall_time,
    "ends": wall_time,
}


def read(data: bytes) -> list[Shift]:
    """Every shift, or BadFile with every line and column that is wrong. Shifts may overlap: both people are told."""
    findings = Findings()
    found: list[Shift] = []
    for row in csvs.read(data, tuple(COLUMNS)):
        values = row.checked(COLUMNS, findings)
        if values is None:
            continue
        shift = Shift(row.line, **values)
        if shift.ends <= shift.starts:
            findings.add(row.line, "ends", "is not after starts")
        found.append(shift)
    findings.stop()
    return found


async def apply(connection: AsyncConnection, rota: Sequence[Shift], *, at: datetime, who: str) -> None:
    """Let this rota be the truth for its teams from its first start to its last end; before and after, nothing changes.

    A shift that reaches out of that time keeps the part outside: an import never takes away somebody whom it says
    nothing of. Raises BadFile: a person who is not known, or not of that team.
    """
    await lock(connection, "people", "all")
    await _know_everybody(connection, rota)
    teams = sorted({shift.team for shift in rota})
    start, end = min(shift.starts for shift in rota), max(shift.ends for shift in rota)
    overlapping = shifts.c.team.in_(teams) & (shifts.c.starts < end) & (shifts.c.ends > start)
    replaced = (await connection.execute(delete(shifts).where(overlapping).returning(*_KEPT))).mappings()
    kept = [part for row in replaced for part in _outside(row, start, end)]
    new = [{"team": s.team, "person": s.person, "role": s.role, "starts": s.starts, "ends": s.ends} for s in rota]
    await connection.execute(insert(shifts), new + kept)
    detail = {"count": len(rota), "teams": teams, "from": start.isoformat(), "to": end.isoformat()}
    await audit.record(connection, audit.What.ROTA_IMPORTED, who=who, about="rota", at=at, detail=detail)


async def show(connection: AsyncConnection, start: datetime, end: datetime) -> list[OnShift]:
    """Every shift in this time, by team, role in the order of escalation, and start. With `end` just after `start`: who is on call now."""
    columns = (*_KEPT, responders.c.name, responders.c.stopped_at)
    query = select(*columns).join(responders).where((shifts.c.starts < end) & (shifts.c.ends > start))
    found = [
        OnShift(row.team, Role(row.role), row.person, row.name, row.starts, row.ends, row.stopped_at is None)
        for row in await connection.execute(query)
    ]
    order = list(Role)
    return sorted(found, key=lambda shift: (shift.team, order.index(shift.role), shift.starts, shift.person))


_KEPT = (shifts.c.team, shifts.c.person, shifts.c.role, shifts.c.starts, shifts.c.ends)


def _outside(row: RowMapping, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    if row["starts"] < start:
        yield {**row, "ends": start}
    if row["ends"] > end:
        yield {**row, "starts": end}


async def _know_everybody(connection: AsyncConnection, rota: Sequence[Shift]) -> None:
    teams_of = {
        row.person: row.teams for row in await connection.execute(select(responders.c.person, responders.c.teams))
    }
    findings = Findings()
    for shift in rota:
        if shift.person not in teams_of:
            findings.add(shift.line, "person", "is not known: import responders first")
        elif shift.team not in teams_of[shift.person]:
            findings.add(shift.line, "team", "is not a team of this person: add it to their teams first")
    findings.stop()
