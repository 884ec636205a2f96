"""A command's way to the database: one transaction, and one sentence if it cannot be had."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from commands.house import addresses, refuse, settings
from embedded import postgres
from embedded.server import EmbeddedError
from schemas.settings import BadSettings, Settings
from store.database import ROLE, connect

T = TypeVar("T")


def in_transaction(work: Callable[[AsyncConnection, Settings], Awaitable[T]]) -> T:
    """Do something in one transaction with the database, from the command line. Ends with one sentence if it is away."""

    async def once(engine: AsyncEngine, given: Settings) -> T:
        async with engine.begin() as connection:
            return await work(connection, given)

    return with_engine(once)


def with_engine(work: Callable[[AsyncEngine, Settings], Awaitable[T]]) -> T:
    """Do something with the database, in transactions of its own. Ends with one sentence if it is away."""
    with found() as given, refusals():

        async def once() -> T:
            engine = connect(given.need("database_url"))
            try:
                return await work(engine, given)
            finally:
                await engine.dispose()

        return asyncio.run(once())


def migrate(url: str) -> None:
    """Bring the database at `url` to this version, or end with one sentence."""
    from store.migrations import upgrade  # brings Alembic, a tenth of the time that every other command takes

    with refusals():
        upgrade(url)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Whatever can be wrong with a database, or with a setting, ends the program with one sentence."""
    try:
        yield
    except (OperationalError, InterfaceError, ProgrammingError) as problem:
        refuse(sentence(problem))
    except BadSettings as problem:
        refuse(str(problem))


def sentence(problem: DBAPIError) -> str:
    """What is wrong with the database, and what to do."""
    said = str(problem.orig)
    if isinstance(problem, ProgrammingError) or ROLE in said:
        if "permission denied" in said or "must be " in said:
            return "The user of NIGHTLIGHT_DATABASE_URL may not do this: let 'nightlight migrate' be run by the owner."
        return "The database is not at this version: run 'nightlight migrate'."
    return "PostgreSQL does not answer at NIGHTLIGHT_DATABASE_URL: start it, or mend the address."


@contextlib.contextmanager
def found() -> Iterator[Settings]:
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
        migrate(server.url)
        yield given.model_copy(update={"database_url": SecretStr(server.url)})
