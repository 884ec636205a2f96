"""Drills: real pages marked DRILL, about no child, that go the whole way; and when each team is due for one.

A drill is a page like any other to whoever sends and escalates it. It has a moment of its own under a name that no child
can have, a type that no event can have, and an end of its own: it closes when somebody accepts, gives way to a real page,
and is over after half an hour, of which the manager is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Column, Integer, Table, Text, cast, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.kinds import DRILL, NO_CHILD
from schemas.london import LONDON
from schemas.pages import Channel, MomentState, PageState, Purpose, Role
from schemas.probe import PAGE_TYPE as PROBE_PAGE
from store import audit, holidays, phones, sending
from store.children import children
from store.columns import Instant
from store.database import TABLES, lock
from store.ids import page_id
from store.moments import moments
from store.pages import drop_pending, open_page, pages
from store.people import beginning, on_call, responders, shifts

schedules = Table(
    "drill_schedules",
    TABLES,
    Column("team", Text, primary_key=True),
    Column("every_days", Integer, nullable=False),  # 0 is never
    Column("since", Instant, nullable=False),
    Column("last_at", Instant),
)

MONTHLY: Final = 28
LASTS = timedelta(minutes=30)
BACKSTOP = timedelta(minutes=10)
"""The moment's own end comes so much later: only if no pager has ended the drill before."""
TEST_AGAIN = timedelta(days=7)
"""After a test text that nobody answered."""
WHO = "pager"


class Ended(StrEnum):
    """How a drill ended. Closed: it is a label."""

    ACCEPTED = "accepted"
    UNANSWERED = "unanswered"
    GAVE_WAY = "gave-way"  # to a real page


class CannotDrill(Exception):
    """No drill now. The message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a team is drilled. `every_days` 0 is never."""

    team: str
    every_days: int
    since: datetime
    last_at: datetime | None


def name_of(team: str) -> str:
    """The name in place of a child's: a child's id begins with a letter or a digit, so this is nobody's."""
    return f"{NO_CHILD}drill/{team}"


def is_drill_time(at: datetime) -> bool:
    """Tuesday to Thursday from ten to four in London, and no bank holiday: when a drill costs the least."""
    here = at.astimezone(LONDON)
    return here.weekday() in (1, 2, 3) and 10 <= here.hour < 16 and here.date() not in holidays.known()


async def begin(connection: AsyncConnection, team: str, *, at: datetime, who: str) -> str:
    """Open a drill of this team, with the attempts of its first step. Returns its reference.

    Raises CannotDrill: a team that nobody is in, a real page of it that nobody has accepted, a drill that still runs.
    """
    await lock(connection, "drill", team)
    if not await connection.scalar(select(exists().where(responders.c.teams.contains([team])))):
        raise CannotDrill(f"Nobody is of a team {team}: 'nightlight rota show' names the teams there are.")
    waiting = (pages.c.team == team) & (pages.c.state == PageState.OPEN)
    kinds = set(await connection.scalars(select(pages.c.type).where(waiting).distinct()))
    if kinds - {DRILL}:
        raise CannotDrill(f"A real page of {team} waits for somebody: no drill until it has been accepted.")
    if kinds:
        raise CannotDrill(f"A drill of {team} is under way: it ends when somebody accepts, or after half an hour.")
    moment = uuid4()
    page = page_id(moment, team)
    place = {"authority": await _authority(connection, team), "team": team}
    opened = {"state": MomentState.OPEN, "opened_at": at, "window_ends_at": at + LASTS + BACKSTOP}
    await connection.execute(insert(moments).values(moment=moment, child=name_of(team), **place, **opened))
    plan, people = await beginning(connection, team, at)
    clocks = dict.fromkeys(("occurred_at", "received_at", "matched_at"), at)
    values = {"moment": moment, **place, "type": DRILL, **clocks}
    nobody = await open_page(connection, page, values, plan=plan, people=people, at=at)
    seen = insert(schedules).values(team=team, every_days=MONTHLY, since=at, last_at=at)
    await connection.execute(seen.on_conflict_do_update(index_elements=["team"], set_={"last_at": at}))
    reference: str = (await connection.execute(select(pages.c.reference).where(pages.c.page == page))).scalar_one()
    line = audit.Line(audit.What.DRILL_BEGAN, who, f"page/{page}", at, {"team": team, "reference": reference})
    await audit.record_all(connection, [line, *nobody])
    return reference


async def end(connection: AsyncConnection, *, at: datetime) -> list[Ended]:
    """End every drill that is over: accepted, in the way of a real page, or unanswered for half an hour."""
    real = pages.alias("real")
    in_the_way = exists().where(
        (real.c.team == pages.c.team) & (real.c.type != DRILL) & (real.c.state == PageState.OPEN)
    )
    done = pages.c.state.in_((PageState.ACCEPTED, PageState.CONTACT))
    over = (pages.c.state == PageState.OPEN) & (in_the_way | (pages.c.opened_at <= at - LASTS))
    mine = (pages.c.type == DRILL) & (done | over)
    moment_first = select(moments.c.moment).where(
        moments.c.moment.in_(select(pages.c.moment).where(mine)) & (moments.c.state == MomentState.OPEN)
    )
    held = (await connection.scalars(moment_first.order_by(moments.c.moment).with_for_update(skip_locked=True))).all()
    return [await _end(connection, moment, at) for moment in held]


