"""`nightlight accounts`: who may sign in to the desk."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.database import in_transaction
from commands.house import keyring, refuse
from schemas.base import utc_now
from schemas.settings import Settings
from store import accounts as store

app = typer.Typer(help="Who may sign in to the duty desk.", no_args_is_help=True)


@app.command()
def add(person: Annotated[str, typer.Argument(metavar="PERSON", help="as in the responders' file")]) -> None:
    """Make or renew somebody's sign-in: prints a password and the code for their authenticator app, once."""

    async def work(connection: AsyncConnection, given: Settings) -> tuple[str, str]:
        password = store.new_password()
        return password, await store.make(connection, keyring(given), person, password, at=utc_now())

    try:
        password, address = in_transaction(work)
    except store.NoSuchPerson as problem:
        refuse(str(problem))
    typer.echo(f"{person} signs in with this password, shown this once: {password}")
    typer.echo(f"and with an authenticator app that has read this:\n{address}")
    import segno  # for this one line alone

    segno.make(address).terminal(compact=True)
