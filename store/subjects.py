"""Everything that is held about one child: read for them, and erased (UK GDPR, articles 15 and 17; domain page, L2, L12, L15)."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import MomentState, PageState
from schemas.sealing import SealBroken
from schemas.wire import Sealer
from store import audit, children, schema
from store.database import lock_all
from store.moments import facts, moments, reviews
from store.pages import attempts, pages

HELD: Final[Mapping[str, tuple[str, str]]] = {
    "receipts": ("attempt", "attempts"),
    "replies": ("page", "pages"),
    "links": ("page", "pages"),
    "reasons": ("page", "pages"),
    "probes": ("page", "pages"),
    "attempts": ("page", "pages"),
    "pages": ("moment", "moments"),
    "facts": ("moment", "moments"),
    "moments": ("moment", "moments"),
    "reviews": ("event_key", "events"),
    "outcomes": ("event_key", "events"),
    "matches": ("child", "child"),
    "exclusions": ("child", "child"),
    "scans": ("child", "child"),
    "children": ("child", "child"),
    "children_changes": ("child", "child"),
}
"""Table → (its column, which ids of `Found` it holds), in the order in which the rows may be erased."""

ELSEWHERE: Final = (
    "Kafka keeps sealed copies of what agencies said, of every child alike, for 72 hours; they go by themselves.",
    "What the hospital door knows of a visit is sealed and kept by visit, until the visit has been over for its time.",
    "The audit chain keeps the id, and no name, for as long as such logs must be kept (DPA 2018, section 62).",
)

SEALED: Final[Mapping[tuple[str, str], str]] = {
    ("children", "sealed"): "children/{child}",
    ("facts", "details"): "facts/{event_key}",
    ("reviews", "fact"): "reviews/{event_key}/fact",
    ("reviews", "person"): "reviews/{event_key}/person",
    ("replies", "body"): "replies/{provider}/{provider_id}",
}
"""(Table, column) → the place under which its value is sealed."""

REDACT: Final[Mapping[str, str]] = {
    "children": "written by the team: who decided, why, and how to approach",
    "facts": "said by an agency, which is asked before it is given out",
    "reviews": "the person may be somebody else: the event was only thought to be about this child",
    "replies": "words of a member of staff",
    "receipts": "about a member of staff's phone",
    "attempts": "which member of staff was told",
    "audit": "names members of staff, and other children of the same import",
}
"""What somebody looks at before it is given out, and why (article 15(4): the rights and freedoms of others)."""

KEPT_OPEN: Final = (
    "A page about this child is still open or accepted: record contact, close it, or let its window end; then erase."
)
KEPT_ASKED: Final = "A review that names this child is still open: decide it, or let it expire, and erase then."

_REVIEWED = text("""
    SELECT event_key, state, child, decision FROM reviews
    WHERE child = :child
        OR jsonb_path_exists(decision, '$.candidates[*] ? (@.child == $id)', jsonb_build_object('id', CAST(:child AS text)))
""")
_LOGGED = text("""
    SELECT * FROM audit
    WHERE about = ANY(:things)
        OR jsonb_path_exists(detail, '$.** ? (@ == $id)', jsonb_build_object('id', CAST(:child AS text)))
    ORDER BY entry
""")


class StillNeeded(Exception):
    """It cannot be erased now. The message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Found:
    """The ids under which something about the child is kept. `events` are those about this child alone."""

    child: Sequence[str]
    moments: Sequence[Any]
    pages: Sequence[Any]
    attempts: Sequence[Any]
    events: Sequence[str]


async def read(connection: AsyncConnection, sealer: Sealer, child: str) -> AsyncIterator[dict[str, Any]]:
    """Everything held, ready for JSON, by table: its rows opened, and why to look at it first."""
    found, asked = await _find(connection, child)
    for name, (column, ids) in reversed(list(HELD.items())):
        wanted = [row.event_key for row in asked] if name == "reviews" else getattr(found, ids)
        table = schema.TABLES.tables[name]
        rows = (await connection.execute(select(table).where(table.c[column].in_(wanted)))).mappings()
        if opened := [_open(sealer, name, row) for row in rows]:
            yield _section(name, opened)
    logged = (await connection.execute(_LOGGED, {"child": child, "things": _things(found)})).mappings()
    if entries := [_open(sealer, "audit", row) for row in logged]:
        yield _section("audit", entries)


