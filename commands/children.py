"""`nightlight children`: the list of watched children."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.database import in_transaction
from commands.house import WHO, keyring, refuse
from commands.table import show
from schemas.base import utc_now
from schemas.london import today
from schemas.settings import Settings
from store import children as store
from store import roster
from store.csvs import BadFile

app = typer.Typer(help="The watched children.", no_args_is_help=True)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV of contract section 5", exists=True, dir_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the difference and change nothing")] = False,
) -> None:
    """Add, update and remove children: every row of the file, or none of it. In force in every worker within a second."""

    async def work(connection: AsyncConnection, given: Settings) -> store.Difference:
        now = utc_now()
        listed = await store.ids(connection)
        changes = roster.read(file.read_bytes(), mode=given.mode, today=today(now), listed=listed)
        if dry_run:
            return await store.difference(connection, changes)
        return await store.apply_import(connection, keyring(given), changes, at=now, who=WHO)

    try:
        done = in_transaction(work)
    except BadFile as problem:
        refuse(f"{problem}\nNothing was imported: mend these and import {file.name} again.")
    for what, ids in (("add", done.added), ("update", done.updated), ("remove", done.removed)):
        if ids and dry_run:
            typer.echo(f"would {what}: {', '.join(ids)}")
    typer.echo(f"{'Would be: ' if dry_run else ''}{done}.")


@app.command("list")
def list_() -> None:
    """Everybody on the list, by id: never a name."""
    _show(in_transaction(lambda connection, _: store.listing(connection)))


@app.command()
def due(within: Annotated[int, typer.Option(help="days from now", min=0, max=366)] = 14) -> None:
    """Whose review or expiry has come or comes soon: after it they no longer match."""
    _show(in_transaction(lambda connection, _: store.due(connection, today(utc_now()), within=within)))


@app.command()
def remove(
    child: Annotated[str, typer.Argument(metavar="ID")],
    why: Annotated[str, typer.Option(help="kept in the audit chain; no names, please")] = "removed by hand",
) -> None:
    """Take one child off the list, everywhere, within a second."""
    if not in_transaction(lambda connection, _: store.remove(connection, child, at=utc_now(), who=WHO, why=why)):
        refuse(f"There is no child {child} on the list: 'nightlight children list' names those there are.")
    typer.echo(f"{child} is no longer watched.")


@app.command()
def check() -> None:
    """Whose entry cannot be read, by id: they are not recognised. Import them again, or bring back the key. Exits 1 if there are any."""

    async def work(connection: AsyncConnection, given: Settings) -> list[str]:
        broken: list[str] = []
        async for _ in store.snapshot(connection, keyring(given), broken=broken.append):
            pass
        return broken

    if broken := in_transaction(work):
        refuse(
            "\n".join((*broken, f"{len(broken)} cannot be read: import them again as update, or bring back the key."))
        )
    typer.echo("Every child on the list can be read.")


def _show(rows: list[store.Listed]) -> None:
    head = ("child", "authority", "team", "starts", "review", "expires")
    show(head, [(row.child, row.authority, row.team, row.starts_on, row.review_on, row.expires_on) for row in rows])
