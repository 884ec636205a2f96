"""How alembic reaches the database: with the address it is handed, under one lock, so that two migrations never run at once."""

from alembic import context
from sqlalchemy import create_engine, pool, text

from store.schema import TABLES

ONE_AT_A_TIME = 0x4E4C  # any number, the same in every version


def migrate() -> None:
    engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool, hide_parameters=True)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ONE_AT_A_TIME})
        connection.commit()
        context.configure(connection=connection, target_metadata=TABLES, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()


migrate()
