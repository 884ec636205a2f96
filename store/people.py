"""People on call: responders, their shifts, and the steps in which a team is told."""

from sqlalchemy import CheckConstraint, Column, Float, ForeignKey, Identity, Index, Integer, Table, Text, func

from schemas.pages import Role
from store.columns import Instant, Words, one_of
from store.database import TABLES

responders = Table(
    "responders",
    TABLES,
    Column("person", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("mobile", Text, nullable=False, unique=True),
    Column("email", Text),
    Column("teams", Words, nullable=False),
    Column("stopped_at", Instant),
    Column("changed_at", Instant, nullable=False, server_default=func.now()),
    CheckConstraint(r"mobile ~ '^\+[1-9][0-9]{6,14}$'", name="mobile_is_e164"),
)

shifts = Table(
    "shifts",
    TABLES,
    Column("shift", Integer, Identity(), primary_key=True),
    Column("team", Text, nullable=False),
    Column("person", Text, ForeignKey("responders.person"), nullable=False, index=True),
    Column("role", Text, nullable=False),
    Column("starts", Instant, nullable=False),
    Column("ends", Instant, nullable=False),
    CheckConstraint("starts < ends", name="starts_before_it_ends"),
    CheckConstraint(one_of("role", Role), name="role_known"),
    Index("ix_shifts_who_now", "team", "role", "starts", "ends"),
)

steps = Table(
    "steps",
    TABLES,
    Column("team", Text, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("role", Text, nullable=False),
    Column("channels", Words, nullable=False),
    Column("wait_seconds", Float, nullable=False),
    CheckConstraint(one_of("role", Role), name="role_known"),
    CheckConstraint("wait_seconds > 0 AND step >= 1 AND cardinality(channels) >= 1", name="usable"),
)
