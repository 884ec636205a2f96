"""Where this machine's Nightlight is: the addresses in the environment, or those of the embedded broker and database."""

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

import typer
from pydantic import SecretStr
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from embedded import postgres
from embedded.server import EmbeddedError
from schemas.sealing import Keyring, KeyringFile, save
from schemas.settings import BadSettings, Settings, read
from store.database import connect
from store.migrations import upgrade

WHO = "command line"
T = TypeVar("T")


def refuse(sentence: str) -> NoReturn:
    """End with exit code 1 and one sentence on stderr: refused, or found wanting."""
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


def settings() -> Settings:
    """The settings, or the end of the program with the name of the bad one."""
    try:
        return read()
    except BadSettings as problem:
        refuse(str(problem))


def running_file(data_dir: Path) -> Path:
    """Where `nightlight up` says what it has started."""
    return data_dir / "running.json"


def addresses(data_dir: Path) -> dict[str, str] | None:
    """What `nightlight up` has running on this data directory: `kafka` and `database`; None if it is not running."""
    try:
        held = json.loads(running_file(data_dir).read_text())
        os.kill(held["pid"], 0)
    except (FileNotFoundError, ProcessLookupError, KeyError, ValueError):
        return None
    return {name: held[name] for name in ("kafka", "database")}


@contextlib.contextmanager
def database() -> Iterator[Settings]:
    """Settings with a database that answers: the one named, the one that `up` has running, or the embedded one for a moment."""
    given = settings()
    if given.database_url:
        yield given
        return
    if running := addresses(given.data_dir):
        yield given.model_copy(
            update={"database_url": SecretStr(running["database"]), "kafka": given.kafka or running["kafka"]}
        )
        return
    try:
        server = postgres.start(given.data_dir)
    except EmbeddedError as problem:
        refuse(str(problem))
    with server:
        upgrade(server.url)
        yield given.model_copy(update={"database_url": SecretStr(server.url)})


def keyring(given: Settings) -> KeyringFile:
    """The keys of this house. The embedded default makes its own on the first start; a named file must be there."""
    path = given.keyring_path
    if given.keyring_file is None and not path.exists():
        save(Keyring.make(), path)
    try:
        return KeyringFile(path)
    except ValueError as problem:
        refuse(str(problem))


def in_transaction(work: Callable[[AsyncConnection, Settings], Awaitable[T]]) -> T:
    """Do something in one transaction with the database, from the command line. Ends with one sentence if it is away."""
    with database() as given:

        async def once() -> T:
            engine = connect(given.need("database_url"))
            try:
                async with engine.begin() as connection:
                    return await work(connection, given)
            finally:
                await engine.dispose()

        try:
            return asyncio.run(once())
        except (OperationalError, InterfaceError):
            refuse(
                "PostgreSQL does not answer at NIGHTLIGHT_DATABASE_URL: start it, or mend the address, then run 'nightlight doctor'."
            )
        except BadSettings as problem:
            refuse(str(problem))
