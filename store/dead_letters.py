"""Pointers to what could not be handled, for when Kafka itself would not take them."""

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from store.columns import Instant
from store.database import TABLES

dead_letters = Table(
    "dead_letters",
    TABLES,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("lane", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("buried_at", Instant, nullable=False),
)
