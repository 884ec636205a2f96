"""Where a page would find nobody: every gap in the rota, and every person on it who cannot be reached."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from sqlalchemy import select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.london import LONDON
from schemas.pages import Role, Step
from store.children import children
from store.people import Responder, plan_for, responders, shifts, steps

Time = tuple[datetime, datetime]
"""From, and up to but not with."""


async def check(connection: AsyncConnection, at: datetime, days: int = 14) -> list[str]:
    """One sentence for each gap and each person, by team; empty if every step of every plan finds somebody for so many days.

    The teams are those of watched children, of shifts and of policies. Overlaps are fine.
    """
    start, end = at, at + timedelta(days=days)
    shift_columns = (shifts.c.team, shifts.c.role, shifts.c.starts, shifts.c.ends)
    query = select(*shift_columns, responders).join(responders).where((shifts.c.starts < end) & (shifts.c.ends > start))
    times: defaultdict[tuple[str, str], list[Time]] = defaultdict(list)
    people: defaultdict[tuple[str, str], dict[str, Responder]] = defaultdict(dict)
    for row in await connection.execute(query):
        times[row.team, row.role].append((row.starts, row.ends))
        people[row.team, row.role][row.person] = Responder(
            row.person, row.name, row.mobile, row.email, tuple(row.teams), row.stopped_at
        )
    found: list[str] = []
    for team in await _teams(connection):
        plan = await plan_for(connection, team)
        for role in dict.fromkeys(step.role for step in plan):
            found += [_nobody(team, role, gap) for gap in gaps(times[team, role], (start, end))]
        found += dict.fromkeys(
            sentence for step in plan for sentence in _cannot_be_reached(team, step, people[team, step.role].values())
        )
    return found


def gaps(covered: Iterable[Time], within: Time) -> Iterator[Time]:
    """The times within `within` that none of these cover, in order."""
    now, end = within
    for starts, ends in sorted(covered):
        if starts >= end:
            break
        if starts > now:
            yield now, starts
        now = max(now, ends)
    if now < end:
        yield now, end


async def _teams(connection: AsyncConnection) -> list[str]:
    every = union(select(children.c.team), select(shifts.c.team), select(steps.c.team)).subquery()
    return list(await connection.scalars(select(every.c.team).order_by(every.c.team)))


def _cannot_be_reached(team: str, step: Step, people: Iterable[Responder]) -> Iterator[str]:
    for person in people:
        if person.first_of(step.channels) is None:
            why = "their phone has opted out (STOP)" if person.stopped_at else "they have no email address"
            yield f"{team}: {person.person} cannot be reached by {' or '.join(step.channels)} in step {step.step}: {why}"


def _nobody(team: str, role: Role, gap: Time) -> str:
    starts, ends = (f"{moment.astimezone(LONDON):%Y-%m-%d %H:%M %Z}" for moment in gap)
    return f"{team}: no {role} on call from {starts} to {ends}"