async def erase(connection: AsyncConnection, child: str, *, at: datetime, who: str, why: str) -> dict[str, int]:
    """Off the list, and every row about them deleted, in the caller's transaction. Returns how many rows of each table.

    The audit chain keeps that it was done, with counts and nothing of what was erased (DPA 2018, section 62).
    Raises StillNeeded while somebody is being told about them, or on the way to them: erasing that would stop the help.
    Once contact is recorded there is nothing to stop.
    """
    await lock_all(connection, ("child", child))
    found, asked = await _find(connection, child)
    live = pages.c.page.in_(found.pages) & pages.c.state.in_((PageState.OPEN, PageState.ACCEPTED))
    if await connection.scalar(select(pages.c.page).where(live).limit(1)):
        raise StillNeeded(KEPT_OPEN)
    if any(row.state == "open" for row in asked):
        raise StillNeeded(KEPT_ASKED)
    listed = await children.remove(connection, child, at=at, who=who, why=why)
    erased = ({"children": 1} if listed else {}) | await _delete(connection, found)
    if erased:
        line = audit.Line(audit.What.CHILD_ERASED, who, f"child/{child}", at, {"why": why, "rows": erased})
        await audit.record_all(connection, [line])
    return erased


async def forget_ended(connection: AsyncConnection, *, before: datetime, limit: int = 100) -> int:
    """Erase moments that ended before this, with their pages and all that hangs on them; returns how many (domain page, L12)."""
    over = (moments.c.state != MomentState.OPEN) & (moments.c.ended_at < before)
    gone = (
        await connection.scalars(select(moments.c.moment).where(over).order_by(moments.c.ended_at).limit(limit))
    ).all()
    late = (reviews.c.state != "open") & (reviews.c.decided_at < before)
    old = (await connection.scalars(select(reviews.c.event_key).where(late).limit(limit))).all()
    await _delete(connection, await _below(connection, [], gone, old))
    return len(gone)


async def _find(connection: AsyncConnection, child: str) -> tuple[Found, Sequence[Any]]:
    """What is held, and the reviews in which the child was one of those thought of."""
    asked = (await connection.execute(_REVIEWED, {"child": child})).all()
    sole = [row.event_key for row in asked if row.child == child or _named(row) == {child}]
    mine = (await connection.scalars(select(moments.c.moment).where(moments.c.child == child))).all()
    return await _below(connection, [child], mine, sole), asked


async def _below(
    connection: AsyncConnection, child: Sequence[str], mine: Sequence[Any], events: Sequence[str]
) -> Found:
    """Everything that hangs on these moments and events."""
    told = (await connection.scalars(select(facts.c.event_key).where(facts.c.moment.in_(mine)))).all()
    paged = (await connection.scalars(select(pages.c.page).where(pages.c.moment.in_(mine)))).all()
    sent = (await connection.scalars(select(attempts.c.attempt).where(attempts.c.page.in_(paged)))).all()
    return Found(child, mine, paged, sent, [*told, *events])


async def _delete(connection: AsyncConnection, found: Found) -> dict[str, int]:
    erased = {}
    for name, (column, ids) in HELD.items():
        table = schema.TABLES.tables[name]
        if name == "children_changes":
            continue  # the newest tells the workers to forget; they are purged within the day, and hold an id
        count = (await connection.execute(delete(table).where(table.c[column].in_(getattr(found, ids))))).rowcount
        if count:
            erased[name] = count
    return erased


def _things(found: Found) -> list[str]:
    """As the audit chain names what it is about."""
    named = (("child", found.child), ("moment", found.moments), ("page", found.pages), ("event", found.events))
    return [f"{noun}/{each}" for noun, all_ in named for each in all_]


def _named(row: Any) -> set[str]:
    return {each["child"] for each in row.decision["candidates"]}


def _section(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"table": name, "rows": rows, "look_at_before_disclosure": REDACT.get(name)}


def _open(sealer: Sealer, name: str, row: Mapping[Any, Any]) -> dict[str, Any]:
    return {column: _plain(sealer, (name, column), value, row) for column, value in row.items()}


def _plain(sealer: Sealer, where: tuple[str, str], value: Any, row: Mapping[Any, Any]) -> Any:
    """A value as JSON takes it, opened if it was sealed."""
    if where in SEALED:
        try:
            return _words(sealer.open(bytes(value), place=SEALED[where].format(**row)))
        except SealBroken:
            return "sealed with a key that is not in the keyring any more"
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, dict | list | str | int | float | bool | None) else str(value)


def _words(opened: bytes) -> Any:
    try:
        return json.loads(opened)
    except ValueError:
        return opened.decode()
