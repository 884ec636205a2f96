"""Everything that is known of one page, in order of time, for a review of the case: nothing that happened is left out, and of
the child there is nothing but the id under which the team keeps them.

Not in it: what the agencies said of where and why, the child's name and dates (they are in the agencies' records and the
team's, and sealed here), the free words of a reply (sealed; how it was understood and answered is here), phone numbers, and
the other children whom the matcher compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.audit import audit
from store.moments import facts, moments
from store.pages import attempts, links, pages
from store.people import responders
from store.receipts import receipts, replies

FORMAT: Final = "nightlight-timeline/1"

CLOCKS: Final = (
    "occurred_at", "received_at", "matched_at", "opened_at", "sent_at", "delivered_at", "accepted_at", "contact_at",
    "reopened_at", "ended_at",
)  # fmt: skip
KEY: Final = "key"
"""How a key that was pressed in a call is kept: a receipt whose status begins so, and the digit as its code."""

_NOT_OURS: Final = frozenset({"candidates"})
"""In the audit chain's detail: the other children who were compared."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened. `who`: a person's id and name, a feed, a provider, or a part of Nightlight."""

    at: datetime
    what: str
    who: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Timeline:
    """One page: what it is, its clock readings, the plan it was opened with, and every line."""

    page: UUID
    moment: UUID
    reference: str
    child: str
    team: str
    authority: str
    type: str
    state: str
    plan: list[dict[str, Any]]
    clocks: dict[str, datetime | None]
    lines: tuple[Line, ...]

    def as_json(self) -> dict[str, Any]:
        """Ready for JSON; times in UTC."""
        return {"format": FORMAT, **_plain(asdict(self))}


async def find(connection: AsyncConnection, reference: str) -> list[tuple[UUID, datetime]]:
    """The pages that have had this reference, the newest first, and when each opened. It is given again once a page has ended."""
    named = select(pages.c.page, pages.c.opened_at).where(pages.c.reference == reference.upper())
    return [(page, at) for page, at in await connection.execute(named.order_by(pages.c.opened_at.desc()))]


async def of_page(connection: AsyncConnection, page: UUID) -> Timeline:
    """All of it. Raises sqlalchemy's NoResultFound if there is no such page."""
    query = select(pages, moments.c.child).join(moments).where(pages.c.page == page)
    row = (await connection.execute(query)).one()
    told = (await connection.execute(select(facts).where(facts.c.moment == row.moment))).all()
    tried = (await connection.execute(select(attempts).where(attempts.c.page == page))).all()
    people = (await connection.execute(select(responders.c.person, responders.c.name))).all()
    named = {row.person: row.name for row in people}
    lines = [
        *_facts(told),
        *_attempts(tried, named),
        *await _receipts(connection, tried, named),
        *await _replies(connection, page, named),
        *await _other_replies(connection, row, tried, named),
        *await _links(connection, page, named),
        *await _chain(connection, page, row.moment, [fact.event_key for fact in told], named),
    ]
    return Timeline(
        page=page,
        moment=row.moment,
        child=row.child,
        plan=row.plan,
        **{name: getattr(row, name) for name in ("reference", "team", "authority", "type", "state")},
        clocks={name: getattr(row, name) for name in CLOCKS},
        lines=tuple(sorted(lines, key=lambda line: (line.at, line.what))),
    )


def _facts(told: Sequence[Any]) -> Iterator[Line]:
    for fact in told:
        said = {"type": fact.type, "outcome": fact.outcome}
        yield Line(fact.occurred_at, "happened", fact.feed, said)
        yield Line(fact.received_at, "told", fact.feed, said)
        yield Line(fact.joined_at, "recognised", "nightlight", {**said, "why": fact.decision.get("why", [])})
        if fact.withdrawn_at:
            yield Line(fact.withdrawn_at, "taken-back", fact.feed, said)