async def _end(connection: AsyncConnection, moment: UUID, at: datetime) -> Ended:
    row = (await connection.execute(select(pages).where(pages.c.moment == moment).with_for_update())).one()
    ended, state = _how(row, at)
    values = {"state": state, "next_step_at": None, "ended_at": at}
    await connection.execute(update(pages).where(pages.c.page == row.page).values(**values))
    await drop_pending(connection, row.page, at=at)
    finished = MomentState.CLOSED if ended is Ended.ACCEPTED else MomentState.EXPIRED
    if ended is Ended.GAVE_WAY:
        finished = MomentState.WITHDRAWN
    await connection.execute(update(moments).where(moments.c.moment == moment).values(state=finished, ended_at=at))
    if ended is Ended.UNANSWERED:
        await _tell_managers(connection, row.page, row.team, at)
    detail = {"team": row.team, "reference": row.reference, "outcome": ended}
    who = row.accepted_by or WHO
    await audit.record(connection, audit.What.DRILL_ENDED, who=who, about=f"page/{row.page}", at=at, detail=detail)
    return ended


def _how(row: Any, at: datetime) -> tuple[Ended, PageState]:
    if row.state != PageState.OPEN:
        return Ended.ACCEPTED, PageState.CLOSED
    if row.opened_at <= at - LASTS:
        return Ended.UNANSWERED, PageState.EXPIRED
    return Ended.GAVE_WAY, PageState.WITHDRAWN


async def _tell_managers(connection: AsyncConnection, page: UUID, team: str, at: datetime) -> None:
    for who in await on_call(connection, team, Role.MANAGER, at):
        if channel := who.first_of((Channel.SMS, Channel.EMAIL)):
            await sending.add(connection, page=page, purpose=Purpose.EXPIRED, person=who.person, at=at, channel=channel)


async def schedule(connection: AsyncConnection, team: str, *, every_days: int, at: datetime, who: str) -> None:
    """Drill this team every so many days; 0 is never."""
    seen = insert(schedules).values(team=team, every_days=every_days, since=at)
    await connection.execute(seen.on_conflict_do_update(index_elements=["team"], set_={"every_days": every_days}))
    detail = {"every_days": every_days}
    await audit.record(connection, audit.What.DRILLS_SCHEDULED, who=who, about=f"rota/{team}", at=at, detail=detail)


async def listing(connection: AsyncConnection) -> list[Schedule]:
    """Every team's schedule, by team."""
    rows = await connection.execute(select(schedules).order_by(schedules.c.team))
    return [Schedule(row.team, row.every_days, row.since, row.last_at) for row in rows]


async def oldest(connection: AsyncConnection, *, at: datetime) -> datetime | None:
    """When the team whose drill is longest ago had it, of those that are drilled and have a shift to come; None without one."""
    to_come = exists().where((shifts.c.team == schedules.c.team) & (shifts.c.ends > at))
    last = func.min(func.coalesce(schedules.c.last_at, schedules.c.since))
    found: datetime | None = await connection.scalar(select(last).where((schedules.c.every_days > 0) & to_come))
    return found


async def begin_due(connection: AsyncConnection, *, at: datetime) -> str | None:
    """Begin the drill of one team that is due and has somebody on call, if it is the time of the week for it.

    One drill at a time, and none while anybody anywhere waits for an answer. A team that is new is due after its first
    month. Returns the team.
    """
    new = select(shifts.c.team, cast(MONTHLY, Integer), cast(at, Instant)).distinct()
    await connection.execute(
        insert(schedules).from_select(["team", "every_days", "since"], new).on_conflict_do_nothing()
    )
    if not is_drill_time(at):
        return None
    if await connection.scalar(
        select(exists().where((pages.c.state == PageState.OPEN) & (pages.c.type != PROBE_PAGE)))
    ):
        return None
    covered = exists().where((shifts.c.team == schedules.c.team) & (shifts.c.starts <= at) & (shifts.c.ends > at))
    last = func.coalesce(schedules.c.last_at, schedules.c.since)
    late = (schedules.c.every_days > 0) & (last + func.make_interval(0, 0, 0, schedules.c.every_days) <= at)
    team = await connection.scalar(select(schedules.c.team).where(late & covered).order_by(last).limit(1))
    if team is None:
        return None
    try:
        await begin(connection, team, at=at, who=WHO)
    except CannotDrill:
        return None
    return str(team)


async def prove_due(connection: AsyncConnection, *, at: datetime) -> str | None:
    """Text one phone of the coming fortnight's rota that nothing was heard of for a month, and ask for a reply."""
    if not is_drill_time(at):
        return None
    soon = (shifts.c.starts < at + timedelta(days=14)) & (shifts.c.ends > at)
    people = list(await connection.scalars(select(shifts.c.person).where(soon).distinct()))
    waiting = await _tested_lately(connection, people, at)
    for phone in await phones.listing(connection, people=people):
        if phone.is_due(at) and phone.person not in waiting:
            await phones.send_test(connection, phone.person, at=at, who=WHO, channels=(Channel.SMS,))
            return phone.person
    return None


async def _tested_lately(connection: AsyncConnection, people: Sequence[str], at: datetime) -> set[str]:
    tested = phones.phones.c.person.in_(people) & (phones.phones.c.tested_at > at - TEST_AGAIN)
    return set(await connection.scalars(select(phones.phones.c.person).where(tested)))


async def _authority(connection: AsyncConnection, team: str) -> str:
    """Whose team it is: the authority of its watched children; empty if it watches none."""
    query = select(children.c.authority).where(children.c.team == team).order_by(children.c.authority).limit(1)
    return await connection.scalar(query) or ""
