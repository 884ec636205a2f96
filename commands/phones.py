"""`nightlight phones`: whose a phone is, whether it works, and what to do where it does not."""

import secrets
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.database import in_transaction
from commands.house import WHO, refuse
from commands.table import show
from schemas.base import utc_now
from schemas.london import LONDON
from schemas.settings import Settings
from store import phones as store
from store.phones import Checked, NoSuchPhone, Phone

app = typer.Typer(help="The phones of people on call: verified, tested, proven.", no_args_is_help=True)

Person = Annotated[str, typer.Argument(metavar="PERSON", help="as in the responders' file")]

SAYS = {
    Checked.WRONG: "That is not the code: look again, or send a new one with 'nightlight phones verify'.",
    Checked.OVER: "No code is in force for that phone: send one with 'nightlight phones verify'.",
}


@app.command()
def verify(person: Person) -> None:
    """Text somebody a code. They reply with it, or tell you: then 'nightlight phones confirm'."""

    async def work(connection: AsyncConnection, _: Settings) -> None:
        code = f"{secrets.randbelow(1_000_000):06}"
        await store.send_code(connection, person, code=code, at=utc_now(), who=WHO)

    try:
        in_transaction(work)
    except NoSuchPhone as problem:
        refuse(str(problem))
    typer.echo(f"A code is on its way to {person}. They reply with it, or: nightlight phones confirm {person} CODE")


@app.command()
def confirm(person: Person, code: Annotated[str, typer.Argument(metavar="CODE", help="six digits")]) -> None:
    """Verify a phone by the code that was texted to it."""

    async def work(connection: AsyncConnection, _: Settings) -> Checked:
        return await store.check_code(connection, person, code, at=utc_now(), who=WHO)

    found = in_transaction(work)
    if found is not Checked.VERIFIED:
        refuse(SAYS[found])
    typer.echo(f"{person}'s phone is verified.")


@app.command()
def test(person: Person) -> None:
    """Text and call somebody now, and ask for a reply."""

    async def work(connection: AsyncConnection, _: Settings) -> None:
        await store.send_test(connection, person, at=utc_now(), who=WHO)

    try:
        in_transaction(work)
    except NoSuchPhone as problem:
        refuse(str(problem))
    typer.echo(f"A text and a call are on their way to {person}: 'nightlight phones list' shows what became of them.")


@app.command("list")
def list_phones() -> None:
    """Every phone, its state, and when it was last proven; of its number the last three digits."""
    found = in_transaction(lambda connection, _: store.listing(connection))
    show(("person", "teams", "ends in", "state", "verified", "last heard"), [_row(phone) for phone in found])


def _row(phone: Phone) -> tuple[str, ...]:
    times = (
        f"{at.astimezone(LONDON):%Y-%m-%d %H:%M}" if at else "never" for at in (phone.verified_at, phone.proven_at)
    )
    return (phone.person, "; ".join(phone.teams), phone.ends_in, phone.state, *times)
