"""What the pager reads to decide what happens next with an open page, and how it writes that it has."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import AttemptState, Channel, PageState, Purpose, Step
from store import sending
from store.pages import attempts, pages

SPENT: Final = (AttemptState.FAILED, AttemptState.UNDELIVERED, AttemptState.UNKNOWN)
"""Nobody is reached by this one any more."""


@dataclass(frozen=True, slots=True)
class OpenPage:
    """An open page as the escalation sees it."""

    page: UUID
    step: int
    round: int
    plan: tuple[Step, ...]
    next_step_at: datetime


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt of the page's current step and round."""

    person: str
    channel: Channel
    try_: int
    state: AttemptState
    due_at: datetime
    sent_at: datetime | None
    passed_at: datetime | None


_WAITING: Final = text("""
    SELECT page FROM pages AS open
    WHERE state = 'open' AND (next_step_at <= :at OR EXISTS (
        SELECT FROM attempts AS one
        WHERE (one.page, one.purpose, one.step, one.round) = (open.page, 'page', open.step, open.round)
            AND NOT one.acted_on AND (
                one.state IN ('failed', 'undelivered') OR (one.state = 'unknown' AND one.try > 1)
                OR one.passed_at IS NOT NULL OR (one.state = 'sent' AND one.sent_at <= :silent_since)
            )
    ))
    ORDER BY next_step_at LIMIT :limit
""")
# A first try of which nothing is known is tried again, and that one will say how it went. What has been acted on changes
# nothing more: of two people, one whose phone is off must not have the page looked at again and again, before all others.


async def waiting(connection: AsyncConnection, *, at: datetime, receipt_within: timedelta, limit: int) -> list[UUID]:
    """Open pages about which something may have to be decided, the longest overdue first."""
    given = {"at": at, "silent_since": at - receipt_within, "limit": limit}
    return list((await connection.execute(_WAITING, given)).scalars())


async def hold(connection: AsyncConnection, page: UUID) -> tuple[OpenPage, list[Tried]] | None:
    """Lock the page and read where it stands. None if it is no longer open, or another process has it in hand."""
    mine = select(pages).where((pages.c.page == page) & (pages.c.state == PageState.OPEN))
    row = (await connection.execute(mine.with_for_update(skip_locked=True))).first()
    if row is None:
        return None
    here = (
        (attempts.c.page == page)
        & (attempts.c.purpose == Purpose.PAGE)
        & (attempts.c.step == row.step)
        & (attempts.c.round == row.round)
    )
    columns = ("person", "channel", "try", "state", "due_at", "sent_at", "passed_at")
    tried = await connection.execute(
        select(*(attempts.c[name] for name in columns)).where(here).order_by(attempts.c.due_at)
    )
    plan = tuple(Step.model_validate(step) for step in row.plan)
    return OpenPage(row.page, row.step, row.round, plan, row.next_step_at), [
        Tried(person, Channel(channel), try_, AttemptState(state), due_at, sent_at, passed_at)
        for person, channel, try_, state, due_at, sent_at, passed_at in tried
    ]


_UNCONTACTED: Final = text("""
    SELECT page FROM pages AS mine
    WHERE state = 'accepted' AND (contact_due_at <= :at OR asked > 0 AND EXISTS (
        SELECT FROM attempts AS one
        WHERE one.page = mine.page AND one.purpose = 'reminder' AND one.state IN ('failed', 'undelivered')
            AND NOT EXISTS (
                SELECT FROM attempts AS later
                WHERE later.page = one.page AND later.purpose = 'reminder' AND later.due_at > one.due_at
            )
    ))
    ORDER BY contact_due_at LIMIT :limit
""")


async def without_contact(connection: AsyncConnection, *, at: datetime, limit: int) -> list[UUID]:
    """Accepted pages whose time for contact is over, or whose last question about it has reached nobody."""
    return list((await connection.execute(_UNCONTACTED, {"at": at, "limit": limit})).scalars())


@dataclass(frozen=True, slots=True)
class AcceptedPage:
    """An accepted page as whoever asks about contact sees it. `asked`: how often they have."""

    page: UUID
    person: str
    asked: int


async def hold_accepted(connection: AsyncConnection, page: UUID) -> AcceptedPage | None:
    """Lock the page and read where it stands. None if it is no longer accepted, or another process has it in hand."""
    mine = select(pages).where((pages.c.page == page) & (pages.c.state == PageState.ACCEPTED))
    row = (await connection.execute(mine.with_for_update(skip_locked=True))).first()
    return AcceptedPage(row.page, row.accepted_by, row.asked) if row else None


async def ask_for_contact(
    connection: AsyncConnection, page: AcceptedPage, channel: Channel, *, next_at: datetime, at: datetime
) -> None:
    """Ask whoever has accepted whether there is contact, by this channel; what comes after it is due at `next_at`."""
    number = page.asked + 1
    same = (attempts.c.page == page.page) & (attempts.c.purpose == Purpose.REMINDER) & (attempts.c.step == number)
    times = await connection.scalar(select(func.max(attempts.c.round)).where(same)) or 0
    about: dict[str, Any] = {
        "page": page.page,
        "purpose": Purpose.REMINDER,
        "person": page.person,
        "step": number,
        "round": times + 1,
    }
    await sending.add(connection, **about, channel=channel, at=at)
    mine = update(pages).where(pages.c.page == page.page)
    await connection.execute(mine.values(asked=number, contact_due_at=next_at))


async def mark_acted_on(connection: AsyncConnection, page: OpenPage, *, silent_since: datetime) -> None:
    """Note on the attempts of the page's step which of them have been decided about: those that reached nobody."""
    here = (
        (attempts.c.page == page.page)
        & (attempts.c.purpose == Purpose.PAGE)
        & (attempts.c.step == page.step)
        & (attempts.c.round == page.round)
    )
    silent = (attempts.c.state == AttemptState.SENT) & (attempts.c.sent_at <= silent_since)
    # Not the unknown: a late receipt may still give them hope, and take it again.
    over = attempts.c.state.in_((AttemptState.FAILED, AttemptState.UNDELIVERED))
    new = ~attempts.c.acted_on & or_(over, attempts.c.passed_at.is_not(None), silent)
    await connection.execute(update(attempts).where(here & new).values(acted_on=True))


async def bring_forward(connection: AsyncConnection, page: UUID, *, to: datetime) -> None:
    """The next step begins at `to` at the latest."""
    later = (pages.c.page == page) & (pages.c.state == PageState.OPEN) & (pages.c.next_step_at > to)
    await connection.execute(update(pages).where(later).values(next_step_at=to))
