"""Moments and the facts they are made of: one open moment for a child, however many agencies tell it."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    Uuid,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.kinds import BY_TYPE
from schemas.moments import Decision, Fact, Lane, Outcome
from schemas.pages import MomentState
from schemas.wire import Sealer, event_key
from store import matches
from store.columns import Facts, Instant, Sealed, Words, one_of
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
    # In two moments where it was first taken to be about another child: one of them withdrawn.
    Column("event_key", Text, primary_key=True),
    Column("moment", Uuid, ForeignKey("moments.moment"), primary_key=True, index=True),
    Column("subject_key", Text, nullable=False, index=True),
    Column("corrects", Text, index=True),  # the event key that a change of identity is about
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
    Column("corrects", Text, index=True),  # as in `facts`
    Column("type", Text, nullable=False),
    Column("feed", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("fact", Sealed, nullable=False),
    Column("person", Sealed, nullable=False),
    Column("decision", Facts, nullable=False),
    Column("lane", Text, nullable=False),
    Column("list_version", BigInteger, nullable=False, server_default=text("0")),
    Column("state", Text, nullable=False, server_default="open"),
    Column("asked_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("pages_at", Instant),  # when the team is paged though nobody has decided; none once it was
    Column("rejected", Words, nullable=False, server_default=text("'{}'")),  # children whom a team has said it is not
    Column("asked_teams", Words, nullable=False, server_default=text("'{}'")),  # that said so, and handed it on
    Column("decided_at", Instant),
    Column("decided_by", Text),
    Column("child", Text),  # who it is
    Column("reason", Text),
    CheckConstraint(one_of("lane", Lane), name="lane_known"),
    CheckConstraint("state IN ('open', 'same', 'different', 'withdrawn', 'expired')", name="state_known"),
    CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided_has_a_time"),
    CheckConstraint("(state = 'same') = (child IS NOT NULL)", name="the_same_as_somebody"),
    Index("ix_reviews_open", "authority", postgresql_where=text("state = 'open'")),
)

WHO = "streams"
"""Who did it, in the audit chain, when no person did."""

HELD_FOR = timedelta(days=1)
REVIEWED_FOR = timedelta(days=3)


# What follows is asked for every event. Built once: a statement that is the same object every time is compiled once.
EVENT = bindparam("event", type_=Text)
_MOMENT = bindparam("in_moment", type_=Uuid)

ENDED = func.coalesce(
    # The fact before the rest: a change of identity may be one, and be held for the event that it corrects as well.
    select(facts.c.outcome)
    .where(facts.c.event_key == EVENT)
    .order_by(facts.c.joined_at, facts.c.moment)
    .limit(1)
    .scalar_subquery(),
    select(literal(str(Outcome.REVIEW))).where(reviews.c.event_key == EVENT).scalar_subquery(),
    select(outcomes.c.outcome).where(outcomes.c.event_key == EVENT).scalar_subquery(),
    select(held_follow_ups.c.outcome).where(held_follow_ups.c.event_key == EVENT).scalar_subquery(),
)
"""How the event `EVENT` has ended already; NULL if it has not."""

_HOW_IT_ENDED = select(ENDED)
_REMEMBER, _ADD_FACT, _HOLD = insert(outcomes), insert(facts), insert(held_follow_ups)
_ADD_MATCHED = insert(facts).add_cte(matches.ADD.cte("linked"))
# Their parameters are named apart: a moment and its first fact have columns of one name.
_opened = {name: bindparam(f"opened_{name}", type_=column.type) for name, column in moments.c.items()}
_OPEN = insert(facts).add_cte(insert(moments).values(_opened).cte("opened"), matches.ADD.cte("linked"))

_live = (facts.c.moment == _MOMENT) & facts.c.withdrawn_at.is_(None)
_told = select(facts.c.subject_key).where(_live & facts.c.type.in_(BY_TYPE)).distinct().subquery("told")
_said = select(func.max(facts.c.occurred_at)).where(
    _live & facts.c.type.not_in(BY_TYPE) & (facts.c.subject_key == _told.c.subject_key)
)
_early = select(func.max(held_follow_ups.c.occurred_at)).where(held_follow_ups.c.about == _told.c.subject_key)
_places = select(func.coalesce(_said.scalar_subquery(), _early.scalar_subquery()).label("left_at")).select_from(_told)
_each = _places.subquery("places")
_gone = select(case((func.bool_and(_each.c.left_at.is_not(None)), func.max(_each.c.left_at))))
_SETTLE_LEFT = update(moments).where(moments.c.moment == _MOMENT).values(left_at=_gone.scalar_subquery())


async def known_outcome(connection: AsyncConnection, event_key: str) -> Outcome | None:
    """How this event has ended already: on its replay, and for the second lane."""
    outcome = await connection.scalar(_HOW_IT_ENDED, {"event": event_key})
    return Outcome(outcome) if outcome else None


async def remember(connection: AsyncConnection, event_key: str, outcome: Outcome, *, at: datetime) -> None:
    """Keep how an event ended that leaves no fact and no review."""
    await connection.execute(_REMEMBER, {"event_key": event_key, "outcome": outcome, "decided_at": at})


async def add_fact(
    connection: AsyncConnection,
    sealer: Sealer,
    moment: UUID,
    fact: Fact,
    decision: Decision,
    outcome: Outcome,
    *,
    link: Mapping[str, Any] | None = None,
    at: datetime,
) -> None:
    """Write down what an agency said, its details sealed, as part of this moment; with whose event it was taken to be
    (`link`, from `store.matches.row`), unless it only follows what was told before."""
    row = _fact(sealer, moment, fact, decision, outcome, at)
    await connection.execute(_ADD_MATCHED if link else _ADD_FACT, {**row, **(link or {})})


async def open_moment(
    connection: AsyncConnection,
    sealer: Sealer,
    moment: UUID,
    fact: Fact,
    decision: Decision,
    *,
    child: str,
    authority: str,
    team: str,
    left_at: datetime | None,
    link: Mapping[str, Any],
    until: datetime | None = None,
    outcome: Outcome = Outcome.PAGED,
    at: datetime,
) -> None:
    """A new moment with its first fact and whose it is (`link`), in one statement. `left_at`: if it was told before that the
    child had left. `until`: when its window ends, where that was decided before; `outcome`: how the event has ended.
    """
    opened = {
        "moment": moment,
        "child": child,
        "authority": authority,
        "team": team,
        "state": MomentState.OPEN,
        "opened_at": at,
        "window_ends_at": until or at + BY_TYPE[fact.type].window,
        "left_at": left_at,
        "ended_at": None,
    }
    first = _fact(sealer, moment, fact, decision, outcome, at)
    await connection.execute(_OPEN, {**first, **link, **{f"opened_{name}": value for name, value in opened.items()}})


async def hold(connection: AsyncConnection, fact: Fact, about: str, outcome: Outcome, *, at: datetime) -> None:
    """Keep a follow-up that came before what it follows. `about` is a subject key, or the event key it names."""
    values = {"event_key": fact.event_key, "about": about, "type": fact.type, "occurred_at": fact.occurred_at}
    await connection.execute(_HOLD, {**values, "outcome": outcome, "held_at": at})


async def settle_left(connection: AsyncConnection, moment: UUID) -> None:
    """Work out anew when the child had left every place that this moment tells of; None while they are still at one.

    The moment's row must be locked by the caller.
    """
    await connection.execute(_SETTLE_LEFT, {"in_moment": moment})


async def forget_outcomes(connection: AsyncConnection, at: datetime) -> None:
    """Purge held follow-ups and remembered outcomes after their day."""
    await connection.execute(delete(held_follow_ups).where(held_follow_ups.c.held_at < at - HELD_FOR))
    await connection.execute(delete(outcomes).where(outcomes.c.decided_at < at - HELD_FOR))


async def forget_reviews(connection: AsyncConnection, at: datetime) -> None:
    """Purge possible matches that came to nothing, as soon as the events that they were about are gone from Kafka: whoever
    they were about is not watched. What was decided stays, without them, in the audit chain and in the book of matches.
    """
    old = (reviews.c.asked_at < at - REVIEWED_FOR) & (reviews.c.decided_at < at - HELD_FOR)
    await connection.execute(delete(reviews).where(old & reviews.c.state.in_(("different", "withdrawn", "expired"))))


def corrects(sealer: Sealer, fact: Fact) -> str | None:
    """The key of the earlier event that a change of identity is about."""
    of = fact.details.get("of")  # its type may be that of the event which it corrects
    return event_key(sealer, of["source"], of["id"]) if of else None


def _fact(
    sealer: Sealer, moment: UUID, fact: Fact, decision: Decision, outcome: Outcome, at: datetime
) -> dict[str, Any]:
    return {
        "moment": moment,
        "corrects": corrects(sealer, fact),
        "details": sealer.seal(json.dumps(fact.details).encode(), place=f"facts/{fact.event_key}"),
        "decision": decision.model_dump(mode="json"),
        "outcome": outcome,
        "joined_at": at,
        **fact.model_dump(exclude={"mode", "details"}),
    }


def reasons(fact: Fact, decision: Decision, outcome: StrEnum) -> dict[str, Any]:
    """What the audit chain keeps of a decision: the lane, the weights and the reasons, and no value of anybody."""
    kept = decision.model_dump(mode="json", include={"lane", "child", "candidates", "why", "model"})
    return {"type": fact.type, "feed": fact.feed, "outcome": outcome, **kept}
