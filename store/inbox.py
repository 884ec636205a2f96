"""Files that have been taken: a keyed hash of each and two counts, so that the same file again changes nothing. No name, no content."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Column, Integer, Table, Text, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.columns import Instant
from store.database import TABLES

inbox_files = Table(
    "inbox_files",
    TABLES,
    Column("file", Text, primary_key=True),
    Column("taken", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("at", Instant, nullable=False, index=True),
)

KEPT: Final = timedelta(days=30)
"""How long a file is known again: exports that repeat themselves do so within a term's month."""


async def taken_whole(connection: AsyncConnection, file: str) -> bool:
    """Whether this very file was taken before without a refused row. `file` is a keyed hash of its folder and its bytes.

    One with refused rows is read again: the operator may have widened what the agency may send.
    """
    found = select(inbox_files.c.file).where((inbox_files.c.file == file) & (inbox_files.c.refused == 0))
    return (await connection.execute(found)).first() is not None


async def remember(connection: AsyncConnection, file: str, *, taken: int, refused: int, at: datetime) -> None:
    """A file has been read to its end; those of long ago are forgotten."""
    await connection.execute(delete(inbox_files).where(inbox_files.c.at < at - KEPT))
    counts = {"taken": taken, "refused": refused, "at": at}
    written = insert(inbox_files).values(file=file, **counts)
    await connection.execute(written.on_conflict_do_update(index_elements=["file"], set_=counts))
