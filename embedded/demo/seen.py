"""What has become of an event that the demo sent, read from where it really is: the fact, the page and its attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.moments import Outcome
from schemas.pages import PageState
from store.board import Tried, attempts_of
from store.moments import facts, reviews
from store.pages import pages
from store.people import responders

STAGES = ("occurred", "received", "matched", "sent", "delivered", "accepted", "contact")
"""The seven clock readings of a moment, in order (design page, promise 6)."""


@dataclass(frozen=True)
class Sent:
    """An event as the demo sent it. `child` is how the screen names them; `watched` is what the newcomer chose."""

    key: str
    kind: str
    feed: str
    child: str
    child_id: str | None
    occurred_at: datetime
    received_at: datetime

    @property
    def watched(self) -> bool:
        return self.child_id is not None


@dataclass(frozen=True)
class Seen:
    """One event and what has become of it by now. `at` holds the stages that are reached; for a joined event only its own three."""

    sent: Sent
    at: Mapping[str, datetime]
    outcome: Outcome | None = None
    page: UUID | None = None
    reference: str = ""
    state: str = ""
    step: int = 0
    next_step_at: datetime | None = None
    accepted_by: str = ""
    tried: tuple[Tried, ...] = field(default=())

    @property
    def waiting(self) -> bool:
        """Is a text out, or about to be, that nobody has answered?"""
        return self.state == PageState.OPEN

    @property
    def ended(self) -> bool:
        """Is nothing more to come but a record of contact?"""
        paged = self.outcome in (None, Outcome.PAGED)
        return not paged or bool(self.state and not self.waiting)


def at_first(sent: Sent) -> Seen:
    """An event that the gateway has just taken."""
    return Seen(sent, {"occurred": sent.occurred_at, "received": sent.received_at})


async def look(
    connection: AsyncConnection, events: Sequence[Sent], outcomes: Mapping[str, tuple[Outcome, datetime]]
) -> list[Seen]:
    """Each event as it stands now, in the order given. `outcomes` are those heard on the outcomes topic, by event key."""
    keys = [sent.key for sent in events]
    found: dict[str, Mapping[str, Any]] = {
        row["event_key"]: dict(row) for row in (await connection.execute(_facts(keys))).mappings()
    }
    asked = await connection.execute(
        select(reviews.c.event_key, reviews.c.asked_at).where(reviews.c.event_key.in_(keys))
    )
    reviewed = {row.event_key: row.asked_at for row in asked}
    tried: dict[UUID, list[Tried]] = {}
    for attempt in await attempts_of(connection, [row["page"] for row in found.values() if row["page"]]):
        tried.setdefault(attempt.page, []).append(attempt)
    return [
        _of_fact(sent, found[sent.key], tried)
        if sent.key in found
        else _of_outcome(sent, outcomes.get(sent.key), reviewed.get(sent.key))
        for sent in events
    ]


def _of_outcome(sent: Sent, heard: tuple[Outcome, datetime] | None, asked_at: datetime | None) -> Seen:
    seen = at_first(sent)
    if asked_at is not None:
        return replace(seen, at={**seen.at, "matched": asked_at}, outcome=Outcome.REVIEW)
    if heard is None:
        return seen
    outcome, at = heard
    return replace(seen, at={**seen.at, "matched": at}, outcome=outcome)


def _of_fact(sent: Sent, row: Mapping[str, Any], tried: Mapping[UUID, list[Tried]]) -> Seen:
    outcome = Outcome(row["outcome"])
    own = STAGES[:3] if outcome is Outcome.JOINED else STAGES
    return Seen(
        sent,
        {stage: row[f"{stage}_at"] for stage in own if row[f"{stage}_at"] is not None},
        outcome=outcome,
        page=row["page"],
        reference=row["reference"] or "",
        state=row["state"] or "",
        step=row["step"] or 0,
        next_step_at=row["next_step_at"],
        accepted_by=row["accepted_by"] or "",
        tried=tuple(tried.get(row["page"], ())),
    )


def _facts(keys: Sequence[str]) -> Any:
    own = [facts.c[name] for name in ("event_key", "outcome", *(f"{stage}_at" for stage in STAGES[:3]))]
    theirs = [pages.c[name] for name in ("page", "reference", "state", "step", "next_step_at")]
    theirs += [pages.c[f"{stage}_at"] for stage in STAGES[3:]]
    # One page for each team: the demo's children have one team, so the first is the only one.
    both = facts.join(pages, pages.c.moment == facts.c.moment, isouter=True)
    both = both.join(responders, responders.c.person == pages.c.accepted_by, isouter=True)
    chosen = select(*own, *theirs, responders.c.name.label("accepted_by")).select_from(both)
    return chosen.where(facts.c.event_key.in_(keys)).order_by(facts.c.event_key, pages.c.opened_at.desc())
