"""What people answer: accept, pass on, contact made, closed. One UPDATE decides, and everybody is told the truth.

Locks in order: the moment (only to close), the page's row, its attempts, the audit chain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import CONTACT_WAITS, AttemptState, MomentState, PageState, Purpose, Reopened
from store import reopening, sending
from store.audit import Line, What, record, record_all
from store.moments import moments
from store.pages import attempts, pages

TOLD = (AttemptState.SENDING, AttemptState.SENT, AttemptState.DELIVERED, AttemptState.UNKNOWN)
"""What may be in somebody's hand: better told twice than left on the way to a child who is not there."""


class Answer(StrEnum):
    """What became of an answer."""

    ACCEPTED = "accepted"  # just now, by this person
    YOURS = "yours"  # this person had accepted already
    TAKEN = "taken"  # somebody else had
    PASSED = "passed"
    CONTACT = "contact"
    CLOSED = "closed"
    OPEN = "open"  # it is for one who has accepted, and nobody has
    ENDED = "ended"  # closed, withdrawn or expired before
    UNKNOWN = "unknown"  # there is no such page


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer and where the page stands now.

    `by` is who accepted (a person id) and `at` when; None while nobody has. `type` and `authority` are the page's labels,
    and `seconds` what a clock shows when this answer has just stopped it: sent to accepted, or accepted to contact.
    """

    answer: Answer
    page: UUID
    reference: str
    by: str | None = None
    at: datetime | None = None
    type: str = ""
    authority: str = ""
    seconds: float | None = None


async def accept(connection: AsyncConnection, page: UUID, person: str, *, via: str, at: datetime) -> Answered:
    """`person` takes it on. Of two at once one has ACCEPTED and the other is told TAKEN.

    `via` is `reply`, `link`, `desk` or `call`. Everybody else who may have had a text is told that it is taken. From now
    on there is a clock for contact; to accept once more, when that has been asked for, starts it anew.
    """
    due = at + timedelta(seconds=CONTACT_WAITS.text)
    row = await _move(
        connection,
        page,
        (PageState.OPEN,),
        state=PageState.ACCEPTED,
        next_step_at=None,
        accepted_at=at,
        accepted_by=person,
        accepted_via=via,
        contact_due_at=due,
        asked=0,
    )
    if row is None:
        still = (pages.c.page == page) & (pages.c.accepted_by == person) & (pages.c.asked > 0)
        await connection.execute(update(pages).where(still).values(asked=0, contact_due_at=due))
        return await _as_it_stands(connection, page, person)
    await tell_the_told(connection, page, Purpose.TAKEN, at=at, but=person)
    await record(connection, What.PAGE_ACCEPTED, who=person, about=f"page/{page}", at=at, detail={"via": via})
    # What went back to the team was answered once, and that was counted.
    return _answered(Answer.ACCEPTED, row, since=None if row.reopened_at else row.sent_at, at=at)


async def pass_on(connection: AsyncConnection, page: UUID, person: str, *, via: str, at: datetime) -> Answered:
    """`person` cannot go: the pager tells the next one now. If they had accepted, the page goes back to the team."""
    row = (await connection.execute(select(pages).where(pages.c.page == page).with_for_update())).first()
    if row is not None and row.state == PageState.ACCEPTED and row.accepted_by == person:
        await record_all(connection, await _hand_back(connection, page, person, via=via, at=at))
        return _answered(Answer.PASSED, row)
    if row is None or row.state != PageState.OPEN:
        return await _as_it_stands(connection, page, person)
    told = (attempts.c.page == page) & (attempts.c.person == person) & (attempts.c.purpose == Purpose.PAGE)
    here = (attempts.c.step == row.step) & (attempts.c.round == row.round) & attempts.c.passed_at.is_(None)
    # To be decided about once more, even where it had failed: the text has come through after all.
    await connection.execute(update(attempts).where(told & here).values(passed_at=at, acted_on=False))
    await record(
        connection, What.PAGE_PASSED, who=person, about=f"page/{page}", at=at, detail={"via": via, "step": row.step}
    )
    return _answered(Answer.PASSED, row)


async def record_contact(connection: AsyncConnection, page: UUID, person: str, *, via: str, at: datetime) -> Answered:
    """Somebody has reached the child. OPEN if nobody has accepted yet; a second time changes nothing and is CONTACT again."""
    row = await _move(connection, page, (PageState.ACCEPTED,), state=PageState.CONTACT, contact_at=at)
    if row is None:
        return await _as_it_stands(connection, page, person, instead={PageState.CONTACT: Answer.CONTACT})
    await record(connection, What.CONTACT_MADE, who=person, about=f"page/{page}", at=at, detail={"via": via})
    return _answered(Answer.CONTACT, row, since=row.accepted_at, at=at)


async def close(
    connection: AsyncConnection,
    page: UUID,
    person: str,
    *,
    via: str,
    at: datetime,
    outcome: Mapping[str, str] | None = None,
) -> Answered:
    """Done. With its last page the moment is closed too. `outcome`: how it went, from closed lists, for the audit chain."""
    moment = await connection.scalar(select(pages.c.moment).where(pages.c.page == page))
    await connection.execute(select(moments.c.moment).where(moments.c.moment == moment).with_for_update())
    row = await _move(connection, page, (PageState.ACCEPTED, PageState.CONTACT), state=PageState.CLOSED, ended_at=at)
    if row is None:
        return await _as_it_stands(connection, page, person, instead={PageState.CLOSED: Answer.CLOSED})
    live = select(pages.c.page).where((pages.c.moment == row.moment) & pages.c.ended_at.is_(None))
    if (await connection.execute(live)).first() is None:
        ended = {"state": MomentState.CLOSED, "ended_at": at}
        still = (moments.c.moment == row.moment) & (moments.c.state == MomentState.OPEN)
        await connection.execute(update(moments).where(still).values(**ended))
    detail = {"via": via, **(outcome or {})}
    await record(connection, What.PAGE_CLOSED, who=person, about=f"page/{page}", at=at, detail=detail)
    return _answered(Answer.CLOSED, row)


async def tell_the_told(
    connection: AsyncConnection,
    page: UUID,
    purpose: Purpose,
    *,
    at: datetime,
    but: str | None = None,
    round: int = 1,  # noqa: A002 - the column's name
) -> int:
    """Queue a text of this purpose for everybody who may have had the page or has accepted it, but for one; returns how many.

    The page's row must be locked by the caller: then no sender is between claiming a text and having written so.
    """
    mine = (attempts.c.page == page) & (attempts.c.purpose == Purpose.PAGE) & attempts.c.state.in_(TOLD)
    told = set((await connection.scalars(select(attempts.c.person).where(mine))).all())
    # Whoever accepted at the desk is on the way without ever having had a text.
    told |= {await connection.scalar(select(pages.c.accepted_by).where(pages.c.page == page))}
    others = sorted(told - {but, None})
    for person in others:
        await sending.add(connection, page=page, purpose=purpose, person=person, at=at, round=round)
    return len(others)


async def _hand_back(connection: AsyncConnection, page: UUID, person: str, *, via: str, at: datetime) -> list[Line]:
    """Back to the team, and whoever hands it back is not asked again in the round that begins: they have just said so."""
    lines = await reopening.reopen(connection, page, Reopened.HANDED_BACK, who=person, at=at) or []
    mine = (attempts.c.page == page) & (attempts.c.person == person) & (attempts.c.purpose == Purpose.PAGE)
    now = (attempts.c.round == pages.c.round) & (attempts.c.step == pages.c.step) & (pages.c.page == page)
    spared = {"state": AttemptState.DROPPED, "settled_at": at, "reason": "handed-back", "passed_at": at}
    await connection.execute(update(attempts).where(mine & now).values(**spared))
    return [*lines, Line(What.PAGE_PASSED, person, f"page/{page}", at, {"via": via, "why": Reopened.HANDED_BACK})]


async def _move(connection: AsyncConnection, page: UUID, now_in: tuple[PageState, ...], **values: Any) -> Any | None:
    return (
        await connection.execute(
            update(pages).where((pages.c.page == page) & pages.c.state.in_(now_in)).values(**values).returning(*pages.c)
        )
    ).first()


async def _as_it_stands(
    connection: AsyncConnection, page: UUID, person: str, instead: dict[PageState, Answer] | None = None
) -> Answered:
    row = (await connection.execute(select(pages).where(pages.c.page == page))).first()
    if row is None:
        return Answered(Answer.UNKNOWN, page, "")
    state = PageState(row.state)
    if instead and state in instead:
        return _answered(instead[state], row)
    if state is PageState.OPEN:
        return _answered(Answer.OPEN, row)
    if state in (PageState.ACCEPTED, PageState.CONTACT):
        return _answered(Answer.YOURS if row.accepted_by == person else Answer.TAKEN, row)
    return _answered(Answer.ENDED, row)


def _answered(answer: Answer, row: Any, *, since: datetime | None = None, at: datetime | None = None) -> Answered:
    seconds = (at - since).total_seconds() if at and since else None
    return Answered(answer, row.page, row.reference, row.accepted_by, row.accepted_at, row.type, row.authority, seconds)
