"""What providers and phones told us, as they told it: callbacks and replies, each once."""

from sqlalchemy import Column, Identity, Integer, Table, Text, UniqueConstraint, Uuid

from store.columns import Instant, Sealed
from store.database import TABLES

# No foreign key to the attempt: a callback may come before our own row is committed.
receipts = Table(
    "receipts",
    TABLES,
    Column("receipt", Integer, Identity(), primary_key=True),
    Column("provider", Text, nullable=False),
    Column("provider_id", Text, nullable=False, index=True),
    Column("status", Text, nullable=False),
    Column("code", Text),
    Column("attempt", Uuid, index=True),
    Column("received_at", Instant, nullable=False),
    Column("settled_at", Instant),
    UniqueConstraint("provider", "provider_id", "status"),
)

replies = Table(
    "replies",
    TABLES,
    Column("provider", Text, primary_key=True),
    Column("provider_id", Text, primary_key=True),
    Column("person", Text),
    Column("body", Sealed, nullable=False),
    Column("understood_as", Text, nullable=False),
    Column("page", Uuid),
    Column("answer", Text),
    Column("received_at", Instant, nullable=False),
)
