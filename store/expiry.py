"""What ends by itself: a moment whose window is over, a review that nobody decided, and what may be kept for a day only."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, ColumnElement, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.kinds import DRILL, NO_CHILD
from schemas.pages import MomentState, PageState, Purpose, Role
from store import audit, children, feeds, sending, subjects
from store.moments import forget_outcomes, forget_reviews, moments, reviews
from store.pages import drop_pending, pages
from store.people import managers_or_others

WHO = "pager"
KEEP = timedelta(days=90)
AT_ONCE = 100
"""Moments in one transaction; the rest come with the next round."""

ENDS_AS = {
    PageState.OPEN: PageState.EXPIRED,  # nobody answered
    PageState.ACCEPTED: PageState.EXPIRED,  # somebody went, and we never heard that the child was reached
    PageState.CONTACT: PageState.CLOSED,  # done, and only not said to be
}


@dataclass(frozen=True, slots=True)
class Ended:
    """A page whose window is over. `told` are the managers who are told, or who stands in for them; none
    where contact had been made, or nobody can be found."""

    page: UUID
    reference: str
    authority: str
    team: str
    type: str
    was: PageState
    told: tuple[str, ...]

    @property
    def expired(self) -> bool:
        return ENDS_AS[self.was] is PageState.EXPIRED


@dataclass(frozen=True, slots=True)
class Gauges:
    """Counts by authority, for the metrics of the same names."""

    moments_open: Counter[str]
    moments_unanswered: Counter[str]
    reviews_open: Counter[str]
    reviews_undecided: Counter[str]  # whose window ended within the last day


async def expire(connection: AsyncConnection, at: datetime) -> list[Ended]:
    """End every moment, and every review, whose window is over at `at`: reported, never silent.

    An open or accepted page expires, and the manager on call is told; one with contact made is closed.
    """
    over = select(moments.c.moment).where((moments.c.state == MomentState.OPEN) & (moments.c.window_ends_at <= at))
    ordered = over.order_by(moments.c.moment).limit(AT_ONCE).with_for_update(skip_locked=True)
    ended = [
        page for moment in (await connection.scalars(ordered)).all() for page in await _end(connection, moment, at)
    ]
    late = (reviews.c.state == "open") & (reviews.c.expires_at <= at)
    values = {"state": "expired", "decided_at": at, "decided_by": WHO}
    undecided = await connection.scalars(update(reviews).where(late).values(**values).returning(reviews.c.event_key))
    unasked = [
        audit.Line(audit.What.REVIEW_DECIDED, WHO, f"event/{key}", at, {"state": "expired"}) for key in undecided.all()
    ]
    await audit.record_all(connection, [*lines(ended, at), *unasked])
    return ended


async def end_if_over(connection: AsyncConnection, child: str, at: datetime) -> list[Ended]:
    """End this child's open moment if its window is over, so that what happens now is paged. Its `lines` are the caller's to write."""
    mine = (moments.c.child == child) & (moments.c.state == MomentState.OPEN) & (moments.c.window_ends_at <= at)
    moment = await connection.scalar(select(moments.c.moment).where(mine).with_for_update())
    return await _end(connection, moment, at) if moment else []


def lines(ended: Iterable[Ended], at: datetime) -> list[audit.Line]:
    """For the audit chain, which is locked last."""
    said = []
    for page in ended:
        about = f"page/{page.page}"
        what = audit.What.PAGE_EXPIRED if page.expired else audit.What.PAGE_CLOSED
        detail = {"was": page.was, "reference": page.reference, "told": list(page.told)}
        said.append(audit.Line(what, WHO, about, at, detail))
        if page.expired and not page.told:
            detail = {"role": Role.MANAGER, "team": page.team}
            said.append(audit.Line(audit.What.NOBODY_ON_CALL, WHO, about, at, detail))
    return said


async def purge(connection: AsyncConnection, at: datetime, *, keep: timedelta = KEEP) -> None:
    """Forget what has been kept for its time; once an hour is enough.

    For a day: held follow-ups, remembered outcomes, changes of the list. For three days: possible matches that were none.
    For nine weeks: each feed's hours. For `keep`: what is over, with everything that hangs on it (domain page, L12).
    """
    await forget_outcomes(connection, at)
    await forget_reviews(connection, at)
    await children.forget_changes(connection, at)
    await feeds.forget(connection, at)
    await subjects.forget_ended(connection, before=at - keep)


async def gauges(connection: AsyncConnection, at: datetime | None = None) -> Gauges:
    """What is open now, by authority; drills are not among it."""
    lately = (func.now() if at is None else literal(at)) - timedelta(days=1)
    return Gauges(
        moments_open=await _count(
            connection,
            moments.c.authority,
            (moments.c.state == MomentState.OPEN) & moments.c.child.not_like(f"{NO_CHILD}%"),
        ),
        moments_unanswered=await _count(
            connection, pages.c.authority, (pages.c.state == PageState.OPEN) & (pages.c.type != DRILL)
        ),
        reviews_open=await _count(connection, reviews.c.authority, reviews.c.state == "open"),
        reviews_undecided=await _count(
            connection, reviews.c.authority, (reviews.c.state == "expired") & (reviews.c.decided_at > lately)
        ),
    )


async def _end(connection: AsyncConnection, moment: UUID, at: datetime) -> list[Ended]:
    """The moment's row is locked by the caller."""
    live = (pages.c.moment == moment) & pages.c.ended_at.is_(None)
    rows = (await connection.execute(select(pages).where(live).order_by(pages.c.page).with_for_update())).all()
    ended = [await _end_page(connection, row.page, PageState(row.state), at) for row in rows]
    state = MomentState.EXPIRED if any(page.expired for page in ended) else MomentState.CLOSED
    await connection.execute(update(moments).where(moments.c.moment == moment).values(state=state, ended_at=at))
    return ended


async def _end_page(connection: AsyncConnection, page: UUID, was: PageState, at: datetime) -> Ended:
    values = {"state": ENDS_AS[was], "next_step_at": None, "ended_at": at}
    row = (
        await connection.execute(update(pages).where(pages.c.page == page).values(**values).returning(*pages.c))
    ).one()
    await drop_pending(connection, page, at=at)
    told = await managers_or_others(connection, row.team, at) if ENDS_AS[was] is PageState.EXPIRED else []
    for person, channel in told:
        await sending.add(connection, page=page, purpose=Purpose.EXPIRED, person=person, at=at, channel=channel)
    people = tuple(person for person, _ in told)
    return Ended(page, row.reference, row.authority, row.team, row.type, was, people)


async def _count(connection: AsyncConnection, authority: Column[str], which: ColumnElement[bool]) -> Counter[str]:
    rows = await connection.execute(select(authority, func.count()).where(which).group_by(authority))
    return Counter({row[0]: row[1] for row in rows})
