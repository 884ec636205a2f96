"""Writes versions/0001_tables.sql from the tables: `python -m store.migrations.tables`. After the first release, add a migration."""

from pathlib import Path
from typing import Any

from sqlalchemy import create_mock_engine

from store.schema import TABLES


def script() -> str:
    """Every CREATE of the tables as they are in the code, in order."""
    statements: list[str] = []

    def note(statement: Any, *_: Any, **__: Any) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)).strip())

    engine = create_mock_engine("postgresql+psycopg://", note)
    TABLES.create_all(engine, checkfirst=False)
    return ";\n\n".join(statement.replace("\t", "    ") for statement in statements).replace(" \n", "\n") + ";\n"


if __name__ == "__main__":
    (Path(__file__).parent / "versions" / "0001_tables.sql").write_text(script())
