"""Signing in to the desk: a password, a second factor, and a session that lasts a shift at the most."""

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, Table, Text, func

from store.columns import Instant, Sealed
from store.database import TABLES

accounts = Table(
    "accounts",
    TABLES,
    Column("person", Text, ForeignKey("responders.person", ondelete="CASCADE"), primary_key=True),
    Column("password", Text, nullable=False),  # Argon2id
    Column("totp", Sealed, nullable=False),
    Column("totp_step", Integer, nullable=False, server_default="0"),  # the last one used: a code works once
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("locked_until", Instant),
    Column("made_at", Instant, nullable=False, server_default=func.now()),
)

sessions = Table(
    "sessions",
    TABLES,
    Column("digest", LargeBinary, primary_key=True),
    Column("person", Text, ForeignKey("accounts.person", ondelete="CASCADE"), nullable=False, index=True),
    Column("made_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
)
