"""The three layers of a rota: what was planned, who covers whom, and what a manager has decided for a time.

An override goes before a cover, and a cover before the rota. `shifts` is what the three come to, worked out when one of
them changes, so that a page looks in one place; here are the layers themselves, and how they are laid over each other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    delete,
    insert,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import Role
from store.columns import Instant, one_of
from store.database import TABLES
from store.people import shifts


class Layer(StrEnum):
    """How a rota is changed for a time."""

    COVER = "cover"  # `person` takes what `instead_of` has
    SWAP = "swap"  # the two take what the other has
    OVERRIDE = "override"  # `person` and nobody else has the role


planned = Table(
    "planned",
    TABLES,
    Column("shift", Integer, Identity(), primary_key=True),
    Column("team", Text, nullable=False),
    Column("person", Text, ForeignKey("responders.person"), nullable=False, index=True),
    Column("role", Text, nullable=False),
    Column("starts", Instant, nullable=False),
    Column("ends", Instant, nullable=False),
    CheckConstraint("starts < ends", name="starts_before_it_ends"),
    CheckConstraint(one_of("role", Role), name="role_known"),
    Index("ix_planned_when", "team", "starts", "ends"),
)

changes = Table(
    "rota_changes",
    TABLES,
    Column("change", Integer, Identity(), primary_key=True),
    Column("team", Text, nullable=False, index=True),
    Column("layer", Text, nullable=False),
    Column("role", Text),  # none: in whichever role they are on call
    Column("person", Text, ForeignKey("responders.person"), nullable=False),
    Column("instead_of", Text, ForeignKey("responders.person")),
    Column("starts", Instant, nullable=False),
    Column("ends", Instant, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("undone_at", Instant),
    CheckConstraint("starts < ends", name="starts_before_it_ends"),
    CheckConstraint(one_of("layer", Layer), name="layer_known"),
    CheckConstraint(f"role IS NULL OR {one_of('role', Role)}", name="role_known"),
    CheckConstraint(
        "(layer = 'override') = (instead_of IS NULL) AND (layer <> 'override' OR role IS NOT NULL)", name="whole"
    ),
)


@dataclass(frozen=True, slots=True)
class Duty:
    """Somebody in a role for a time: from its start, up to but not with its end."""

    person: str
    role: Role
    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a team's rota, in its time."""

    layer: Layer
    person: str
    starts: datetime
    ends: datetime
    role: Role | None = None
    instead_of: str | None = None


def lay_over(rota: Iterable[Duty], made: Sequence[Change]) -> list[Duty]:
    """What the layers come to. `made` in the order of their making: a later one finds what the earlier ones left.

    So whoever covers somebody who covers takes that as well; and overrides come last of all, whenever they were made.
    """
    duties = list(rota)
    for change in (one for one in made if one.layer is not Layer.OVERRIDE):
        duties = [part for duty in duties for part in _change(duty, change)]
    for change in made:
        if change.layer is Layer.OVERRIDE and change.role:
            kept = [
                part for duty in duties for part in (_outside(duty, change) if duty.role is change.role else [duty])
            ]
            duties = [*kept, Duty(change.person, change.role, change.starts, change.ends)]
    return merge(duties)


def merge(duties: Iterable[Duty]) -> list[Duty]:
    """The same with what touches or overlaps made one, by start: nobody comes on call who is on call already."""
    merged: dict[tuple[str, Role], list[Duty]] = {}
    for duty in sorted(duties, key=lambda one: (one.starts, one.ends)):
        theirs = merged.setdefault((duty.person, duty.role), [])
        if theirs and duty.starts <= theirs[-1].ends:
            theirs[-1] = replace(theirs[-1], ends=max(theirs[-1].ends, duty.ends))
            continue
        theirs.append(duty)
    return sorted(chain.from_iterable(merged.values()), key=lambda one: (one.starts, one.role, one.person))


