"""Column kinds that several tables share."""

from enum import StrEnum

from sqlalchemy import DateTime, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

Instant = DateTime(timezone=True)
Words = ARRAY(Text)
Facts = JSONB
Sealed = LargeBinary
"""Sealed by `schemas.sealing`; the place is `table/row id`."""


def one_of(column: str, states: type[StrEnum]) -> str:
    """The SQL of a closed list, for a CHECK constraint: the enum in the code is the only list."""
    return f"{column} IN ({', '.join(repr(str(state)) for state in states)})"
