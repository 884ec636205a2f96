"""A person decides a possible match: the same child, or not. One UPDATE settles it, and everybody is told the truth.

Locks in order: the event and its subject, the children it may be about, the review's row, the moment, its page, the audit chain.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.moments import Decision, Lane, Marks, Outcome
from schemas.wire import Sealer
from store import audit, children, following, matches, pairs
from store.database import lock_all
from store.known import look_up
from store.matches import By, Link
from store.moments import corrects, facts, moments, reviews
from store.opening import Terms, correct, events, open_for
from store.pages import pages
from store.reviews import EXPIRED, OPEN, Review, candidates, find, pages_at, scope

HAND_ON: Final = 0.02
"""How probable another team's child must be to be asked about next: as much as it takes to be asked about at all (the model)."""


class Verdict(StrEnum):
    """What became of a decision."""

    PAGED = "paged"  # just now, by this person
    JOINED = "joined"  # it is a fact more of the child's open moment
    CONFIRMED = "confirmed"  # the team had been paged already: the page is no longer a possible one
    LATE = "late"  # the window was over: written down, nobody paged
    NOT_WATCHED = "not-watched"  # nobody watches over this child any more
    DIFFERENT = "different"  # remembered
    HANDED_ON = "handed-on"  # remembered, and another team is asked about a child of theirs
    REOPENED = "reopened"
    ALREADY = "already"  # somebody else was quicker
    NO_CANDIDATE = "no-candidate"  # it was not asked about this child, or it is another team's
    UNKNOWN = "unknown"  # there is no such review, or it is another team's


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of it, and how the review stands now: `state`, by whom (a person id) and when; None while it is open.

    `remembered`: how many marks of the person are now known not to be the child's. None means that everything that was
    said of them is the child's too, so that the next such event will be asked about again.
    `waited`: seconds from asking until this decision; None if nothing was decided now.
    """

    verdict: Verdict
    event_key: str
    type: str = ""
    authority: str = ""
    state: str = ""
    by: str | None = None
    at: datetime | None = None
    child: str | None = None
    remembered: int = 0
    waited: float | None = None


async def same(
    connection: AsyncConnection,
    sealer: Sealer,
    event_key: str,
    child: str,
    *,
    who: str,
    why: str,
    teams: Sequence[str] | None,
    at: datetime,
) -> Decided:
    """It is this child. Within the window the moment opens, or gains a fact, as if the matcher had been sure; after it, it is
    written down and nobody is paged. A possible page for another child is withdrawn, with a text to whoever had it.
    """
    review = await find(connection, sealer, event_key, teams)
    if review is None:
        return await _as_it_stands(connection, event_key, teams)
    if child not in await of_teams(connection, review, teams):
        return Decided(Verdict.NO_CANDIDATE, event_key, state=review.about.state)
    corrected = corrects(sealer, review.fact)
    await lock_all(connection, *events(review.fact, corrected), *_held(review, child))
    if not await _take(connection, event_key, teams, state="same", child=child, who=who, why=why, at=at):
        return await _as_it_stands(connection, event_key, teams)

    late = at >= review.about.expires_at
    decision = _by_a_person(review.decision, child)
    found, by = review.found(sealer, child, decision, at=at), By(who, why)
    said = _line(who, event_key, at, {"state": "same", "child": child, "why": why, "late": late})
    taken_back = await correct(connection, review.fact, corrected, child, at)
    taken_back += (await following.take_back_facts(connection, event_key, at=at, unless=child))[1]
    before = following.lines(taken_back, "the-same-as-another", at)
    known = await look_up(connection, review.fact, child, [child], at=at)

    sure = await _confirm(connection, event_key, child)
    if late or sure or known.watch is None:
        verdict = Verdict.LATE if late else Verdict.CONFIRMED if sure else Verdict.NOT_WATCHED
        link = _link(review, child, Link.LATE if late else Link.SAME, found.marks, by, at)
        await matches.add(connection, [link])
        await audit.record_all(connection, [*before, said])
        return _done(verdict, review, "same", who, at, child)
    terms = Terms(said=said, by=by, until=review.about.expires_at, recorded=Outcome.REVIEW)
    outcome = await open_for(connection, sealer, found, known, before, terms=terms, at=at)
    return _done(Verdict.PAGED if outcome is Outcome.PAGED else Verdict.JOINED, review, "same", who, at, child)


async def different(
    connection: AsyncConnection,
    sealer: Sealer,
    event_key: str,
    *,
    who: str,
    why: str,
    teams: Sequence[str] | None,
    at: datetime,
) -> Decided:
    """It is none of the children of these teams whom it was asked about: each is remembered as not being this person.

    If it may be a child of another team, that team is asked next, within the same window. A possible page is withdrawn.
    """
    review = await find(connection, sealer, event_key, teams)
    if review is None:
        return await _as_it_stands(connection, event_key, teams)
    ours = await of_teams(connection, review, teams)
    await lock_all(connection, *events(review.fact), *_held(review))
    next_ = await _next(connection, review, ours, at) if at < review.about.expires_at else None
    if next_ is None:
        taken = await _take(connection, event_key, teams, state="different", who=who, why=why, at=at)
    else:
        taken = await _hand_on(connection, review, ours, next_, at)
    if not taken:
        return await _as_it_stands(connection, event_key, teams)

    remembered = await _remember(connection, sealer, review, ours, By(who, why), at)
    _, withdrawn = await following.take_back_facts(connection, event_key, at=at)
    detail = {"state": "different", "children": ours, "why": why, "remembered": remembered}
    what = audit.What.REVIEW_DECIDED if next_ is None else audit.What.REVIEW_HANDED_ON
    lines = following.lines(withdrawn, "not-the-same", at)
    await audit.record_all(connection, [*lines, _line(who, event_key, at, detail, what)])
    if next_ is not None:
        return replace(_done(Verdict.HANDED_ON, review, OPEN, who, at), remembered=remembered)
    return replace(_done(Verdict.DIFFERENT, review, "different", who, at), remembered=remembered)


async def reopen(
    connection: AsyncConnection, sealer: Sealer, event_key: str, *, who: str, why: str, at: datetime
) -> Decided:
    """ "Not the same" was wrong: the pairs are forgotten, and within the window the question is open again, for the first team."""
    review = await find(connection, sealer, event_key)
    if review is None:
        return Decided(Verdict.UNKNOWN, event_key)
    await lock_all(connection, *events(review.fact), *_held(review))
    asked = candidates(review.decision)
    known = await look_up(connection, review.fact, asked[0] if asked else "", asked, at=at)
    open_ = at < review.about.expires_at and known.watch is not None
    values: dict[str, Any] = {"state": EXPIRED, "rejected": [], "asked_teams": []}
    if open_ and known.watch is not None:
        due = pages_at(review.fact, review.about.expires_at, at)
        answers = {"authority": known.watch.authority, "team": known.watch.team, "pages_at": due}
        values |= {"state": OPEN, "decided_at": None, "decided_by": None, "reason": None, **answers}
    mine = (reviews.c.event_key == event_key) & ((reviews.c.state == "different") | (reviews.c.rejected != []))
    if (await connection.execute(update(reviews).where(mine).values(**values))).rowcount == 0:
        return await _as_it_stands(connection, event_key, None)
    forgotten = await pairs.take_back(connection, event_key, at=at)
    detail = {"why": why, "forgotten": forgotten, "open": open_}
    await audit.record_all(connection, [_line(who, event_key, at, detail, audit.What.REVIEW_REOPENED)])
    return _done(Verdict.REOPENED, review, OPEN if open_ else EXPIRED, who, at)


async def of_teams(connection: AsyncConnection, review: Review, teams: Sequence[str] | None) -> list[str]:
    """The children whom these teams are asked about: on the list, their own, and not yet said to be somebody else."""
    asked = [child for child in candidates(review.decision) if child not in review.rejected]
    listed = select(children.children.c.child).where(children.children.c.child.in_(asked))
    if teams is not None:
        listed = listed.where(children.children.c.team.in_(teams))
    ours = set((await connection.scalars(listed)).all())
    return [child for child in asked if child in ours]


async def _take(connection: AsyncConnection, event_key: str, teams: Sequence[str] | None, **said: Any) -> bool:
    """The one UPDATE. One that has run out of time may still be decided: it is reported then, and nobody is paged."""
    mine = (reviews.c.event_key == event_key) & reviews.c.state.in_((OPEN, EXPIRED)) & scope(teams)
    values = {"state": said["state"], "child": said.get("child"), "decided_by": said["who"], "decided_at": said["at"]}
    taken = update(reviews).where(mine).values(**values, reason=said["why"], pages_at=None)
    return (await connection.execute(taken)).rowcount == 1


async def _hand_on(connection: AsyncConnection, review: Review, ours: list[str], next_: Any, at: datetime) -> bool:
    about = review.about
    mine = (reviews.c.event_key == about.event_key) & (reviews.c.state == OPEN) & (reviews.c.team == about.team)
    values = {
        "authority": next_.authority,
        "team": next_.team,
        "rejected": [*review.rejected, *ours],
        "asked_teams": reviews.c.asked_teams.op("||")([about.team]),
        "pages_at": pages_at(review.fact, about.expires_at, at),
    }
    return (await connection.execute(update(reviews).where(mine).values(**values))).rowcount == 1


async def _next(connection: AsyncConnection, review: Review, ours: list[str], at: datetime) -> Any:
    """Who answers for the best candidate that is left, of another team, and likely enough to ask about."""
    said = {*review.rejected, *ours}
    left = [each.child for each in review.decision.candidates if each.child not in said and each.probability >= HAND_ON]
    return (await look_up(connection, review.fact, "", left, at=at)).watch if left else None


async def _confirm(connection: AsyncConnection, event_key: str, child: str) -> bool:
    """Whether the team had been paged for this child: then the page is sure from now on."""
    told = (
        select(facts.c.moment)
        .join(moments)
        .where((facts.c.event_key == event_key) & facts.c.withdrawn_at.is_(None) & (moments.c.child == child))
    )
    moment: UUID | None = await connection.scalar(told)
    if moment is None:
        return False
    await connection.execute(select(moments.c.moment).where(moments.c.moment == moment).with_for_update())
    await connection.execute(update(pages).where((pages.c.moment == moment) & pages.c.possible).values(possible=False))
    return True


async def _remember(
    connection: AsyncConnection, sealer: Sealer, review: Review, ours: list[str], by: By, at: datetime
) -> int:
    """A pair for each child, and a row in the book of matches. The least that tells any of them apart is what counts."""
    event_key, person = review.about.event_key, pairs.marks(sealer, review.person)
    counts = []
    for child in ours:
        entry = await children.find(connection, sealer, child)
        if entry is not None:
            counts.append(
                await pairs.exclude(connection, sealer, entry, person, event_key=event_key, who=by.who, at=at)
            )
    await matches.add(connection, [_link(review, each, Link.DIFFERENT, person, by, at) for each in ours])
    return min(counts, default=0)


async def _as_it_stands(connection: AsyncConnection, event_key: str, teams: Sequence[str] | None) -> Decided:
    """Told to whoever was slower; a team that has handed it on is told that, and nothing of what another team does with it."""
    row = (await connection.execute(select(reviews).where(reviews.c.event_key == event_key))).first()
    if row is None:
        return Decided(Verdict.UNKNOWN, event_key)
    if teams is not None and row.team not in teams:
        if set(row.asked_teams) & set(teams):
            return Decided(Verdict.ALREADY, event_key, state=str(Verdict.HANDED_ON))
        return Decided(Verdict.UNKNOWN, event_key)
    return Decided(
        Verdict.ALREADY, event_key, row.type, row.authority, row.state, row.decided_by, row.decided_at, row.child
    )


def _held(review: Review, *also: str) -> list[tuple[str, str]]:
    return [("child", each) for each in sorted({*candidates(review.decision), *also})]


def _by_a_person(decision: Decision, child: str) -> Decision:
    why = (*decision.why, "decided by a person: the same child")
    return decision.model_copy(update={"lane": Lane.PAGE, "child": child, "why": why})


def _link(review: Review, child: str, link: Link, marks: Marks, by: By, at: datetime) -> dict[str, Any]:
    version = review.list_version
    return matches.row(
        review.about.event_key, child, link, review.decision, at=at, by=by, marks=marks, list_version=version
    )


def _line(
    who: str, event_key: str, at: datetime, detail: dict[str, Any], what: audit.What = audit.What.REVIEW_DECIDED
) -> audit.Line:
    return audit.Line(what, who, f"event/{event_key}", at, detail)


def _done(verdict: Verdict, review: Review, state: str, who: str, at: datetime, child: str | None = None) -> Decided:
    about = review.about
    waited = (at - about.asked_at).total_seconds()
    return Decided(verdict, about.event_key, about.type, about.authority, state, who, at, child, waited=waited)
