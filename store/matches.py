"""Which event was taken to be about which child, by whom, and why. Append-only: to undo a match is one more row, never a change.

Rows go with the child when it is erased, and in no other way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, Identity, Table, Text, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.moments import Decision, Marks
from store.columns import Facts, Instant, Words, one_of
from store.database import TABLES


class Link(StrEnum):
    """What a row says of an event and a child."""

    SAME = "same"
    POSSIBLE = "possible"  # the team was paged while nobody had decided
    DIFFERENT = "different"
    LATE = "late"  # the same child, but found out when the window was over: reported, not paged


matches = Table(
    "matches",
    TABLES,
    Column("match", BigInteger, Identity(always=True), primary_key=True),
    Column("event_key", Text, nullable=False, index=True),
    Column("child", Text, nullable=False, index=True),
    Column("decision", Text, nullable=False),
    Column("decided_by", Text, nullable=False),  # `auto`, or a person
    Column("decided_at", Instant, nullable=False),
    Column("probability", Float),
    Column("weight", Float),  # bits
    Column("why", Facts, nullable=False),
    Column("model", Text, nullable=False),
    Column("list_version", BigInteger, nullable=False),
    Column("marks", Words, nullable=False),  # keyed hashes of who the event was about: `store.pairs`
    Column("reason", Text),
    CheckConstraint(one_of("decision", Link), name="decision_known"),
    CheckConstraint("decided_by = 'auto' OR reason IS NOT NULL", name="a_person_says_why"),
)

AUTO: Final = "auto"

PARAMETERS: Final = {name: bindparam(f"link_{name}", type_=column.type) for name, column in matches.c.items()}
PARAMETERS.pop("match")
ADD: Final = insert(matches).values(PARAMETERS)
"""One row, as a statement of its own or as part of another: its parameters are named apart."""


@dataclass(frozen=True, slots=True)
class By:
    """Who says so: the matcher, or a person, who says why."""

    who: str = AUTO
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Matched:
    """The newest row about an event and a child."""

    event_key: str
    child: str
    decision: Link
    decided_by: str
    decided_at: datetime
    probability: float | None
    weight: float | None
    why: tuple[str, ...]
    model: str
    list_version: int
    marks: Marks
    reason: str | None


def row(
    event_key: str,
    child: str,
    link: Link,
    decision: Decision,
    *,
    at: datetime,
    by: By | None = None,
    marks: Sequence[str] = (),
    list_version: int = 0,
) -> dict[str, Any]:
    """The parameters of `ADD`. `decision` is the matcher's, whoever decided in the end: probability and bits are this child's."""
    by = by or By()
    own = next((each for each in decision.candidates if each.child == child), None)
    values = {
        "event_key": event_key,
        "child": child,
        "decision": link,
        "decided_by": by.who,
        "decided_at": at,
        "probability": own.probability if own else None,
        "weight": own.weight if own else None,
        "why": list(decision.why),
        "model": decision.model,
        "list_version": list_version,
        "marks": list(marks),
        "reason": by.reason,
    }
    return {f"link_{name}": value for name, value in values.items()}


async def add(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write down links, as `row` makes them."""
    if rows:
        await connection.execute(ADD, rows)


async def of_event(connection: AsyncConnection, event_key: str) -> list[Matched]:
    """Everything that was ever said of this event, oldest first."""
    rows = await connection.execute(select(matches).where(matches.c.event_key == event_key).order_by(matches.c.match))
    return [_matched(row) for row in rows.mappings()]


def _matched(found: Mapping[Any, Any]) -> Matched:
    values = {name: found[name] for name in Matched.__dataclass_fields__}
    return Matched(
        **{
            **values,
            "decision": Link(values["decision"]),
            "why": tuple(values["why"]),
            "marks": tuple(values["marks"]),
        }
    )
