"""What is on file about an event, and about the children it may be about, before anything is made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Date, Text, any_, bindparam, exists, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.events import EventCancelled
from schemas.london import today
from schemas.moments import Fact, Outcome
from schemas.pages import MomentState
from store.children import children
from store.columns import Words
from store.moments import ENDED, EVENT, facts, held_follow_ups, moments


@dataclass(frozen=True, slots=True)
class Watch:
    """Who answers for a child on the list."""

    child: str
    authority: str
    team: str


@dataclass(frozen=True, slots=True)
class Known:
    """`outcome`: how this event has ended already (a replay, the other lane). `taken_back`: it was cancelled before it
    came, or it has come out since that it is about another child. `left_at`: when the child had left the place that it
    tells of, if that was told before it. `watch`: the first of the children asked for who is in force; with them their
    open moment, if there is one, and when its window ends. `done`: a moment of theirs that told of the same attendance,
    custody record or report, and that a worker has closed.
    """

    outcome: Outcome | None
    taken_back: bool
    left_at: datetime | None
    watch: Watch | None
    moment: UUID | None
    window_ends_at: datetime | None
    done: UUID | None = None


# Built once, and asked once for each event: every round trip counts twice, once for each lane.
_CHILD, _CHILDREN = bindparam("about", type_=Text), bindparam("children", type_=Words)
_DAY = bindparam("day", type_=Date)

_corrected = select(moments.c.child).join(facts).where(facts.c.event_key == held_follow_ups.c.event_key)
_elsewhere = _corrected.order_by(facts.c.withdrawn_at.nulls_first()).limit(1).scalar_subquery().is_distinct_from(_CHILD)
_takes_back = (held_follow_ups.c.type == EventCancelled.type) | _elsewhere
_left = select(func.max(held_follow_ups.c.occurred_at)).where(held_follow_ups.c.about == bindparam("subject"))

_in_force = (children.c.starts_on <= _DAY) & (func.least(children.c.review_on, children.c.expires_on) >= _DAY)
_watch = (
    select(children.c.child, children.c.authority, children.c.team)
    .where((children.c.child == any_(_CHILDREN)) & _in_force)
    .order_by(func.array_position(_CHILDREN, children.c.child))
    .limit(1)
    .subquery("watch")
)
_ended = moments.alias("ended")
_done = (
    select(_ended.c.moment)
    .join(facts, facts.c.moment == _ended.c.moment)
    .where((facts.c.subject_key == bindparam("subject")) & facts.c.withdrawn_at.is_(None))
    .where((_ended.c.child == _watch.c.child) & (_ended.c.state == MomentState.CLOSED))
    .limit(1)
    .correlate(_watch)
)
_KNOWN = select(
    ENDED.label("outcome"),
    exists().where((held_follow_ups.c.about == EVENT) & _takes_back).label("taken_back"),
    _left.scalar_subquery().label("left_at"),
    _watch.c.child,
    _watch.c.authority,
    _watch.c.team,
    moments.c.moment,
    moments.c.window_ends_at,
    _done.scalar_subquery().label("done"),
).select_from(
    select(true())
    .subquery("one")
    .outerjoin(_watch, true())
    .outerjoin(moments, (moments.c.child == _watch.c.child) & (moments.c.state == MomentState.OPEN))
)


async def look_up(
    connection: AsyncConnection, fact: Fact, child: str, candidates: Sequence[str], *, at: datetime
) -> Known:
    """What is known of the event, matched to `child`, and of the first of `candidates` who is on the list on this day in
    London. The caller holds the event and its subject: what is not there yet will not come meanwhile.
    """
    row = (
        await connection.execute(
            _KNOWN,
            {
                "event": fact.event_key,
                "subject": fact.subject_key,
                "about": child,
                "children": list(candidates),
                "day": today(at),
            },
        )
    ).one()
    watch = Watch(row.child, row.authority, row.team) if row.child else None
    outcome = Outcome(row.outcome) if row.outcome else None
    return Known(outcome, row.taken_back, row.left_at, watch, row.moment, row.window_ends_at, row.done)
