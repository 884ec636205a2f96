"""Moments and the facts they are made of: one open moment for a child, however many agencies tell it."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, Uuid, text

from schemas.moments import Lane, Outcome
from schemas.pages import MomentState
from store.columns import Facts, Instant, Sealed, one_of
from store.database import TABLES

moments = Table(
    "moments",
    TABLES,
    Column("moment", Uuid, primary_key=True),
    Column("child", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("window_ends_at", Instant, nullable=False),
    Column("left_at", Instant),
    Column("ended_at", Instant),
    CheckConstraint(one_of("state", MomentState), name="state_known"),
    CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="ended_has_a_time"),
    CheckConstraint("opened_at < window_ends_at", name="window_is_ahead"),
    Index("ux_moments_one_open_for_a_child", "child", unique=True, postgresql_where=text("state = 'open'")),
    Index("ix_moments_authority_state", "authority", "state"),
)

facts = Table(
    "facts",
    TABLES,
    Column("event_key", Text, primary_key=True),
    Column("moment", Uuid, ForeignKey("moments.moment"), nullable=False, index=True),
    Column("subject_key", Text, nullable=False, index=True),
    Column("type", Text, nullable=False),
    Column("feed", Text, nullable=False),
    Column("authority", Text),
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("matched_at", Instant, nullable=False),
    Column("joined_at", Instant, nullable=False),
    Column("details", Sealed, nullable=False),
    Column("decision", Facts, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("withdrawn_at", Instant),
    CheckConstraint(one_of("outcome", Outcome), name="outcome_known"),
)

# A follow-up may come before what it follows. Keyed hashes only, kept a day: nothing here says who.
held_follow_ups = Table(
    "held_follow_ups",
    TABLES,
    Column("event_key", Text, primary_key=True),
    Column("about", Text, nullable=False, index=True),
    Column("type", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("held_at", Instant, nullable=False),
)

reviews = Table(
    "reviews",
    TABLES,
    Column("event_key", Text, primary_key=True),
    Column("subject_key", Text, nullable=False, index=True),
    Column("type", Text, nullable=False),
    Column("feed", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("fact", Sealed, nullable=False),
    Column("person", Sealed, nullable=False),
    Column("decision", Facts, nullable=False),
    Column("lane", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("asked_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("decided_at", Instant),
    Column("decided_by", Text),
    CheckConstraint(one_of("lane", Lane), name="lane_known"),
    CheckConstraint("state IN ('open', 'same', 'different', 'withdrawn', 'expired')", name="state_known"),
    CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided_has_a_time"),
    Index("ix_reviews_open", "authority", postgresql_where=text("state = 'open'")),
)
