"""A match is undone: it was another child. One more row in the book of matches, the page recalled, and the pair remembered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Text, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.kinds import BY_TYPE
from schemas.moments import Decision
from schemas.pages import Role
from schemas.wire import Sealer
from store import audit, children, following, matches, pairs
from store.database import lock_all
from store.matches import By, Link
from store.moments import facts, moments
from store.pages import pages
from store.people import on_call


class Undo(StrEnum):
    """What became of it."""

    RECALLED = "recalled"  # the page is withdrawn, and whoever was told of it is told so
    RECORDED = "recorded"  # the page had ended before: written down and remembered, nobody is texted any more
    ALREADY = "already"  # nothing is told of that child any more: it was undone, or cancelled
    UNKNOWN = "unknown"  # there is no such page, or it is another team's


@dataclass(frozen=True, slots=True)
class Undone:
    """`remembered`: how many marks of the person are now known not to be the child's (`store.pairs.exclude`)."""

    undo: Undo
    page: UUID | None = None
    reference: str = ""
    remembered: int = 0


async def undo(
    connection: AsyncConnection,
    sealer: Sealer,
    page: UUID,
    *,
    who: str,
    why: str,
    teams: Sequence[str] | None = None,
    at: datetime,
) -> Undone:
    """Everything that was told of this child in the page's moment was about somebody else: in order,

    1. each of the events is withdrawn from the moment, and with the last of them the moment and its page;
    2. whoever may have had a text, or has accepted, is sent a correction;
    3. a row "different" for each event and the child; what was there before stays;
    4. the person whom each was about is remembered as not being this child, so that nobody is paged for the pair again.
    """
    mine = pages.c.page == page
    if teams is not None:
        mine &= pages.c.team.in_(teams)
    joined = select(pages.c.reference, pages.c.moment, moments.c.child).join(moments)
    row = (await connection.execute(joined.where(mine))).first()
    if row is None:
        return Undone(Undo.UNKNOWN)
    of_kind = (facts.c.moment == row.moment) & facts.c.type.in_(BY_TYPE)
    live = select(facts.c.event_key).where(of_kind & facts.c.withdrawn_at.is_(None))
    told = sorted((await connection.scalars(live)).all())
    await lock_all(connection, *(("event", key) for key in told), ("child", row.child))
    await connection.execute(select(moments.c.moment).where(moments.c.moment == row.moment).with_for_update())
    gone = update(facts).where((facts.c.event_key.in_(told)) & of_kind & facts.c.withdrawn_at.is_(None))
    undone = await connection.execute(gone.values(withdrawn_at=at).returning(facts.c.event_key, facts.c.decision))
    events = {each.event_key: Decision.model_validate(each.decision) for each in undone}
    if not events:
        return Undone(Undo.ALREADY, page, row.reference)
    withdrawn = []
    if not await connection.scalar(select(func.count()).select_from(live.subquery())):
        withdrawn = await following.withdraw(connection, row.moment, at)
    remembered = await _remember(connection, sealer, row.child, events, By(who, why), at)
    detail = {"child": row.child, "events": sorted(events), "why": why, "remembered": remembered}
    line = audit.Line(audit.What.MATCH_UNDONE, who, f"page/{page}", at, detail)
    await audit.record_all(connection, [*following.lines(withdrawn, "match-undone", at), line])
    return Undone(Undo.RECALLED if withdrawn else Undo.RECORDED, page, row.reference, remembered)


async def may(connection: AsyncConnection, person: str, team: str, *, at: datetime) -> bool:
    """Whether somebody may undo a match at the desk: the manager who is on call for that team now."""
    return any(each.person == person for each in await on_call(connection, team, Role.MANAGER, at))


async def page_named(connection: AsyncConnection, name: str) -> UUID | None:
    """The page that an operator means: by its id, or by its reference; of several that bore it, the newest."""
    this = (pages.c.reference == name.upper()) | (pages.c.page.cast(Text) == name.lower())
    newest = select(pages.c.page).where(this).order_by(pages.c.ended_at.is_not(None), pages.c.opened_at.desc())
    found: UUID | None = await connection.scalar(newest.limit(1))
    return found


async def _remember(
    connection: AsyncConnection, sealer: Sealer, child: str, events: dict[str, Decision], by: By, at: datetime
) -> int:
    entry = await children.find(connection, sealer, child)
    rows, counts = [], []
    for event_key, decision in events.items():
        before = [link for link in await matches.of_event(connection, event_key) if link.child == child]
        marks, version = (before[-1].marks, before[-1].list_version) if before else ((), 0)
        rows.append(
            matches.row(event_key, child, Link.DIFFERENT, decision, at=at, by=by, marks=marks, list_version=version)
        )
        if entry is not None:
            counts.append(await pairs.exclude(connection, sealer, entry, marks, event_key=event_key, who=by.who, at=at))
    await matches.add(connection, rows)
    return min(counts, default=0)
