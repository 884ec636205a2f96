"""Agencies: who may send, what, about where, and the digests of their keys."""

from sqlalchemy import Column, ForeignKey, LargeBinary, Table, Text, func

from store.columns import Instant, Words
from store.database import TABLES

agencies = Table(
    "agencies",
    TABLES,
    Column("agency", Text, primary_key=True),
    Column("sources", Words, nullable=False),
    Column("types", Words, nullable=False),
    Column("authorities", Words, nullable=False),
    Column("added_at", Instant, nullable=False, server_default=func.now()),
    Column("last_seen_at", Instant),
)

agency_keys = Table(
    "agency_keys",
    TABLES,
    Column("prefix", Text, primary_key=True),
    Column("agency", Text, ForeignKey("agencies.agency"), nullable=False, index=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("made_at", Instant, nullable=False, server_default=func.now()),
    Column("ends_at", Instant, nullable=False),
)
