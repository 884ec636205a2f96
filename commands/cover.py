"""`nightlight rota cover`, `swap`, `override`, `changes` and `undo`: a rota is changed for a time, and changed back."""

from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.database import in_transaction
from commands.house import WHO, refuse
from commands.table import show
from schemas.base import utc_now
from schemas.london import LONDON
from schemas.pages import Role
from schemas.settings import Settings
from store import cover as store
from store import rotas
from store.cover import CannotChange, Made
from store.csvs import Refused
from store.layers import Change, Layer


def _when(text: str) -> datetime:
    if text == "now":
        return utc_now()
    try:
        return rotas.wall_time(text)
    except Refused as problem:
        raise typer.BadParameter(f"{problem} (London's time), or 'now'") from None


Team = Annotated[str, typer.Argument(metavar="TEAM", help="as in the rota's file")]
Person = Annotated[str, typer.Option(help="who takes over, by id")]
From = Annotated[datetime, typer.Option("--from", metavar="TIME", parser=_when, help="as '2026-11-21 17:00', or now")]
To = Annotated[datetime, typer.Option("--to", metavar="TIME", parser=_when, help="up to, but not with")]


def cover(
    team: Team,
    person: Person,
    starts: From,
    ends: To,
    instead_of: Annotated[
        str | None,
        typer.Option("--for", metavar="PERSON", help="whose time it is, by id; without: whoever has the role"),
    ] = None,
    role: Annotated[Role | None, typer.Option(help="in this role only; without --for, primary")] = None,
) -> None:
    """Let somebody take what another has on the rota, for a time."""
    if instead_of is None:
        _make(team, Change(Layer.OVERRIDE, person, starts, ends, role or Role.PRIMARY))
        return
    _make(team, Change(Layer.COVER, person, starts, ends, role, instead_of))


def swap(
    team: Team,
    person: Annotated[str, typer.Option(help="the one, by id")],
    with_: Annotated[str, typer.Option("--with", metavar="PERSON", help="the other, by id")],
    starts: From,
    ends: To,
    back_from: Annotated[
        datetime | None, typer.Option(metavar="TIME", parser=_when, help="the other's time, if it is another one")
    ] = None,
    back_to: Annotated[datetime | None, typer.Option(metavar="TIME", parser=_when)] = None,
) -> None:
    """Let two people change places for a time; or one's time for the other's, with --back-from and --back-to."""
    if (back_from is None) != (back_to is None):
        raise typer.BadParameter("write both --back-from and --back-to, or neither")
    if back_from is None or back_to is None:
        _make(team, Change(Layer.SWAP, person, starts, ends, None, with_))
        return
    _make(
        team,
        Change(Layer.COVER, with_, starts, ends, None, person),
        Change(Layer.COVER, person, back_from, back_to, None, with_),
    )


def override(
    team: Team,
    person: Person,
    starts: From,
    ends: To,
    role: Annotated[Role, typer.Option(help="which role")] = Role.PRIMARY,
) -> None:
    """Put this person and nobody else into a role for a time, whatever the rota and its covers say."""
    _make(team, Change(Layer.OVERRIDE, person, starts, ends, role))


def changes() -> None:
    """Every cover, swap and override that is not over, and the number by which it can be undone."""
    standing = in_transaction(lambda connection, _: store.listing(connection, at=utc_now()))
    show(
        ("number", "team", "what", "person", "for", "role", "from", "to"),
        [
            (
                one.number,
                one.team,
                one.change.layer,
                one.change.person,
                one.change.instead_of or "",
                one.change.role or "",
                wall(one.change.starts),
                wall(one.change.ends),
            )
            for one in standing
        ],
    )


def undo(number: Annotated[int, typer.Argument(help="as 'nightlight rota changes' lists it", min=1)]) -> None:
    """Take a cover, a swap or an override back."""

    async def work(connection: AsyncConnection, _: Settings) -> Made:
        return await store.undo(connection, number, at=utc_now(), who=WHO)

    try:
        _tell([in_transaction(work)])
    except CannotChange as problem:
        refuse(str(problem))


def _make(team: str, *wanted: Change) -> None:
    async def work(connection: AsyncConnection, _: Settings) -> list[Made]:
        return [await store.make(connection, team, change, at=utc_now(), who=WHO) for change in wanted]

    try:
        _tell(in_transaction(work))
    except CannotChange as problem:
        refuse(str(problem))


def _tell(made: list[Made]) -> None:
    for one in made:
        typer.echo(f"Change {one.number} of the rota:")
        for duty in one.now:
            typer.echo(f"  {duty.person} is {duty.role} from {wall(duty.starts)} to {wall(duty.ends)}")


def wall(at: datetime) -> str:
    return f"{at.astimezone(LONDON):%a %d %b %H:%M}"
