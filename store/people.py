"""People on call: responders, their shifts, and the steps in which a team is told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    any_,
    bindparam,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import DEFAULT_PLAN, Channel, Role, Step
from store.columns import Facts, Instant, Words, one_of
from store.database import TABLES

responders = Table(
    "responders",
    TABLES,
    Column("person", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("mobile", Text, nullable=False),
    Column("email", Text),
    Column("teams", Words, nullable=False),
    Column("stopped_at", Instant),
    Column("mobile_since", Instant),  # when it took the place of another number
    Column("changed_at", Instant, nullable=False, server_default=func.now()),
    # Judged when all is written: an import may let two people swap phones.
    UniqueConstraint("mobile", deferrable=True, initially="DEFERRED"),
    CheckConstraint(r"mobile ~ '^\+[1-9][0-9]{6,14}$'", name="mobile_is_e164"),
)

shifts = Table(
    "shifts",
    TABLES,
    Column("shift", Integer, Identity(), primary_key=True),
    Column("team", Text, nullable=False),
    Column("person", Text, ForeignKey("responders.person"), nullable=False, index=True),
    Column("role", Text, nullable=False),
    Column("starts", Instant, nullable=False),
    Column("ends", Instant, nullable=False),
    CheckConstraint("starts < ends", name="starts_before_it_ends"),
    CheckConstraint(one_of("role", Role), name="role_known"),
    Index("ix_shifts_who_now", "team", "role", "starts", "ends"),
)

steps = Table(
    "steps",
    TABLES,
    Column("team", Text, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("role", Text, nullable=False),
    Column("channels", Words, nullable=False),
    Column("wait_seconds", Float, nullable=False),
    CheckConstraint(one_of("role", Role), name="role_known"),
    CheckConstraint("wait_seconds > 0 AND step >= 1 AND cardinality(channels) >= 1", name="usable"),
)


NEAR = timedelta(days=14)
"""A manager whose time is over, or has not begun, is still the one to ask."""


@dataclass(frozen=True, slots=True)
class Responder:
    """Somebody who can be on call. `stopped_at`: when their phone opted out of our texts; it cannot be texted or called since."""

    person: str
    name: str = field(repr=False)
    mobile: str = field(repr=False)
    email: str | None = field(repr=False)
    teams: tuple[str, ...]
    stopped_at: datetime | None = None

    def can_be_reached_by(self, channel: Channel) -> bool:
        match channel:
            case Channel.SMS | Channel.VOICE:
                return self.stopped_at is None
            case Channel.EMAIL:
                return self.email is not None
            case Channel.WEBHOOK:
                return True

    def first_of(self, channels: Iterable[Channel]) -> Channel | None:
        """The first of these channels that can reach them, or None."""
        return next((channel for channel in channels if self.can_be_reached_by(channel)), None)


# Built once: a statement that is the same object every time is compiled once.
_TEAM, _AT = bindparam("team", type_=Text), bindparam("at", type_=Instant)
_NOW = (shifts.c.team == _TEAM) & (shifts.c.starts <= _AT) & (shifts.c.ends > _AT)
_RESPONDER = [responders.c[name] for name in Responder.__dataclass_fields__]
_ON_CALL = (
    select(*_RESPONDER)
    .where(responders.c.person.in_(select(shifts.c.person).where(_NOW & (shifts.c.role == bindparam("role")))))
    .order_by(responders.c.person)
)
_BY_MOBILE = select(*_RESPONDER).where(responders.c.mobile == bindparam("mobile"))

_PLAN = select(*(steps.c[name] for name in Step.model_fields)).where(steps.c.team == _TEAM).order_by(steps.c.step)
_STEPS = _PLAN.subquery("plan")
_PLAN_IN_ONE = select(func.jsonb_agg(aggregate_order_by(_STEPS.table_valued(), _STEPS.c.step), type_=Facts))
_FIRST_ROLE = func.coalesce(
    select(_STEPS.c.role).order_by(_STEPS.c.step).limit(1).scalar_subquery(), literal(str(DEFAULT_PLAN[0].role))
)
_FIRST_ON_CALL = select(shifts.c.person).where(_NOW & (shifts.c.role == _FIRST_ROLE))
_BEGINNING = (
    select(_PLAN_IN_ONE.scalar_subquery().label("plan"), *_RESPONDER)
    # With nobody on call there is still one row, with the plan.
    .select_from(select(true()).subquery("one").outerjoin(responders, responders.c.person.in_(_FIRST_ON_CALL)))
    .order_by(responders.c.person)
)


async def on_call(connection: AsyncConnection, team: str, role: Role, at: datetime) -> list[Responder]:
    """Who is on call at this instant, by id: a shift includes its start and not its end. Each once, however shifts overlap."""
    rows = await connection.execute(_ON_CALL, {"team": team, "role": role, "at": at})
    return [_responder(row) for row in rows.mappings()]


_IN_ANY_ROLE = select(*_RESPONDER).where(responders.c.person.in_(select(shifts.c.person).where(_NOW)))
_A_MANAGER = (shifts.c.team == _TEAM) & (shifts.c.role == str(Role.MANAGER))
_NEAR = (shifts.c.starts <= _AT + NEAR) & (shifts.c.ends > _AT - NEAR)
_MANAGERS = select(*_RESPONDER).where(responders.c.person.in_(select(shifts.c.person).where(_A_MANAGER & _NEAR)))
_OF_THE_TEAM = select(*_RESPONDER).where(any_(responders.c.teams) == _TEAM)
_LAST_RESORT = tuple(query.order_by(responders.c.person) for query in (_IN_ANY_ROLE, _MANAGERS, _OF_THE_TEAM))


async def last_resort(
    connection: AsyncConnection, team: str, at: datetime, channels: Iterable[Channel]
) -> list[Responder]:
    """Whom to tell when a plan has come to its end and nobody is on call there: a last step is never empty.

    Whoever is on call for the team in any role; else who manages it within the fortnight before and after; else
    everybody in it. The first of these of whom anybody can be reached by these channels; empty only if nobody can.
    """
    channels = tuple(channels)
    for query in _LAST_RESORT:
        rows = (await connection.execute(query, {"team": team, "at": at})).mappings().all()
        if reached := [who for who in map(_responder, rows) if who.first_of(channels)]:
            return reached
    return []


TOLD_BY: Final = (Channel.SMS, Channel.EMAIL)
"""How a manager is told of what is no page: by mail, if their own phone has opted out."""


async def managers_or_others(
    connection: AsyncConnection, team: str, at: datetime, *, but: str = "", others_by: Sequence[Channel] = TOLD_BY
) -> list[tuple[str, Channel]]:
    """The managers on call, without `but`; where none of them can be reached, whoever else of the team can be found."""
    managers = [who for who in await on_call(connection, team, Role.MANAGER, at) if who.person != but]
    reached = [who for who in managers if who.first_of(TOLD_BY)]
    found = reached or await last_resort(connection, team, at, others_by)
    return [(who.person, channel) for who in found if (channel := who.first_of(TOLD_BY))]


async def find_by_mobile(connection: AsyncConnection, mobile: str) -> Responder | None:
    """Whose phone this is. `mobile` in E.164."""
    row = (await connection.execute(_BY_MOBILE, {"mobile": mobile})).mappings().first()
    return _responder(row) if row else None


async def plan_for(connection: AsyncConnection, team: str) -> tuple[Step, ...]:
    """The team's steps in order, or the default plan if it has imported none."""
    rows = await connection.execute(_PLAN, {"team": team})
    return tuple(Step.model_validate(row) for row in rows.mappings()) or DEFAULT_PLAN


async def beginning(connection: AsyncConnection, team: str, at: datetime) -> tuple[tuple[Step, ...], list[Responder]]:
    """The team's plan, as `plan_for`, and who is on call now for its first step, as `on_call`: in one round trip."""
    rows = (await connection.execute(_BEGINNING, {"team": team, "at": at})).mappings().all()
    plan = tuple(Step.model_validate(step) for step in rows[0]["plan"] or ())
    return plan or DEFAULT_PLAN, [_responder(row) for row in rows if row["person"] is not None]


def _responder(row: Mapping[Any, Any]) -> Responder:
    return Responder(**{name: row[name] for name in Responder.__dataclass_fields__} | {"teams": tuple(row["teams"])})