def clip(duty: Duty, starts: datetime, ends: datetime) -> list[Duty]:
    """The part of it within this time: one, or none."""
    within = replace(duty, starts=max(duty.starts, starts), ends=min(duty.ends, ends))
    return [within] if within.starts < within.ends else []


def _outside(duty: Duty, change: Change) -> list[Duty]:
    return [
        *clip(duty, duty.starts, change.starts),
        *clip(duty, change.ends, duty.ends),
    ]


def _change(duty: Duty, change: Change) -> list[Duty]:
    taken = {change.instead_of: change.person}
    if change.layer is Layer.SWAP and change.instead_of:
        taken[change.person] = change.instead_of
    if duty.person not in taken or change.role not in (None, duty.role):
        return [duty]
    inside = clip(duty, change.starts, change.ends)
    return [*_outside(duty, change), *(replace(part, person=taken[duty.person]) for part in inside)]


async def settle(connection: AsyncConnection, team: str, starts: datetime, ends: datetime) -> None:
    """Work out anew who is on call for this team in this time. What is before and after stays as it is."""
    touching = (shifts.c.team == team) & (shifts.c.starts <= ends) & (shifts.c.ends >= starts)
    replaced = await _duties(connection, delete(shifts).where(touching).returning(*_columns(shifts)))
    apart = Change(Layer.OVERRIDE, "", starts, ends)
    kept = [part for duty in replaced for part in _outside(duty, apart)]
    mine = (planned.c.team == team) & (planned.c.starts < ends) & (planned.c.ends > starts)
    rota = await _duties(connection, select(*_columns(planned)).where(mine))
    made = await standing(connection, team, starts, ends)
    within = [part for duty in lay_over(rota, made) for part in clip(duty, starts, ends)]
    await add(connection, shifts, team, merge([*kept, *within]))


async def standing(connection: AsyncConnection, team: str, starts: datetime, ends: datetime) -> list[Change]:
    """The changes of this team's rota that stand in this time, in the order of their making."""
    mine = (changes.c.team == team) & changes.c.undone_at.is_(None)
    query = select(changes).where(mine & (changes.c.starts < ends) & (changes.c.ends > starts))
    return [
        Change(Layer(row.layer), row.person, row.starts, row.ends, Role(row.role) if row.role else None, row.instead_of)
        for row in await connection.execute(query.order_by(changes.c.change))
    ]


async def on_call(connection: AsyncConnection, team: str, starts: datetime, ends: datetime) -> list[Duty]:
    """Who is on call for this team in this time, as it has been worked out; not cut to it."""
    mine = (shifts.c.team == team) & (shifts.c.starts < ends) & (shifts.c.ends > starts)
    return merge(await _duties(connection, select(*_columns(shifts)).where(mine)))


async def add(connection: AsyncConnection, table: Table, team: str, duties: Iterable[Duty]) -> None:
    """Write these, if there are any."""
    rows = [
        {"team": team, "person": one.person, "role": one.role, "starts": one.starts, "ends": one.ends} for one in duties
    ]
    if rows:
        await connection.execute(insert(table), rows)


def _columns(table: Table) -> list[Column[Any]]:
    return [table.c[name] for name in ("person", "role", "starts", "ends")]


async def _duties(connection: AsyncConnection, query: Any) -> list[Duty]:
    return [
        Duty(person, Role(role), starts, ends) for person, role, starts, ends in (await connection.execute(query)).all()
    ]


async def replan(
    connection: AsyncConnection, team: str, duties: Sequence[Duty], starts: datetime, ends: datetime
) -> None:
    """Let these be the team's rota in this time; a shift that reaches out of it keeps the part outside."""
    overlapping = (planned.c.team == team) & (planned.c.starts < ends) & (planned.c.ends > starts)
    replaced = await _duties(connection, delete(planned).where(overlapping).returning(*_columns(planned)))
    apart = Change(Layer.OVERRIDE, "", starts, ends)
    await add(connection, planned, team, [*duties, *(part for duty in replaced for part in _outside(duty, apart))])
    await settle(connection, team, starts, ends)
