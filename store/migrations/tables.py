"""Writes versions/0001_tables.sql from the tables: `python -m store.migrations.tables`. After the first release, add a migration."""

from pathlib import Path
from typing import Any

from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateSequence, CreateTable

from store.schema import TABLES


def script() -> str:
    """Every CREATE of the tables as they are in the code, in order."""
    statements: list[str] = []

    dialect: Any = postgresql.dialect()  # type: ignore[no-untyped-call]

    def note(statement: Any) -> None:
        statements.append(str(statement.compile(dialect=dialect)).strip())

    for sequence in TABLES._sequences.values():  # noqa: SLF001 - SQLAlchemy shows them nowhere else
        note(CreateSequence(sequence))
    for table in TABLES.sorted_tables:
        note(CreateTable(table))
        # A table's indexes are a set: by name, or the file would differ from one run to the next.
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            note(CreateIndex(index))
    return ";\n\n".join(statement.replace("\t", "    ") for statement in statements).replace(" \n", "\n") + ";\n"


if __name__ == "__main__":
    (Path(__file__).parent / "versions" / "0001_tables.sql").write_text(script())
