"""`nightlight audit`: the chain of everything that was decided, seen and changed."""

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.database import in_transaction
from commands.house import refuse
from schemas.london import LONDON
from schemas.settings import Settings
from store import audit as store

app = typer.Typer(help="The audit chain.", no_args_is_help=True)

FIRST, LAST = datetime(2000, 1, 1), datetime(2999, 12, 31)  # noqa: DTZ001 - dates, as they are typed


@app.command()
def verify() -> None:
    """Check every link of the chain; exit 1 and name the first broken one."""
    if broken := in_transaction(lambda connection, _: store.verify(connection)):
        refuse(f"The chain is broken: {broken}.")
    typer.echo("The chain holds.")


@app.command()
def export(
    from_: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="the first day, London's date")],
    to: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="the last day, London's date")],
) -> None:
    """The entries of these days, one line of JSON each, with their hashes."""
    if not FIRST <= from_ <= to <= LAST:
        raise typer.BadParameter("the days are from 2000 to 2999, and the last is not before the first.")
    start, end = _midnight(from_.date()), _midnight(to.date() + timedelta(days=1))

    async def work(connection: AsyncConnection, _: Settings) -> None:
        async for entry in store.export(connection, start, end):
            typer.echo(json.dumps(entry))

    in_transaction(work)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), LONDON).astimezone(UTC)
