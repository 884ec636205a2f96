"""What a call is about: read when a phone is picked up, and when a key is pressed."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import Channel, PageState, Purpose
from store.pages import attempts, pages


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt by voice. Without a page there are empty words, and no state."""

    attempt: UUID
    purpose: Purpose
    person: str
    page: UUID | None
    reference: str
    team: str
    type: str
    state: PageState | None
    accepted_by: str | None
    settled_at: datetime | None
    note: str = field(repr=False)
    possible: bool = False


async def find(connection: AsyncConnection, attempt: UUID, call: str) -> Call | None:
    """The attempt by voice with this id, if `call` is its call: the provider's id, where we know it. None otherwise."""
    its = func.coalesce(attempts.c.provider_id, call) == call
    this = (attempts.c.attempt == attempt) & (attempts.c.channel == Channel.VOICE) & its
    own = (attempts.c[name] for name in ("attempt", "purpose", "person", "page", "note", "settled_at"))
    theirs = (pages.c[name] for name in ("reference", "type", "state", "accepted_by", "possible"))
    team = func.coalesce(pages.c.team, attempts.c.team).label("team")
    query = select(*own, *theirs, team).outerjoin(pages, pages.c.page == attempts.c.page).where(this)
    row = (await connection.execute(query)).first()
    return _call(row) if row else None


def _call(row: Any) -> Call:
    return Call(
        attempt=row.attempt,
        purpose=Purpose(row.purpose),
        person=row.person,
        page=row.page,
        reference=row.reference or "",
        team=row.team or "",
        type=row.type or "",
        state=PageState(row.state) if row.state else None,
        accepted_by=row.accepted_by,
        settled_at=row.settled_at,
        note=row.note or "",
        possible=bool(row.possible),
    )
