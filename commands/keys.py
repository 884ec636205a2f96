"""`nightlight keys`: the keyring that seals payloads and identifiers."""

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.database import in_transaction
from commands.house import WHO, keyring, refuse, settings, write_keyring
from schemas.base import utc_now
from schemas.sealing import Keyring
from schemas.settings import Settings
from store import audit
from store.database import lock

app = typer.Typer(help="The keys that seal payloads and identifiers.", no_args_is_help=True)


@app.command()
def make() -> None:
    """Make the keyring, where there is none. Keep a copy in your safe: without it nothing that was sealed opens again."""
    path = settings().keyring_path
    if path.exists():
        refuse(f"{path} is there already: 'nightlight keys rotate' adds a key to it.")
    write_keyring(Keyring.make(), path)
    typer.echo(f"Made {path}. Keep a copy in your safe.")


@app.command()
def rotate() -> None:
    """Add a key and seal with it from now on. What was sealed before still opens; running processes notice within a second."""

    async def work(connection: AsyncConnection, given: Settings) -> str:
        # Two rotations at once: the second must begin with the first one's key, or what that has sealed never opens again.
        await lock(connection, "keyring", "file")
        rotated = keyring(given).keyring.rotated()
        await audit.record(
            connection,
            audit.What.KEYRING_ROTATED,
            who=WHO,
            about="keyring",
            at=utc_now(),
            detail={"current": rotated.current},
        )
        write_keyring(rotated, given.keyring_path)
        return rotated.current

    typer.echo(
        f"New values are sealed with {in_transaction(work)} from now on. Copy the keyring file to your safe again."
    )


@app.command("list")
def list_() -> None:
    """The names of the keys; never a key."""
    held = keyring(settings()).keyring
    for name in held.keys:
        typer.echo(f"{name}{'  (current)' if name == held.current else ''}")
