"""`nightlight responders`, `rota` and `policies`: who can be told, who is on call, and in what order."""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.database import in_transaction
from commands.house import WHO, refuse
from commands.table import show
from schemas.base import utc_now
from schemas.london import LONDON
from schemas.settings import Settings
from store import gaps
from store import policies as policies_store
from store import responders as responders_store
from store import rotas as rotas_store
from store.csvs import BadFile

responders = typer.Typer(help="The people who can be paged.", no_args_is_help=True)
rota = typer.Typer(help="Who is on call.", no_args_is_help=True)
policies = typer.Typer(help="In what order a team is told.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="CSV of contract section 6", exists=True, dir_okay=False)]


@responders.command("import")
def import_responders(file: File) -> None:
    """Add or change the people in the file; everybody else stays as they are."""

    async def work(connection: AsyncConnection, given: Settings) -> int:
        entries = responders_store.read(file.read_bytes(), mode=given.mode)
        await responders_store.apply(connection, entries, at=utc_now(), who=WHO)
        return len(entries)

    with _bad_file(file):
        typer.echo(f"{in_transaction(work)} people can be paged now.")


@rota.command("import")
def import_rota(file: File) -> None:
    """Let this file be the rota of its teams, from its first start to its last end."""
    if file.suffix.lower() == ".ics":
        refuse("An iCalendar rota is not read yet: export it as CSV with the columns team, person, role, starts, ends.")

    async def work(connection: AsyncConnection, _: Settings) -> int:
        shifts = rotas_store.read(file.read_bytes())
        await rotas_store.apply(connection, shifts, at=utc_now(), who=WHO)
        return len(shifts)

    with _bad_file(file):
        typer.echo(f"{in_transaction(work)} shifts are in the rota. 'nightlight rota check' looks for gaps.")


@policies.command("import")
def import_policies(file: File) -> None:
    """Let this file be the policy of its teams. Pages that are open keep the plan they began with."""

    async def work(connection: AsyncConnection, _: Settings) -> int:
        found = policies_store.read(file.read_bytes())
        await policies_store.apply(connection, found, at=utc_now(), who=WHO)
        return len(found)

    with _bad_file(file):
        count = in_transaction(work)
    typer.echo(f"{count} team{' has' if count == 1 else 's have'} a policy from this file.")


@rota.command("show")
def show_rota(days: Annotated[int, typer.Option(help="how far ahead", min=1, max=366)] = 1) -> None:
    """Who is on call now and in the next days, in London's time."""
    now = utc_now()
    shifts = in_transaction(lambda connection, _: rotas_store.show(connection, now, now + timedelta(days=days)))
    show(
        ("team", "role", "person", "from", "to", ""),
        [
            (
                shift.team,
                shift.role,
                shift.person,
                _wall(shift.starts),
                _wall(shift.ends),
                "now" if shift.starts <= now else "",
            )
            for shift in shifts
        ],
    )


@rota.command()
def check(days: Annotated[int, typer.Option(help="how far ahead", min=1, max=366)] = 14) -> None:
    """Name every gap and every person who cannot be reached; exit 1 if there is any."""
    problems = in_transaction(lambda connection, _: gaps.check(connection, utc_now(), days))
    if problems:
        refuse("\n".join(problems))
    typer.echo(f"Somebody who can be reached is on call in every role for the next {days} days.")


def _wall(at: datetime) -> str:
    return f"{at.astimezone(LONDON):%a %d %b %H:%M}"


@contextlib.contextmanager
def _bad_file(file: Path) -> Iterator[None]:
    try:
        yield
    except BadFile as problem:
        refuse(f"{problem}\nNothing was imported: mend these and import {file.name} again.")
