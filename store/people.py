"""People on call: responders, their shifts, and the steps in which a team is told."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import DEFAULT_PLAN, Channel, Role, Step
from store.columns import Instant, Words, one_of
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


async def on_call(connection: AsyncConnection, team: str, role: Role, at: datetime) -> list[Responder]:
    """Who is on call at this instant, by id: a shift includes its start and not its end. Each once, however shifts overlap."""
    now = (shifts.c.team == team) & (shifts.c.role == role) & (shifts.c.starts <= at) & (at < shifts.c.ends)
    return await _responders(connection, responders.c.person.in_(select(shifts.c.person).where(now)))


async def find_by_mobile(connection: AsyncConnection, mobile: str) -> Responder | None:
    """Whose phone this is. `mobile` in E.164."""
    found = await _responders(connection, responders.c.mobile == mobile)
    return found[0] if found else None


async def plan_for(connection: AsyncConnection, team: str) -> tuple[Step, ...]:
    """The team's steps in order, or the default plan if it has imported none."""
    columns = (steps.c.step, steps.c.role, steps.c.channels, steps.c.wait_seconds)
    rows = await connection.execute(select(*columns).where(steps.c.team == team).order_by(steps.c.step))
    return tuple(Step.model_validate(row) for row in rows.mappings()) or DEFAULT_PLAN


async def _responders(connection: AsyncConnection, which: ColumnElement[bool]) -> list[Responder]:
    columns = [responders.c[name] for name in Responder.__dataclass_fields__]
    rows = await connection.execute(select(*columns).where(which).order_by(responders.c.person))
    return [Responder(**{**row, "teams": tuple(row["teams"])}) for row in rows.mappings()]
