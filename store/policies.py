"""The CSV of escalation policies (contract section 6): whom a team tells, by which channels, and how long each step waits."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import Channel, Role, Step
from store import audit, csvs
from store.csvs import Check, Findings, Refused
from store.database import lock
from store.people import steps
from store.responders import TEAM

MOST_STEPS = 50
LONGEST_WAIT = 86_400.0


class Policy(NamedTuple):
    """One team's steps, in order."""

    team: str
    steps: tuple[Step, ...]


def _step(cell: str) -> int:
    if not (cell.isascii() and cell.isdigit() and 1 <= int(cell[:4]) <= MOST_STEPS and len(cell) <= 3):
        raise Refused(f"write a whole number from 1 to {MOST_STEPS}")
    return int(cell)


def _seconds(cell: str) -> float:
    try:
        seconds = float(cell)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_WAIT:  # a NaN is not
        raise Refused(f"write seconds, more than 0 and at most {LONGEST_WAIT:.0f}")
    return seconds


COLUMNS: Mapping[str, Check] = {
    "team": TEAM,
    "step": _step,
    "role": csvs.one_of(Role),
    "channels": csvs.several(csvs.one_of(Channel), required=True),
    "wait_seconds": _seconds,
}


def read(data: bytes) -> list[Policy]:
    """Each team's policy, or BadFile with every line and column that is wrong. Steps count 1, 2, 3 in any order of lines."""
    findings = Findings()
    found: dict[str, dict[int, Step]] = {}
    last_line: dict[str, int] = {}
    for row in csvs.read(data, tuple(COLUMNS), findings):
        values = row.checked(COLUMNS, findings)
        if values is None:
            continue
        team = values.pop("team")
        last_line[team] = row.line
        step = Step(**values)
        if step.step in found.setdefault(team, {}):
            findings.add(row.line, "step", "is there twice for this team")
        found[team][step.step] = step
    for team, by_number in found.items():
        if sorted(by_number) != list(range(1, len(by_number) + 1)) and not findings.problems:
            findings.add(last_line[team], "step", "this team's steps do not count 1, 2, 3 without a gap")
    findings.stop()
    return [Policy(team, tuple(by_number[n] for n in sorted(by_number))) for team, by_number in found.items()]


async def apply(connection: AsyncConnection, policies: Sequence[Policy], *, at: datetime, who: str) -> None:
    """Replace the policies of these teams. Pages that are open keep the plan they opened with."""
    await lock(connection, "people", "all")
    teams = [policy.team for policy in policies]
    await connection.execute(delete(steps).where(steps.c.team.in_(teams)))
    rows = [
        {**step.model_dump(), "team": policy.team, "channels": list(step.channels)}
        for policy in policies
        for step in policy.steps
    ]
    await connection.execute(insert(steps), rows)
    detail = {"teams": sorted(teams), "steps": len(rows)}
    await audit.record(connection, audit.What.POLICIES_IMPORTED, who=who, about="policies", at=at, detail=detail)
