"""Moments and the facts they are made of: one open moment for a child, however many agencies tell it."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    Uuid,
    delete,
    insert,
    literal,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.kinds import BY_TYPE
from schemas.moments import Decision, Fact, Lane, Outcome
from schemas.pages import MomentState
from schemas.wire import Sealer
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
    Column("outcome", Text, nullable=False),
    Column("held_at", Instant, nullable=False, index=True),
    CheckConstraint(one_of("outcome", Outcome), name="outcome_known"),
)

# How an event ended of which nothing else is kept, so that its replay ends the same. Keyed hashes only, kept a day (domain page, L3).
outcomes = Table(
    "outcomes",
    TABLES,
    Column("event_key", Text, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("decided_at", Instant, nullable=False, index=True),
    CheckConstraint(one_of("outcome", Outcome), name="outcome_known"),
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

WHO = "streams"
"""Who did it, in the audit chain, when no person did."""

HELD_FOR = timedelta(days=1)


async def known_outcome(connection: AsyncConnection, event_key: str) -> Outcome | None:
    """How this event has ended already: on its replay, and for the second lane."""
    # The fact before the rest: a change of identity may be one, and be held for the event that it corrects as well.
    kept = (facts.c.outcome, literal(str(Outcome.REVIEW)), outcomes.c.outcome, held_follow_ups.c.outcome)
    keys = (facts.c.event_key, reviews.c.event_key, outcomes.c.event_key, held_follow_ups.c.event_key)
    found = union_all(
        *(
            select(outcome.label("outcome"), literal(rank).label("rank")).where(key == event_key)
            for rank, (outcome, key) in enumerate(zip(kept, keys, strict=True))
        )
    ).subquery()
    outcome = await connection.scalar(select(found.c.outcome).order_by(found.c.rank).limit(1))
    return Outcome(outcome) if outcome else None


async def remember(connection: AsyncConnection, event_key: str, outcome: Outcome, *, at: datetime) -> None:
    """Keep how an event ended that leaves no fact and no review."""
    await connection.execute(insert(outcomes).values(event_key=event_key, outcome=outcome, decided_at=at))


async def add_fact(
    connection: AsyncConnection,
    sealer: Sealer,
    moment: UUID,
    fact: Fact,
    decision: Decision,
    outcome: Outcome,
    *,
    at: datetime,
) -> None:
    """Write down what an agency said, its details sealed, as part of this moment."""
    await connection.execute(
        insert(facts).values(
            moment=moment,
            details=sealer.seal(json.dumps(fact.details).encode(), place=f"facts/{fact.event_key}"),
            decision=decision.model_dump(mode="json"),
            outcome=outcome,
            joined_at=at,
            **fact.model_dump(exclude={"mode", "details"}),
        )
    )


async def hold(connection: AsyncConnection, fact: Fact, about: str, outcome: Outcome, *, at: datetime) -> None:
    """Keep a follow-up that came before what it follows. `about` is a subject key, or the event key it names."""
    values = {"event_key": fact.event_key, "about": about, "type": fact.type, "occurred_at": fact.occurred_at}
    await connection.execute(insert(held_follow_ups).values(**values, outcome=outcome, held_at=at))


async def settle_left(connection: AsyncConnection, moment: UUID) -> None:
    """Work out anew when the child had left every place that this moment tells of; None while they are still at one."""
    query = select(facts.c.subject_key, facts.c.type, facts.c.occurred_at)
    live = (await connection.execute(query.where((facts.c.moment == moment) & facts.c.withdrawn_at.is_(None)))).all()
    places = {row.subject_key for row in live if row.type in BY_TYPE}
    early = select(held_follow_ups.c.about, held_follow_ups.c.occurred_at).where(held_follow_ups.c.about.in_(places))
    left = {row.about: row.occurred_at for row in await connection.execute(early)}
    left |= {row.subject_key: row.occurred_at for row in live if row.type not in BY_TYPE}
    gone = max(left.values()) if places and places <= left.keys() else None
    await connection.execute(update(moments).where(moments.c.moment == moment).values(left_at=gone))


async def forget_outcomes(connection: AsyncConnection, at: datetime) -> None:
    """Purge held follow-ups and remembered outcomes after their day."""
    await connection.execute(delete(held_follow_ups).where(held_follow_ups.c.held_at < at - HELD_FOR))
    await connection.execute(delete(outcomes).where(outcomes.c.decided_at < at - HELD_FOR))


def reasons(fact: Fact, decision: Decision, outcome: Outcome) -> dict[str, Any]:
    """What the audit chain keeps of a decision: the lane, the weights and the reasons, and no value of anybody."""
    kept = decision.model_dump(mode="json", include={"lane", "child", "candidates", "why", "model"})
    return {"type": fact.type, "feed": fact.feed, "outcome": outcome, **kept}
