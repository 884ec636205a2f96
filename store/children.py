"""Watched children: the truth of the list, sealed, with a version for every change so that each worker can follow."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Sequence, Table, Text, func

from store.columns import Instant, Sealed
from store.database import TABLES

versions = Sequence("children_versions", metadata=TABLES)

children = Table(
    "children",
    TABLES,
    Column("child", Text, primary_key=True),
    Column("authority", Text, nullable=False, index=True),
    Column("team", Text, nullable=False),
    Column("sealed", Sealed, nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("review_on", Date, nullable=False, index=True),
    Column("expires_on", Date, nullable=False, index=True),
    Column("version", BigInteger, nullable=False, unique=True),
    Column("changed_at", Instant, nullable=False, server_default=func.now()),
    CheckConstraint("review_on <= expires_on", name="review_before_expiry"),
)

# What changed, without what it was: a removed child leaves an id here for a day, and nothing else.
children_changes = Table(
    "children_changes",
    TABLES,
    Column("version", BigInteger, primary_key=True),
    Column("child", Text, nullable=False),
    Column("changed_at", Instant, nullable=False, server_default=func.now()),
)
