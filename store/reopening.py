"""A page that goes back to the team: nobody has it any more, and the telling begins again with the same reference.

Locks in order: the page's row (the caller may hold it), its attempts, the audit chain, which the caller writes.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import AttemptState, Channel, PageState, Purpose, Reopened
from store import sending
from store.audit import Line, What
from store.pages import attempts, begin, pages

WHO: Final = "pager"

FROM: Final[dict[Reopened, tuple[PageState, ...]]] = {
    Reopened.NO_CONTACT: (PageState.ACCEPTED,),
    Reopened.HANDED_BACK: (PageState.ACCEPTED,),
    Reopened.GRAVER: (PageState.ACCEPTED, PageState.CONTACT),
}
"""A page with contact made opens again for graver news alone."""


async def reopen(
    connection: AsyncConnection, page: UUID, why: Reopened, *, who: str = WHO, at: datetime
) -> list[Line] | None:
    """Open it again at its first step, in a round of its own, and return what is to be written down. None if it has moved on.

    Whoever had accepted is told, if they have not just said so themselves: with graver news they are paged as well, for
    they may be beside the child; else a text says that the page is no longer theirs. The reference, and the clocks that
    have been read, stay: how fast somebody answered was how fast the first one did.
    """
    row = (await connection.execute(select(pages).where(pages.c.page == page).with_for_update())).first()
    if row is None or row.state not in FROM[why]:
        return None
    values = {
        "state": PageState.OPEN,
        "next_step_at": at,
        "reopened_at": at,
        "asked": 0,
        **dict.fromkeys(("accepted_at", "accepted_by", "accepted_via", "contact_at", "contact_due_at")),
    }
    await connection.execute(update(pages).where(pages.c.page == page).values(**values))
    round_ = row.round + 1
    if why is Reopened.GRAVER:
        await _page_as_well(connection, page, row.accepted_by, round_, row.plan[0]["channels"], at)
    if why is Reopened.NO_CONTACT:
        told: dict[str, Any] = {"page": page, "purpose": Purpose.RETURNED, "person": row.accepted_by}
        await sending.add(connection, **told, round=round_, at=at)
    _, lines = await begin(connection, page, step=1, round=round_, at=at)
    detail = {"why": why, "was": row.state, "accepted_by": row.accepted_by, "accepted_at": row.accepted_at.isoformat()}
    return [Line(What.PAGE_REOPENED, who, f"page/{page}", at, detail), *lines]


async def repeat(connection: AsyncConnection, page: UUID, *, at: datetime) -> list[Line]:
    """Tell the people of an open page's present step once more, now, and return what is to be written down.

    Nothing if none of them has been told yet: then their first text says it. The step is not begun anew from the first:
    who was to be told next is told no later than after this step's whole wait.
    """
    row = (await connection.execute(select(pages).where(pages.c.page == page).with_for_update())).first()
    if row is None or row.state != PageState.OPEN:
        return []
    here = (attempts.c.page == page) & (attempts.c.purpose == Purpose.PAGE)
    begun = await connection.scalars(select(attempts.c.state).where(here))
    if all(state == AttemptState.PENDING for state in begun):
        return []
    _, lines = await begin(connection, page, step=row.step, round=row.round + 1, at=at)
    return [Line(What.PAGE_REPEATED, WHO, f"page/{page}", at, {"why": Reopened.GRAVER}), *lines]


async def _page_as_well(
    connection: AsyncConnection, page: UUID, person: str, round_: int, channels: Sequence[str], at: datetime
) -> None:
    step: dict[str, Any] = {"purpose": Purpose.PAGE, "step": 1, "round": round_, "channel": Channel(channels[0])}
    await sending.add(connection, page=page, person=person, at=at, **step)
