"""The CSV of shifts (contract section 6): who is on call when, in the wall time of Europe/London."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.london import LONDON
from schemas.pages import Role
from store import audit, csvs, holes
from store.csvs import Check, Findings, Refused
from store.database import lock
from store.holes import Time
from store.layers import Duty, on_call, replan
from store.people import plan_for, responders, shifts
from store.responders import PERSON, TEAM

_WALL_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)(Z|[+-]\d\d:\d\d)?", re.ASCII)


AHEAD = timedelta(days=14)
"""How far an import looks for times in which it would leave a team with nobody at all."""


class LeavesNobody(Exception):
    """An import would leave a team with nobody on call, in any role, where somebody was, or between its own shifts."""

    def __init__(self, times: Sequence[str]) -> None:
        self.times = tuple(times)
        super().__init__("\n".join(times))


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
    for row in csvs.read(data, tuple(COLUMNS), findings):
        values = row.checked(COLUMNS, findings)
        if values is None:
            continue
        shift = Shift(row.line, **values)
        if shift.ends <= shift.starts:
            findings.add(row.line, "ends", "is not after starts")
        found.append(shift)
    findings.stop()
    return found


async def apply(
    connection: AsyncConnection,
    rota: Sequence[Shift],
    *,
    at: datetime,
    who: str,
    within: Time | None = None,
    force: str | None = None,
) -> list[str]:
    """Let this rota be the truth for its teams from its first start to its last end; before and after, nothing changes.

    `within`: in this time instead, for a calendar that is the whole truth of it. A shift that reaches out of that time
    keeps the part outside: an import never takes away somebody whom it says nothing of. Covers, swaps and overrides stay.

    Returns one sentence for each time of the next 14 days in which still nobody is on call, or a role of the team's policy
    has lost whoever it had. Raises BadFile: a person who is not known, or not of that team; LeavesNobody, unless `force`
    says why: what it makes worse, or leaves in its midst.
    """
    await lock(connection, "people", "all")
    await _know_everybody(connection, rota)
    teams = sorted({shift.team for shift in rota})
    start, end = within or (min(shift.starts for shift in rota), max(shift.ends for shift in rota))
    near = (at, at + AHEAD)
    worse: list[str] = []
    left: list[str] = []
    fewer: list[str] = []
    for team in teams:
        before = await on_call(connection, team, *near)
        duties = [Duty(s.person, s.role, s.starts, s.ends) for s in rota if s.team == team]
        await replan(connection, team, duties, start, end)
        after = await on_call(connection, team, *near)
        made, stayed = holes.judge(_times(before), _times(after), near)
        worse += [holes.nobody(team, hole) for hole in made]
        left += [holes.nobody(team, hole) for hole in stayed]
        for role in dict.fromkeys(step.role for step in await plan_for(connection, team)):
            lost, _ = holes.judge(_times(before, role), _times(after, role), near)
            fewer += [holes.nobody(team, hole, role) for hole in lost if hole not in (*made, *stayed)]
    if worse and not force:
        raise LeavesNobody(worse)
    detail = {"count": len(rota), "teams": teams, "from": start.isoformat(), "to": end.isoformat()}
    forced = {"forced": force, "nobody": worse} if worse else {}
    await audit.record(connection, audit.What.ROTA_IMPORTED, who=who, about="rota", at=at, detail={**detail, **forced})
    return [*worse, *left, *fewer]


def _times(duties: Sequence[Duty], role: Role | None = None) -> list[Time]:
    return [(duty.starts, duty.ends) for duty in duties if role in (None, duty.role)]


async def show(connection: AsyncConnection, start: datetime, end: datetime) -> list[OnShift]:
    """Every shift in this time, by team, role in the order of escalation, and start. With `end` just after `start`: who is on call now."""
    columns = (
        *(shifts.c[name] for name in ("team", "person", "role", "starts", "ends")),
        responders.c.name,
        responders.c.stopped_at,
    )
    query = select(*columns).join(responders).where((shifts.c.starts < end) & (shifts.c.ends > start))
    found = [
        OnShift(row.team, Role(row.role), row.person, row.name, row.starts, row.ends, row.stopped_at is None)
        for row in await connection.execute(query)
    ]
    order = list(Role)
    return sorted(found, key=lambda shift: (shift.team, order.index(shift.role), shift.starts, shift.person))


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
