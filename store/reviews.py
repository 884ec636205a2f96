"""A possible match waits for a human: the question is kept sealed until it is answered, taken back, or out of time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Mode
from schemas.kinds import BY_TYPE
from schemas.moments import Decision, Fact, MomentFound, Outcome, ReviewAsked
from schemas.person import Person
from schemas.wire import Sealer
from store import audit, following, pairs
from store.database import lock_all
from store.known import look_up
from store.moments import corrects, reviews
from store.opening import Terms, correct, decided, end_here, events, open_for

POSSIBLE_WITHIN: Final = timedelta(hours=2)
"""With no more of the window left than this, a question that nobody has answered pages the team as well, marked "possible"."""

OPEN, EXPIRED = "open", "expired"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A review as it may be listed: nothing that says who."""

    event_key: str
    type: str
    feed: str
    authority: str
    team: str
    state: str
    asked_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str | None


@dataclass(frozen=True, slots=True)
class Review:
    """A review with its seals open: write down who looks before showing it."""

    about: Waiting
    fact: Fact
    decision: Decision
    rejected: tuple[str, ...]
    list_version: int
    child: str | None
    person: Person = field(repr=False)

    def found(self, sealer: Sealer, child: str, decision: Decision, *, at: datetime) -> MomentFound:
        """As if the matcher had found this child, at `at`."""
        fact = self.fact.model_copy(update={"matched_at": at})
        marks = pairs.marks(sealer, self.person)
        return MomentFound(fact=fact, child=child, decision=decision, marks=marks, list_version=self.list_version)


async def ask_review(connection: AsyncConnection, sealer: Sealer, asked: ReviewAsked, *, at: datetime) -> Outcome:
    """Put the question before the team of the best candidate who is watched today, until the moment's window is over.

    A replay ends as before, what was cancelled before it came is cancelled, and with no candidate left on the list the
    event is not watched. With two hours or less of the window left the team is paged as well (`page_possible`).
    """
    fact, decision = asked.fact, asked.decision
    if fact.mode is Mode.TEST:
        return Outcome.TEST
    corrected = corrects(sealer, fact)
    await lock_all(connection, *events(fact, corrected))
    child = decision.child or ""
    best = [child, *(candidate.child for candidate in decision.candidates)]
    known = await look_up(connection, fact, child, best, at=at)
    if known.outcome:
        return known.outcome
    if known.taken_back:
        return await end_here(connection, fact, decision, Outcome.CANCELLED, at=at)
    withdrawn = following.lines(await correct(connection, fact, corrected, child, at), fact.type, at)
    if known.watch is None:
        return await end_here(connection, fact, decision, Outcome.NOT_WATCHED, after=withdrawn, at=at)
    place, expires_at = f"reviews/{fact.event_key}", at + BY_TYPE[fact.type].window
    if asked.until and asked.until > at:
        expires_at = asked.until
    await connection.execute(
        insert(reviews).values(
            **fact.model_dump(include={"event_key", "subject_key", "type", "feed"}),
            corrects=corrected,
            authority=known.watch.authority,
            team=known.watch.team,
            fact=sealer.seal(fact.model_dump_json().encode(), place=f"{place}/fact"),
            person=sealer.seal(asked.person.model_dump_json(exclude_defaults=True).encode(), place=f"{place}/person"),
            decision=decision.model_dump(mode="json"),
            lane=decision.lane,
            list_version=asked.list_version,
            asked_at=at,
            expires_at=expires_at,
            pages_at=pages_at(fact, expires_at, at),
        )
    )
    await audit.record_all(connection, [*withdrawn, decided(fact, decision, Outcome.REVIEW, at)])
    return Outcome.REVIEW


def pages_at(fact: Fact, expires_at: datetime, at: datetime) -> datetime | None:
    """From when on the team is paged though nobody has decided; None for a child who has died: nobody is paged to them.

    A release that is expected sooner than the window ends counts as its end, though not for the answer: releases are late.
    """
    if fact.details.get("deceased") is True:
        return None
    expected = fact.details.get("expected_release_at")
    ends = min(expires_at, datetime.fromisoformat(expected)) if expected else expires_at
    return max(at, ends - POSSIBLE_WITHIN)


async def due_to_page(connection: AsyncConnection, *, at: datetime, limit: int = 20) -> list[str]:
    """Event keys of reviews that are still open with little of their window left."""
    due = (reviews.c.state == OPEN) & (reviews.c.pages_at <= at) & (reviews.c.expires_at > at)
    query = select(reviews.c.event_key).where(due).order_by(reviews.c.pages_at, reviews.c.event_key).limit(limit)
    return list((await connection.scalars(query)).all())


