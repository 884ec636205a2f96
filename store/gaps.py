"""What is wrong with the rota of the next days: every gap, every person who cannot be reached, and what a manager should know.

A problem is something for which a page may find nobody. A note is something that works and may still be a mistake: two
people in one role, one person in two, a phone that nobody has verified, a bank holiday that a weekly pattern knows nothing
of. An unverified phone is only a note because it is paged all the same: a text that may fail is better than none.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.london import LONDON
from schemas.pages import Role, Step
from store import holidays, phones
from store.children import children
from store.holes import Time, gaps, nobody
from store.layers import Duty, merge
from store.people import Responder, plan_for, responders, shifts, steps
from store.phones import CANNOT_BE_REACHED, Phone, PhoneState

NOT_VERIFIED = (PhoneState.UNVERIFIED, PhoneState.CHANGED)


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found, a sentence each, by team. Each begins with the team and a colon."""

    problems: tuple[str, ...]
    unverified: tuple[str, ...]
    notes: tuple[str, ...]


async def check(connection: AsyncConnection, at: datetime, days: int = 14) -> list[str]:
    """The problems alone: empty if every step of every plan finds somebody who can be reached, for so many days."""
    return list((await survey(connection, at, days)).problems)


async def survey(
    connection: AsyncConnection, at: datetime, days: int = 14, *, only: Collection[str] | None = None
) -> Survey:
    """Everything there is to say of the next days. The teams are those of watched children, of shifts and of policies.

    `only`: of these teams alone, and of each of them.
    """
    within = (at, at + timedelta(days=days))
    rota, people = await _read(connection, within)
    states = {phone.person: phone for phone in await phones.listing(connection, people=list(people))}
    problems: list[str] = []
    unverified: list[str] = []
    notes: list[str] = []
    for team in await _teams(connection) if only is None else sorted(only):
        plan = await plan_for(connection, team)
        duties = rota.get(team, [])
        here = sorted({duty.person for duty in duties})
        for role in dict.fromkeys(step.role for step in plan):
            covered = [(duty.starts, duty.ends) for duty in duties if duty.role is role]
            problems += [nobody(team, gap, role) for gap in gaps(covered, within)]
        unreached = [found for step in plan for found in _cannot_be_reached(team, step, duties, people)]
        problems += dict.fromkeys(sentence for _, sentence in unreached)
        named = {person for person, _ in unreached}
        problems += _phones(team, [states[person] for person in here if person not in named])
        unverified += _unverified(team, [states[person] for person in here])
        notes += _doubled(team, duties, within)
        notes += [
            f"{team}: nothing was heard from {person}'s phone for a month: 'nightlight phones test {person}'"
            for person in here
            if states[person].is_due(at)
        ]
        notes += _last_step(team, plan)
        notes += _holidays(team, duties, within)
    return Survey(tuple(problems), tuple(unverified), tuple(notes))


async def _read(connection: AsyncConnection, within: Time) -> tuple[Mapping[str, list[Duty]], Mapping[str, Responder]]:
    query = select(shifts.c.team, shifts.c.role, shifts.c.starts, shifts.c.ends, responders).join(responders)
    rows = (await connection.execute(query.where((shifts.c.starts < within[1]) & (shifts.c.ends > within[0])))).all()
    rota: defaultdict[str, list[Duty]] = defaultdict(list)
    for row in rows:
        rota[row.team].append(Duty(row.person, Role(row.role), row.starts, row.ends))
    people = {
        row.person: Responder(row.person, row.name, row.mobile, row.email, tuple(row.teams), row.stopped_at)
        for row in rows
    }
    return {team: merge(duties) for team, duties in rota.items()}, people


async def _teams(connection: AsyncConnection) -> list[str]:
    every = union(select(children.c.team), select(shifts.c.team), select(steps.c.team)).subquery()
    return list(await connection.scalars(select(every.c.team).order_by(every.c.team)))


def _cannot_be_reached(
    team: str, step: Step, duties: Iterable[Duty], people: Mapping[str, Responder]
) -> Iterator[tuple[str, str]]:
    for person in sorted({duty.person for duty in duties if duty.role is step.role}):
        who = people[person]
        if who.first_of(step.channels) is None:
            why = "their phone has opted out (STOP)" if who.stopped_at else "they have no email address"
            by = " or ".join(step.channels)
            yield person, f"{team}: {person} cannot be reached by {by} in step {step.step}: {why}"


def _phones(team: str, found: Iterable[Phone]) -> Iterator[str]:
    for phone in found:
        if phone.state is PhoneState.OPTED_OUT:
            yield f"{team}: {phone.person}'s phone has opted out (STOP): ask them to text START, or put somebody else on call"
        elif phone.state is PhoneState.UNREACHABLE:
            yield f"{team}: {phone.person}'s phone can never be reached, says the provider: give another number"
        elif phone.state in CANNOT_BE_REACHED:
            yield f"{team}: the last text or call to {phone.person} did not arrive: 'nightlight phones test {phone.person}'"


def _unverified(team: str, found: Iterable[Phone]) -> Iterator[str]:
    for phone in found:
        if phone.state in NOT_VERIFIED:
            why = (
                "has not been verified" if phone.state is PhoneState.UNVERIFIED else "is not the one that was verified"
            )
            yield f"{team}: {phone.person}'s phone {why}: 'nightlight phones verify {phone.person}'"


def _doubled(team: str, duties: Sequence[Duty], within: Time) -> Iterator[str]:
    for one, two in _overlapping(duties):
        starts, ends = max(one.starts, two.starts, within[0]), min(one.ends, two.ends, within[1])
        time = f"from {_wall(starts)} to {_wall(ends)}"
        if one.role is two.role and one.person != two.person:
            yield f"{team}: {one.person} and {two.person} are both {one.role} {time}: both are told at once"
        elif one.person == two.person and one.role is not two.role:
            yield f"{team}: {one.person} is {one.role} and {two.role} {time}: a step that goes on asks them again"


def _overlapping(duties: Sequence[Duty]) -> Iterator[tuple[Duty, Duty]]:
    """Pairs of one time, the duties being in order of their start."""
    for number, one in enumerate(duties, start=1):
        for two in duties[number:]:
            if two.starts >= one.ends:
                break
            yield one, two


def _last_step(team: str, plan: Sequence[Step]) -> Iterator[str]:
    if plan[-1].role is not Role.MANAGER:
        yield f"{team}: the last step of the policy, which repeats, asks the {plan[-1].role} and not the manager"


def _holidays(team: str, duties: Iterable[Duty], within: Time) -> Iterator[str]:
    for day, name in holidays.known().items():
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=LONDON)
        if not within[0] <= noon < within[1]:
            continue
        there = sorted({duty.person for duty in duties if duty.starts <= noon < duty.ends})
        if there:
            yield f"{team}: {noon:%A} {day.day} {noon:%B} is a bank holiday ({name}): ask {' and '.join(there)} whether they know"
    if within[1].astimezone(LONDON).year > holidays.last_year():
        yield f"{team}: the bank holidays after {holidays.last_year()} are not known here: update Nightlight"


def _wall(at: datetime) -> str:
    return f"{at.astimezone(LONDON):%Y-%m-%d %H:%M %Z}"
