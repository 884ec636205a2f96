"""`nightlight drill`: a real page marked DRILL, now or every so many days."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.database import in_transaction
from commands.house import WHO, refuse
from schemas.base import utc_now
from schemas.settings import Settings
from store import drills
from store.drills import CannotDrill


def drill(
    team: Annotated[str, typer.Argument(metavar="TEAM", help="as in the rota's file")],
    every: Annotated[
        int | None, typer.Option(help="not now, but every so many days; 0 is never", min=0, max=366)
    ] = None,
) -> None:
    """Page a team for practice: the whole way, marked DRILL, about no child."""

    async def work(connection: AsyncConnection, _: Settings) -> str:
        if every is None:
            return await drills.begin(connection, team, at=utc_now(), who=WHO)
        await drills.schedule(connection, team, every_days=every, at=utc_now(), who=WHO)
        return ""

    try:
        reference = in_transaction(work)
    except CannotDrill as problem:
        refuse(str(problem))
    if reference:
        typer.echo(f"Drill {reference} has begun: it ends when somebody of {team} accepts, or after half an hour.")
    else:
        typer.echo(f"{team} is drilled every {every} days." if every else f"{team} is not drilled by itself any more.")
