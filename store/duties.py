"""Coming on call: somebody is told that their time begins, and confirms it; whoever does not is reported to the manager.

Told in the half hour before, and at once when they are put on call for a time that has begun. A shift that was imported
after it had begun is not told of: whoever imported it knows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, ForeignKey, Table, Text, and_, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.london import LONDON
from schemas.pages import Purpose, Role
from store import audit, sending
from store.columns import Instant
from store.database import TABLES
from store.layers import Duty
from store.pages import attempts
from store.people import on_call, responders, shifts
from store.receipts import replies

duties = Table(
    "duties",
    TABLES,
    Column("team", Text, primary_key=True),
    Column("person", Text, ForeignKey("responders.person"), primary_key=True),
    Column("role", Text, primary_key=True),
    Column("starts", Instant, primary_key=True),
    Column("ends", Instant, nullable=False),
    Column("told_at", Instant, nullable=False),
    Column("confirmed_at", Instant),
    Column("reported_at", Instant),
)

LEAD = timedelta(minutes=30)
"""So long before their time begins somebody is told: late enough that they mean it, early enough to find another."""

CONFIRM_WITHIN = timedelta(minutes=15)
"""From the start of the shift, or from being told if that was later; then the manager is told."""

WHO = "pager"
ANSWERED = ("accept", "pass", "done")
"""Replies, as they were understood, that show that somebody is there and knows it, even if they were about a page."""

_T, _D = shifts.c, duties.c
_SAME = (_D.team == _T.team) & (_D.person == _T.person) & (_D.role == _T.role)


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A shift that nobody has confirmed. `told` are the people who were told of it: nobody, if nobody else is on call."""

    team: str
    role: Role
    person: str
    told: tuple[str, ...]


async def tell_coming(connection: AsyncConnection, *, at: datetime) -> int:
    """Text everybody whose time begins within half an hour, once. Returns how many."""
    earlier = shifts.alias("earlier")
    same = (earlier.c.team == _T.team) & (earlier.c.person == _T.person) & (earlier.c.role == _T.role)
    goes_on = exists().where(same & (earlier.c.starts < _T.starts) & (earlier.c.ends >= _T.starts))
    known = exists().where(_SAME & (_D.starts == _T.starts))
    soon = (_T.starts > at) & (_T.starts <= at + LEAD) & ~goes_on & ~known
    rows = (await connection.execute(select(_T.team, _T.person, _T.role, _T.starts, _T.ends).where(soon))).all()
    count = 0
    for row in rows:
        count += await tell(connection, row.team, [Duty(row.person, Role(row.role), row.starts, row.ends)], at=at)
    return count


async def tell(connection: AsyncConnection, team: str, coming: Iterable[Duty], *, at: datetime) -> int:
    """Text these people that they are on call in these times. Whoever was told of the same already is not told again."""
    count = 0
    for duty in coming:
        values = {"team": team, "person": duty.person, "role": duty.role, "starts": duty.starts, "ends": duty.ends}
        statement = insert(duties).values(**values, told_at=at).on_conflict_do_nothing().returning(duties.c.person)
        if (await connection.execute(statement)).first() is None:
            continue
        stopped = await connection.scalar(select(responders.c.stopped_at).where(responders.c.person == duty.person))
        if stopped is not None:
            continue  # it may not be texted; the manager is told when the time has begun
        about = f"duty/{team}/{duty.role}/{duty.starts.isoformat()}"
        count += await sending.add(
            connection,
            purpose=Purpose.COMING,
            person=duty.person,
            at=at,
            team=team,
            about=about,
            note=f"{duty.role} from {_wall(duty.starts)} to {_wall(duty.ends)}",
        )
    return count


async def people(connection: AsyncConnection, starts: datetime, ends: datetime) -> list[str]:
    """Everybody who is on call for any team at any time of these."""
    within = (_T.starts < ends) & (_T.ends > starts)
    return list(await connection.scalars(select(_T.person).where(within).distinct().order_by(_T.person)))


async def confirm(connection: AsyncConnection, person: str, *, at: datetime) -> int:
    """`person` has answered: they know that they are on call. Returns how many shifts that confirms.

    None, if they were told of a page after it: then their words are about that page.
    """
    paged = exists().where(
        (attempts.c.person == person) & (attempts.c.purpose == Purpose.PAGE) & (attempts.c.due_at > _D.told_at)
    )
    open_ = (_D.person == person) & _D.confirmed_at.is_(None) & (_D.told_at <= at) & (_D.ends > at)
    confirmed = (
        await connection.execute(
            update(duties).where(open_ & ~paged).values(confirmed_at=at).returning(_D.team, _D.role, _D.starts)
        )
    ).all()
    for row in confirmed:
        detail = {"team": row.team, "role": row.role, "starts": row.starts.isoformat()}
        await audit.record(
            connection, audit.What.DUTY_CONFIRMED, who=person, about=f"responder/{person}", at=at, detail=detail
        )
    return len(confirmed)


async def report_unconfirmed(connection: AsyncConnection, *, at: datetime) -> list[Unconfirmed]:
    """Tell the manager on call of every shift that stands, has begun, and was not confirmed in time; once each."""
    stands = exists().where(_SAME & (_T.starts <= at) & (_T.ends > at))
    since = func.greatest(_D.starts, _D.told_at)
    answered = exists().where(
        and_(replies.c.person == _D.person, replies.c.received_at >= _D.told_at, replies.c.understood_as.in_(ANSWERED))
    )
    late = _D.confirmed_at.is_(None) & _D.reported_at.is_(None) & (since <= at - CONFIRM_WITHIN) & (_D.ends > at)
    rows = (
        await connection.execute(
            update(duties).where(late & stands & ~answered).values(reported_at=at).returning(*duties.c)
        )
    ).all()
    found = []
    for row in sorted(rows, key=lambda one: (one.team, one.starts, one.role, one.person)):
        told = await _report(connection, row.team, Role(row.role), row.person, row.starts, at=at)
        found.append(Unconfirmed(row.team, Role(row.role), row.person, told))
        detail = {"team": row.team, "role": row.role, "starts": row.starts.isoformat(), "told": list(told)}
        await audit.record(
            connection, audit.What.DUTY_UNCONFIRMED, who=WHO, about=f"responder/{row.person}", at=at, detail=detail
        )
    return found


async def _report(
    connection: AsyncConnection, team: str, role: Role, person: str, starts: datetime, *, at: datetime
) -> tuple[str, ...]:
    """The managers; and if there is none but them, whoever else is on call for the team."""
    told: list[str] = []
    for asked in (Role.MANAGER, Role.BACKUP, Role.PRIMARY):
        for who in await on_call(connection, team, asked, at):
            if told and asked is not Role.MANAGER:
                return tuple(told)
            if who.person == person or who.stopped_at is not None or who.person in told:
                continue
            about = f"unconfirmed/{team}/{role}/{person}/{starts.isoformat()}"
            note = f"{role} since {_wall(starts)}"
            await sending.add(
                connection,
                purpose=Purpose.UNCONFIRMED,
                person=who.person,
                at=at,
                team=team,
                about=about,
                note=note,
            )
            told.append(who.person)
    return tuple(told)


def _wall(at: datetime) -> str:
    """As a text says it, `17:00 Sat 21`: the note of a text knows no other form."""
    here = at.astimezone(LONDON)
    return f"{here:%H:%M %a} {here.day}"
