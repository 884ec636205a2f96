"""Replies from phones: each once, however often the provider tells it, and always with the same answer."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.kinds import DRILL
from schemas.pages import AttemptState, PageState, Purpose
from schemas.wire import Sealer
from store.pages import attempts, pages
from store.receipts import replies

TRIED = tuple(state for state in AttemptState if state not in (AttemptState.PENDING, AttemptState.DROPPED))
"""Whoever was to be paged may answer, even one whose text we believe lost: it may have come through after all."""


async def begin(
    connection: AsyncConnection,
    sealer: Sealer,
    *,
    provider: str,
    provider_id: str,
    body: str,
    understood_as: str,
    person: str | None,
    at: datetime,
) -> bool:
    """Write a reply down, its words sealed. False if this message was told before: `answer_of` has what was said to it.

    A second telling at the same moment waits here until the first is done.
    """
    values = {
        "provider": provider,
        "provider_id": provider_id,
        "person": person,
        "body": sealer.seal(body.encode(), place=f"replies/{provider}/{provider_id}"),
        "understood_as": understood_as,
        "received_at": at,
    }
    begun = insert(replies).values(values).on_conflict_do_nothing().returning(replies.c.provider_id)
    return (await connection.execute(begun)).first() is not None


async def answer_of(connection: AsyncConnection, *, provider: str, provider_id: str) -> str | None:
    """What was said to this message; None for silence."""
    this = (replies.c.provider == provider) & (replies.c.provider_id == provider_id)
    answer: str | None = await connection.scalar(select(replies.c.answer).where(this))
    return answer


async def finish(
    connection: AsyncConnection, *, provider: str, provider_id: str, page: UUID | None, answer: str | None
) -> None:
    """Remember what was said to it, and about which page."""
    this = (replies.c.provider == provider) & (replies.c.provider_id == provider_id)
    await connection.execute(update(replies).where(this).values(page=page, answer=answer))


class Standing:
    """A page that somebody was told of, and how it stands for them. `asked`: they have it, and were asked about contact."""

    __slots__ = ("asked", "drill", "mine", "page", "reference", "state")

    def __init__(
        self, page: UUID, reference: str, state: str, accepted_by: str | None, asked: int, type_: str, person: str
    ) -> None:
        self.page = page
        self.reference = reference
        self.state = PageState(state)
        self.mine = accepted_by == person
        self.drill = type_ == DRILL
        self.asked = self.mine and self.state is PageState.ACCEPTED and asked > 0


async def standing(connection: AsyncConnection, person: str, *, since: datetime) -> list[Standing]:
    """Pages that `person` was told of and that still live, or ended after `since`; the newest first."""
    told = select(attempts.c.page).where(
        (attempts.c.person == person) & (attempts.c.purpose == Purpose.PAGE) & attempts.c.state.in_(TRIED)
    )
    recent = pages.c.page.in_(told) & (pages.c.ended_at.is_(None) | (pages.c.ended_at > since))
    query = (
        select(pages.c.page, pages.c.reference, pages.c.state, pages.c.accepted_by, pages.c.asked, pages.c.type)
        .where(recent)
        .order_by(pages.c.opened_at.desc(), pages.c.page)
    )
    return [Standing(*row, person) for row in await connection.execute(query)]