def _attempts(tried: Sequence[Any], named: dict[str, str]) -> Iterator[Line]:
    for one in tried:
        whom = _who(one.person, named)
        same = {"purpose": one.purpose, "channel": one.channel, "step": one.step, "round": one.round}
        same |= {"try": getattr(one, "try"), "attempt": str(one.attempt)}
        carried = {"provider": one.provider, "provider_id": one.provider_id}
        yield Line(one.due_at, "to-be-told", whom, same)
        if one.sent_at:
            yield Line(one.sent_at, "sent", whom, {**same, **carried})
        if one.delivered_at:
            yield Line(one.delivered_at, "delivered", whom, {**same, **carried})
        if one.settled_at:
            yield Line(
                one.settled_at, one.state, whom, {**same, **carried, "code": one.provider_code, "reason": one.reason}
            )
        if one.passed_at:
            yield Line(one.passed_at, "passed-on", whom, same)


async def _receipts(connection: AsyncConnection, tried: Sequence[Any], named: dict[str, str]) -> list[Line]:
    ours = {one.attempt: one.person for one in tried}
    theirs = {one.provider_id for one in tried if one.provider_id}
    mine = or_(receipts.c.attempt.in_(ours), receipts.c.provider_id.in_(theirs))
    lines = []
    for row in await connection.execute(select(receipts).where(mine)):
        pressed = row.status.startswith(KEY)
        what, who = ("key-pressed", _who(ours.get(row.attempt), named)) if pressed else ("receipt", row.provider)
        said = {"status": row.status, "code": row.code, "attempt": str(row.attempt) if row.attempt else None}
        lines.append(Line(row.received_at, what, who, {"provider_id": row.provider_id, **said}))
    return lines


async def _replies(connection: AsyncConnection, page: UUID, named: dict[str, str]) -> list[Line]:
    rows = await connection.execute(select(replies).where(replies.c.page == page))
    return [
        Line(
            row.received_at,
            "answered",
            _who(row.person, named),
            {"understood_as": row.understood_as, "provider_id": row.provider_id, "said_back": row.answer},
        )
        for row in rows
    ]


async def _other_replies(
    connection: AsyncConnection, page: Any, tried: Sequence[Any], named: dict[str, str]
) -> list[Line]:
    """What those who were told of the page said from then until it ended that was taken to be about no page: not
    understood, a question, a STOP. What was said back is not here: it may name another child's page."""
    told: dict[str, datetime] = {}
    for one in tried:
        told[one.person] = min(one.due_at, told.get(one.person, one.due_at))
    mine = replies.c.page.is_(None) & replies.c.person.in_(told) & (replies.c.received_at >= page.opened_at)
    if page.ended_at:
        mine &= replies.c.received_at <= page.ended_at
    return [
        Line(
            row.received_at,
            "said-of-no-page",
            _who(row.person, named),
            {"understood_as": row.understood_as, "provider_id": row.provider_id},
        )
        for row in await connection.execute(select(replies).where(mine))
        if row.received_at >= told[row.person]
    ]


async def _links(connection: AsyncConnection, page: UUID, named: dict[str, str]) -> list[Line]:
    lines = []
    for row in await connection.execute(select(links).where(links.c.page == page)):
        for at, what in ((row.made_at, "link-made"), (row.opened_at, "link-opened"), (row.used_at, "link-used")):
            if at:
                lines.append(Line(at, what, _who(row.person, named)))
    return lines


async def _chain(
    connection: AsyncConnection, page: UUID, moment: UUID, event_keys: Sequence[str], named: dict[str, str]
) -> list[Line]:
    """The audit chain's entries about the page, its moment and its events, each with its number and hash: proof of the rest."""
    about = [f"page/{page}", f"moment/{moment}", *(f"event/{key}" for key in event_keys)]
    rows = await connection.execute(select(audit).where(audit.c.about.in_(about)).order_by(audit.c.entry))
    return [
        Line(
            row.at,
            f"written: {row.what}",
            _who(row.who, named),
            {
                **{name: value for name, value in row.detail.items() if name not in _NOT_OURS},
                "entry": row.entry,
                "hash": bytes(row.hash).hex(),
            },
        )
        for row in rows
    ]


def _who(person: str | None, named: dict[str, str]) -> str:
    if person is None:
        return "a phone that is not on the list"
    return f"{person} ({named[person]})" if person in named else person


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case datetime():
            return value.astimezone(UTC).isoformat()
        case UUID():
            return str(value)
    return value