async def page_possible(connection: AsyncConnection, sealer: Sealer, event_key: str, *, at: datetime) -> bool:
    """Page the team of one of them, marked "possible". False if there is nothing to do: it was decided just now, or is paged.

    A child about whom somebody is on the way already is not paged for again: the question stays open beside that page.
    One review to a transaction: it holds the event, its subject and every child it may be about.
    """
    review = await find(connection, sealer, event_key)
    if review is None:
        return False
    fact, asked = review.fact, review.decision
    best = [each for each in candidates(asked) if each not in review.rejected]
    await lock_all(connection, *events(fact, corrects(sealer, fact)), *(("child", child) for child in sorted(best)))
    mine = (reviews.c.event_key == event_key) & (reviews.c.state == OPEN) & reviews.c.pages_at.is_not(None)
    if (await connection.execute(update(reviews).where(mine).values(pages_at=None))).rowcount == 0:
        return False
    known = await look_up(connection, fact, best[0] if best else "", best, at=at)
    if known.watch is None or (known.moment and known.window_ends_at and known.window_ends_at > at):
        return False
    child, until = known.watch.child, review.about.expires_at
    said = audit.Line(audit.What.REVIEW_PAGED, "pager", f"event/{event_key}", at, {"child": child})
    terms = Terms(said=said, until=until, possible=True, recorded=Outcome.REVIEW)
    await open_for(connection, sealer, review.found(sealer, child, asked, at=at), known, [], terms=terms, at=at)
    return True


async def put_off(connection: AsyncConnection, event_key: str, *, until: datetime) -> None:
    """It cannot be paged now: tried again then."""
    await connection.execute(update(reviews).where(reviews.c.event_key == event_key).values(pages_at=until))


async def waiting(
    connection: AsyncConnection, teams: Sequence[str] | None, *, since: datetime | None = None
) -> list[Waiting]:
    """Open reviews of these teams, the soonest to run out first; with `since` those asked since then, whatever became of them.

    `teams` None is everybody's: for an operator.
    """
    chosen = reviews.c.state == OPEN if since is None else reviews.c.asked_at >= since
    query = select(*_listed).where(chosen & scope(teams)).order_by(reviews.c.expires_at, reviews.c.event_key)
    return [Waiting(**row) for row in (await connection.execute(query)).mappings()]


async def find(
    connection: AsyncConnection, sealer: Sealer, event_key: str, teams: Sequence[str] | None = None
) -> Review | None:
    """One review, if it is theirs. Whether it is another team's, or nobody's, cannot be told from the answer. Raises SealBroken."""
    query = select(reviews).where((reviews.c.event_key == event_key) & scope(teams))
    row = (await connection.execute(query)).mappings().first()
    return opened(sealer, row) if row else None


async def keys_like(connection: AsyncConnection, start: str) -> list[str]:
    """Event keys that begin so, two at the most: what an operator types is the beginning of one."""
    query = select(reviews.c.event_key).where(reviews.c.event_key.startswith(start, autoescape=True)).limit(2)
    return list((await connection.scalars(query)).all())


def opened(sealer: Sealer, row: Mapping[Any, Any]) -> Review:
    """A whole row with its seals open. Raises SealBroken."""
    place = f"reviews/{row['event_key']}"
    return Review(
        about=Waiting(**{name: row[name] for name in Waiting.__dataclass_fields__}),
        fact=Fact.model_validate_json(sealer.open(row["fact"], place=f"{place}/fact")),
        decision=Decision.model_validate(row["decision"]),
        rejected=tuple(row["rejected"]),
        list_version=row["list_version"],
        child=row["child"],
        person=Person.model_validate(json.loads(sealer.open(row["person"], place=f"{place}/person"))),
    )


def scope(teams: Sequence[str] | None) -> ColumnElement[bool]:
    """What these teams may see; everything for None."""
    return literal(True) if teams is None else reviews.c.team.in_(teams)


def candidates(decision: Decision) -> list[str]:
    """Whom it may be about, the best first."""
    best = [decision.child] if decision.child else []
    return list(dict.fromkeys([*best, *(each.child for each in decision.candidates)]))


_listed = [reviews.c[name] for name in Waiting.__dataclass_fields__]
