"""What changes for people who have been told: graver news pages them again, and a place that the child has left is corrected."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.kinds import BY_TYPE
from schemas.pages import PageState, Purpose, Reopened
from store import answers, reopening
from store.audit import Line
from store.moments import facts, moments
from store.pages import attempts, pages

LIVE = (PageState.OPEN, PageState.ACCEPTED, PageState.CONTACT)


def graver(type_: str, told: Iterable[str]) -> bool:
    """Whether a fact of this type pages again where facts of the types `told` have been told. What is not graver than each
    of them changes nothing for whoever is on the way."""
    known = [BY_TYPE[each].gravity for each in told if each in BY_TYPE]
    return type_ in BY_TYPE and BY_TYPE[type_].gravity > max(known, default=0)


async def page_again(
    connection: AsyncConnection, moment: UUID, event_key: str, type_: str, *, at: datetime
) -> list[Line]:
    """A fact has joined this moment: if it is graver than the others, everybody concerned is paged again, with the same
    reference and the new kind of place. Returns what is to be written down. The moment's row must be locked by the caller.
    """
    others = (facts.c.moment == moment) & facts.c.withdrawn_at.is_(None) & (facts.c.event_key != event_key)
    told = await connection.scalars(select(facts.c.type).where(others))
    if not graver(type_, told):
        return []
    lines: list[Line] = []
    for page, state in await _live(connection, moment):
        await connection.execute(update(pages).where(pages.c.page == page).values(type=type_))
        if state is PageState.OPEN:
            lines += await reopening.repeat(connection, page, at=at)
            continue
        lines += await reopening.reopen(connection, page, Reopened.GRAVER, at=at) or []
    return lines


async def left_at(connection: AsyncConnection, moment: UUID) -> datetime | None:
    """When the child had left every place that the moment tells of; None while they are still at one."""
    at: datetime | None = await connection.scalar(select(moments.c.left_at).where(moments.c.moment == moment))
    return at


async def tell_left(connection: AsyncConnection, moment: UUID, *, at: datetime) -> int:
    """The child has left: whoever was told where they were is told that they are no longer there. Returns how many texts.

    The page stands: a child who has gone home can still be reached there. The moment's row must be locked by the caller.
    """
    told = 0
    for page, _ in await _live(connection, moment):
        before = (attempts.c.page == page) & (attempts.c.purpose == Purpose.LEFT)
        times = await connection.scalar(select(func.max(attempts.c.round)).where(before)) or 0
        told += await answers.tell_the_told(connection, page, Purpose.LEFT, at=at, round=times + 1)
    return told


async def _live(connection: AsyncConnection, moment: UUID) -> list[tuple[UUID, PageState]]:
    """Locked, in one order for all."""
    mine = (pages.c.moment == moment) & pages.c.state.in_(LIVE)
    rows = await connection.execute(
        select(pages.c.page, pages.c.state).where(mine).order_by(pages.c.page).with_for_update()
    )
    return [(page, PageState(state)) for page, state in rows]
