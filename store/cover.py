"""Changes of a rota for a time: cover, swap and override. Each is kept, laid over whatever rota is imported, and can be undone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import Role
from store import audit, duties, layers
from store.database import lock
from store.layers import Change, Duty, Layer, changes, clip, merge
from store.people import responders


class CannotChange(Exception):
    """The rota cannot be changed so. The message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Made:
    """A change that was made: its number, by which it can be undone, and who is on call now where somebody else was."""

    number: int
    now: tuple[Duty, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """A change that stands, as it is listed."""

    number: int
    team: str
    change: Change


async def make(connection: AsyncConnection, team: str, change: Change, *, at: datetime, who: str) -> Made:
    """Change this team's rota for a time. Whoever comes on call by it, for a time that has begun or soon does, is told.

    Raises CannotChange: somebody unknown or of another team, a time that is over, a cover of somebody who is not on call.
    """
    await lock(connection, "people", "all")
    if change.ends <= change.starts or change.ends <= at:
        raise CannotChange("That time is over before it begins: --to has to be after --from, and after now.")
    if change.person == change.instead_of:
        raise CannotChange("That is the same person twice: name who takes over, and from whom.")
    await _know(connection, team, [person for person in (change.person, change.instead_of) if person])
    before = await _during(connection, team, change)
    if change.layer is not Layer.OVERRIDE:
        _is_on_call(team, change, change.instead_of, before)
    if change.layer is Layer.SWAP:
        _is_on_call(team, change, change.person, before)
    number: int = (
        await connection.execute(
            insert(changes)
            .values(
                team=team,
                layer=change.layer,
                role=change.role,
                person=change.person,
                instead_of=change.instead_of,
                starts=change.starts,
                ends=change.ends,
                made_at=at,
                made_by=who,
            )
            .returning(changes.c.change)
        )
    ).scalar_one()
    detail = {
        "layer": change.layer,
        "team": team,
        "role": change.role,
        "person": change.person,
        "instead_of": change.instead_of,
        "from": change.starts.isoformat(),
        "to": change.ends.isoformat(),
    }
    return await _settled(connection, team, number, change, before, audit.What.ROTA_CHANGED, detail, at, who)


async def undo(connection: AsyncConnection, number: int, *, at: datetime, who: str) -> Made:
    """Take a change back. Raises CannotChange if there is none of this number that stands."""
    await lock(connection, "people", "all")
    mine = (changes.c.change == number) & changes.c.undone_at.is_(None)
    row = (await connection.execute(select(changes).where(mine))).first()
    if row is None:
        raise CannotChange(f"No change {number} stands: 'nightlight rota changes' lists those that do.")
    change = Change(Layer(row.layer), row.person, row.starts, row.ends, Role(row.role) if row.role else None)
    before = await _during(connection, row.team, change)
    await connection.execute(update(changes).where(mine).values(undone_at=at))
    detail = {"layer": row.layer, "team": row.team, "change": number}
    what = audit.What.ROTA_CHANGE_UNDONE
    return await _settled(connection, row.team, number, change, before, what, detail, at, who)


async def listing(connection: AsyncConnection, *, at: datetime) -> list[Standing]:
    """Every change that stands and is not over, by team and number."""
    query = select(changes).where(changes.c.undone_at.is_(None) & (changes.c.ends > at))
    return [
        Standing(
            row.change,
            row.team,
            Change(
                Layer(row.layer), row.person, row.starts, row.ends, Role(row.role) if row.role else None, row.instead_of
            ),
        )
        for row in await connection.execute(query.order_by(changes.c.team, changes.c.change))
    ]


async def _settled(
    connection: AsyncConnection,
    team: str,
    number: int,
    change: Change,
    before: Sequence[Duty],
    what: audit.What,
    detail: Mapping[str, object],
    at: datetime,
    who: str,
) -> Made:
    """Work the rota out anew, tell who comes on call by it, and write it down, last."""
    await layers.settle(connection, team, change.starts, change.ends)
    after = await _during(connection, team, change)
    new = tuple(duty for duty in after if duty not in before)
    soon = [duty for duty in new if duty.ends > at and duty.starts <= at + duties.LEAD]
    await duties.tell(connection, team, soon, at=at)
    await audit.record(connection, what, who=who, about=f"rota/{team}", at=at, detail={"change": number, **detail})
    return Made(number, new)


async def _during(connection: AsyncConnection, team: str, change: Change) -> list[Duty]:
    found = await layers.on_call(connection, team, change.starts, change.ends)
    return merge(part for duty in found for part in clip(duty, change.starts, change.ends))


async def _know(connection: AsyncConnection, team: str, people: Sequence[str]) -> None:
    query = select(responders.c.person, responders.c.teams).where(responders.c.person.in_(people))
    teams = {row.person: row.teams for row in await connection.execute(query)}
    for person in people:
        if person not in teams:
            raise CannotChange(
                f"There is no responder {person}: import them with 'nightlight responders import' first."
            )
        if team not in teams[person]:
            raise CannotChange(f"{person} is not of the team {team}: add it to their teams first.")


def _is_on_call(team: str, change: Change, person: str | None, before: Sequence[Duty]) -> None:
    if not any(duty.person == person and change.role in (None, duty.role) for duty in before):
        role = f" as {change.role}" if change.role else ""
        raise CannotChange(
            f"{person} is not on call for {team}{role} in that time: 'nightlight rota show' says who is; "
            "'nightlight rota override' puts somebody on call whoever is."
        )
