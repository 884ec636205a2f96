"""`nightlight responders` and `policies`: who can be told, and in what order."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.database import in_transaction
from commands.house import WHO, refuse
from schemas.base import utc_now
from schemas.pages import Role
from schemas.settings import Settings
from store import policies as policies_store
from store import responders as responders_store
from store.csvs import BadFile

responders = typer.Typer(help="The people who can be paged.", no_args_is_help=True)
policies = typer.Typer(help="In what order a team is told.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="CSV of contract section 6", exists=True, dir_okay=False)]


@responders.command("import")
def import_responders(file: File) -> None:
    """Add or change the people in the file; everybody else stays as they are."""

    async def work(connection: AsyncConnection, given: Settings) -> int:
        entries = responders_store.read(file.read_bytes(), mode=given.mode)
        await responders_store.apply(connection, entries, at=utc_now(), who=WHO)
        return len(entries)

    with bad_file(file.name):
        typer.echo(f"{in_transaction(work)} people can be paged now.")


@policies.command("import")
def import_policies(file: File) -> None:
    """Let this file be the policy of its teams. Pages that are open keep the plan they began with."""

    async def work(connection: AsyncConnection, _: Settings) -> list[policies_store.Policy]:
        found = policies_store.read(file.read_bytes())
        await policies_store.apply(connection, found, at=utc_now(), who=WHO)
        return found

    with bad_file(file.name):
        found = in_transaction(work)
    typer.echo(f"{len(found)} team{' has' if len(found) == 1 else 's have'} a policy from this file.")
    for policy in found:
        if policy.steps[-1].role is not Role.MANAGER:
            typer.echo(
                f"Note: the last step of {policy.team}, which repeats, asks the {policy.steps[-1].role}: end it with the manager."
            )


@contextlib.contextmanager
def bad_file(name: str) -> Iterator[None]:
    """Whatever is wrong with a file ends the program with where it is, and what to do."""
    try:
        yield
    except BadFile as problem:
        refuse(f"{problem}\nNothing was imported: mend these and import {name} again.")
