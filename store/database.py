"""The way to PostgreSQL: one engine per process, the application's role, and one place for the tables' names."""

from sqlalchemy import MetaData, Text, bindparam, make_url, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

TABLES = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ROLE = "nightlight_app"
"""Every process acts in this role: it owns nothing, and the audit chain grants it no update and no delete."""

LIMITS = "-c statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000"


def driver_url(url: str) -> str:
    """The address with psycopg as its driver, whatever form of `postgresql://` was given."""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def libpq_url(url: str) -> str:
    """The address as psycopg itself, and psql, take it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


# PostgreSQL walks an array from its first element, and waits at each lock until it has it.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(:names) AS name").bindparams(
    bindparam("names", type_=ARRAY(Text))
)


def connect(url: str, *, pool: int = 5, ping: bool = True) -> AsyncEngine:
    """An engine for the application. `hide_parameters`, because a failing statement must not print a name to a log.

    `ping`: ask each connection whether it still stands before it is used. Without, one round trip less, and after a
    restart of PostgreSQL one transaction fails with OperationalError before all goes on: only for who tries again.
    """
    return create_async_engine(
        driver_url(url),
        hide_parameters=True,
        pool_size=2 * pool,  # all of them kept: one that is made for a moment costs PostgreSQL a process, each time
        max_overflow=0,
        pool_pre_ping=ping,
        connect_args={"options": f"-c role={ROLE} {LIMITS}", "connect_timeout": 5},
    )


async def lock(connection: AsyncConnection, noun: str, name: str) -> None:
    """Hold one thing (a child, a subject, the audit chain) until the transaction ends: two lanes never write one story twice."""
    await lock_all(connection, (noun, name))


async def lock_all(connection: AsyncConnection, *things: tuple[str, str]) -> None:
    """Hold several things, as `lock` does, one after the other in the order given: an order that is the same for all."""
    await connection.execute(_LOCK, {"names": [f"{noun}/{name}" for noun, name in things]})
