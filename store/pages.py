"""Pages, the attempts to reach somebody, and the links in their texts; and how a step begins."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    bindparam,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import PAGELESS, REFERENCE_LETTERS, AttemptState, Channel, PageState, Purpose, Step
from store import audit
from store.columns import Facts, Instant, one_of
from store.database import TABLES
from store.ids import attempt_id, references
from store.people import Responder, last_resort, on_call

pages = Table(
    "pages",
    TABLES,
    Column("page", Uuid, primary_key=True),
    Column("moment", Uuid, ForeignKey("moments.moment"), nullable=False, index=True),
    Column("reference", Text, nullable=False),
    Column("possible", Boolean, nullable=False, server_default=text("false")),  # nobody has yet decided who it is
    Column("team", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column(
        "type", Text, nullable=False
    ),  # of the gravest fact that was paged: the place in the text, and every clock's label
    Column("state", Text, nullable=False),
    Column("plan", Facts, nullable=False),
    Column("step", Integer, nullable=False),  # which of the plan, from 1
    Column("round", Integer, nullable=False),  # how often the last step has begun, from 1
    Column("next_step_at", Instant),
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("matched_at", Instant, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("delivered_at", Instant),
    Column("accepted_at", Instant),
    Column("contact_at", Instant),
    Column("ended_at", Instant),
    Column("accepted_by", Text, ForeignKey("responders.person")),
    Column("accepted_via", Text),
    Column(
        "contact_due_at", Instant
    ),  # while accepted: when it is asked whether there is contact, or the team asked again
    Column(
        "asked", Integer, nullable=False, server_default=text("0")
    ),  # how often that was asked: by text, then by voice
    Column("reopened_at", Instant),
    UniqueConstraint("moment", "team"),
    CheckConstraint(f"reference ~ '^[{REFERENCE_LETTERS}]{{4}}$'", name="reference_has_no_look_alikes"),
    CheckConstraint(one_of("state", PageState), name="state_known"),
    CheckConstraint("(state = 'open') = (next_step_at IS NOT NULL)", name="open_always_has_a_next_step"),
    CheckConstraint(
        "state <> 'accepted' OR (accepted_at IS NOT NULL AND accepted_by IS NOT NULL)", name="accepted_by_somebody"
    ),
    CheckConstraint("state <> 'contact' OR contact_at IS NOT NULL", name="contact_has_a_time"),
    CheckConstraint("(state IN ('closed', 'withdrawn', 'expired')) = (ended_at IS NOT NULL)", name="ended_has_a_time"),
    CheckConstraint("(accepted_at IS NULL) = (accepted_by IS NULL)", name="acceptance_is_whole"),
    CheckConstraint("state <> 'accepted' OR contact_due_at IS NOT NULL", name="accepted_is_asked_about"),
    CheckConstraint("step >= 1 AND round >= 1", name="step_counts_from_one"),
    Index("ux_pages_live_reference", "reference", unique=True, postgresql_where=text("ended_at IS NULL")),
    Index("ix_pages_due", "next_step_at", postgresql_where=text("state = 'open'")),
    Index("ix_pages_contact_due", "contact_due_at", postgresql_where=text("state = 'accepted'")),
)

attempts = Table(
    "attempts",
    TABLES,
    Column("attempt", Uuid, primary_key=True),
    Column("page", Uuid, ForeignKey("pages.page"), index=True),  # none where it is about a phone or the rota
    Column("team", Text),  # only there: whose manager is told
    Column("purpose", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("person", Text, ForeignKey("responders.person"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("try", Integer, nullable=False),  # 1, and 2 for the repeat after an unknown outcome
    Column("state", Text, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("deadline_at", Instant),  # while sending: after this the outcome is unknown
    Column("provider", Text),
    Column("provider_id", Text),
    Column("provider_code", Text),
    Column("reason", Text),
    Column("sent_at", Instant),
    Column("settled_at", Instant),
    Column("delivered_at", Instant),
    Column("passed_at", Instant),
    Column("note", Text),  # what its text says besides: times of a shift, or the code for a phone
    Column(
        "acted_on", Boolean, nullable=False, server_default=text("false")
    ),  # that it reached nobody has been decided about
    UniqueConstraint("page", "purpose", "step", "round", "person", "channel", "try"),
    CheckConstraint(one_of("state", AttemptState), name="state_known"),
    CheckConstraint(one_of("purpose", Purpose), name="purpose_known"),
    CheckConstraint(
        f"(page IS NULL) = (purpose IN ({', '.join(repr(str(why)) for why in sorted(PAGELESS))}))"
        " AND (page IS NULL) = (team IS NOT NULL)",
        name="has_a_page_or_a_team",
    ),
    CheckConstraint(one_of("channel", Channel), name="channel_known"),
    CheckConstraint("state <> 'sending' OR deadline_at IS NOT NULL", name="sending_has_a_deadline"),
    CheckConstraint(
        "state NOT IN ('sent', 'delivered') OR (sent_at IS NOT NULL AND provider_id IS NOT NULL)",
        name="sent_has_a_receipt",
    ),
    CheckConstraint("state <> 'delivered' OR delivered_at IS NOT NULL", name="delivered_has_a_time"),
    CheckConstraint(
        "state NOT IN ('failed', 'undelivered', 'unknown', 'dropped') OR settled_at IS NOT NULL",
        name="settled_has_a_time",
    ),
    Index("ix_attempts_due", "due_at", postgresql_where=text("state = 'pending'")),
    Index("ix_attempts_settled_at", "settled_at"),
    Index("ix_attempts_sent_at", "sent_at"),
    Index("ix_attempts_deadline", "deadline_at", postgresql_where=text("state = 'sending'")),
    Index("ix_attempts_provider_id", "provider", "provider_id"),
    Index("ix_attempts_sent", "sent_at", postgresql_where=text("state = 'sent'")),
    Index("ix_attempts_unknown", "settled_at", postgresql_where=text("state = 'unknown'")),
    Index("ix_attempts_person", "person", "sent_at"),
)

links = Table(
    "links",
    TABLES,
    Column(
        "digest", LargeBinary, primary_key=True
    ),  # SHA-256 of 128 random bits: the link itself is nowhere but in the text
    Column("page", Uuid, ForeignKey("pages.page"), nullable=False, index=True),
    Column("person", Text, ForeignKey("responders.person"), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("opened_at", Instant),
    Column("used_at", Instant),
)

WHO: Final = "pager"

LOOK_AGAIN = timedelta(seconds=15)
"""When the last step finds nobody: somebody may be put on the rota at any moment."""


# Built once: a statement that is the same object every time is compiled once.
_OPEN = (
    insert(pages)
    .on_conflict_do_nothing(index_elements=[pages.c.reference], index_where=pages.c.ended_at.is_(None))
    .returning(pages.c.page)
)
_TELL = insert(attempts).on_conflict_do_nothing()
_PAGE = select(pages).where(pages.c.page == bindparam("this")).with_for_update()
_STEP = update(pages).where(pages.c.page == bindparam("this"))


async def open_page(
    connection: AsyncConnection,
    page: UUID,
    values: Mapping[str, Any],
    *,
    plan: Sequence[Step],
    people: Iterable[Responder],
    at: datetime,
) -> list[audit.Line]:
    """Write a page whose first step has begun: the plan is frozen on it, and who is on call for that step is told.

    `values` are its moment, team, authority, type and clocks. Returns what is to be written down besides its opening.
    """
    people = list(people)
    on_call_now = _reach(plan[0], people)
    row = {
        **values,
        "page": page,
        "state": PageState.OPEN,
        "plan": [step.model_dump(mode="json") for step in plan],
        "step": 1,
        "round": 1,
        "opened_at": at,
        "next_step_at": at + _wait(plan, 1, on_call_now),
    }
    await _open(connection, row)
    reached = on_call_now or await _last_resort(connection, page, plan, 1, row["team"], at)
    await _tell(connection, page, 1, 1, reached, at)
    detail = {"step": 1, "round": 1, "role": plan[0].role, "team": row["team"]}
    return [] if on_call_now else [_nobody(page, detail, people, at)]


async def begin_step(connection: AsyncConnection, page: UUID, *, step: int, round: int, at: datetime) -> int:  # noqa: A002 - the column's name
    """Tell whoever is on call now for this step of the page's plan: one attempt each, by the first channel that reaches them.

    Sets when the next step is due: after the step's wait; at once if nobody is on call (15 s later for the last step,
    which repeats, and which then tells `last_resort` once in each of its waits). Returns how many attempts are now
    pending for it; 0 also if the page is no longer open. Writes its own lines into the audit chain. The same step and
    round again writes no second attempt.
    """
    told, lines = await begin(connection, page, step=step, round=round, at=at)
    await audit.record_all(connection, lines)
    return told


async def begin(
    connection: AsyncConnection,
    page: UUID,
    *,
    step: int,
    round: int,  # noqa: A002 - the column's name
    at: datetime,
) -> tuple[int, list[audit.Line]]:
    """As `begin_step`, and what there is to write down is the caller's to write: the chain is locked last."""
    row = (await connection.execute(_PAGE, {"this": page})).first()
    if row is None or row.state != PageState.OPEN:
        return 0, []
    plan = [Step.model_validate(each) for each in row.plan]
    told = plan[step - 1]
    people = await on_call(connection, row.team, told.role, at)
    on_call_now = _reach(told, people)
    reached = on_call_now or await _last_resort(connection, page, plan, step, row.team, at)
    await _tell(connection, page, step, round, reached, at)
    values = {"step": step, "round": round, "next_step_at": at + _wait(plan, step, on_call_now)}
    await connection.execute(_STEP, {"this": page, **values})
    detail = {"step": step, "round": round, "role": told.role, "team": row.team}
    lines = []
    if (step, round) != (1, 1):
        said = {**detail, "told": [person for person, _ in reached]}
        lines.append(audit.Line(audit.What.PAGE_STEPPED, WHO, f"page/{page}", at, said))
    if not on_call_now:
        lines.append(_nobody(page, detail, people, at))
    return len(reached), lines


async def drop_pending(connection: AsyncConnection, page: UUID, *, at: datetime) -> None:
    """What has not left the house stays in it: the page has ended."""
    waiting = (attempts.c.page == page) & (attempts.c.state == AttemptState.PENDING)
    values = {"state": AttemptState.DROPPED, "settled_at": at, "reason": "page-moved-on"}
    await connection.execute(update(attempts).where(waiting).values(**values))


async def _open(connection: AsyncConnection, row: Mapping[str, Any]) -> None:
    """With the first of the page's references that no live page has: a text must never name two children."""
    for reference in references(row["page"]):
        if (await connection.execute(_OPEN, {**row, "reference": reference})).first():
            return


async def _tell(
    connection: AsyncConnection,
    page: UUID,
    step: int,
    round: int,  # noqa: A002
    people: Sequence[tuple[str, Channel]],
    at: datetime,
) -> None:
    if people:
        await connection.execute(_TELL, _attempts(page, step, round, people, at))


def _reach(told: Step, people: Iterable[Responder]) -> list[tuple[str, Channel]]:
    return [(who.person, channel) for who in people if (channel := who.first_of(told.channels))]


async def _last_resort(
    connection: AsyncConnection, page: UUID, plan: Sequence[Step], step: int, team: str, at: datetime
) -> list[tuple[str, Channel]]:
    """Nobody is on call for this step. If it is the last, others of the team are told, but not again within its wait."""
    if step != len(plan):
        return []
    lately = at - timedelta(seconds=plan[-1].wait_seconds)
    mine = (attempts.c.page == page) & (attempts.c.purpose == Purpose.PAGE) & (attempts.c.step == step)
    if (await connection.execute(select(attempts.c.attempt).where(mine & (attempts.c.due_at > lately)))).first():
        return []
    return _reach(plan[-1], await last_resort(connection, team, at, plan[-1].channels))


def _wait(plan: Sequence[Step], step: int, reached: Sequence[tuple[str, Channel]]) -> timedelta:
    """From the beginning of this step to the next one's."""
    if reached:
        return timedelta(seconds=plan[step - 1].wait_seconds)
    return LOOK_AGAIN if step == len(plan) else timedelta(0)


def _nobody(page: UUID, detail: Mapping[str, Any], people: Iterable[Responder], at: datetime) -> audit.Line:
    said = {**detail, "unreachable": [who.person for who in people]}
    return audit.Line(audit.What.NOBODY_ON_CALL, WHO, f"page/{page}", at, said)


def _attempts(
    page: UUID,
    step: int,
    round: int,  # noqa: A002
    people: Iterable[tuple[str, Channel]],
    at: datetime,
) -> list[dict[str, Any]]:
    return [
        {
            "attempt": attempt_id(page, Purpose.PAGE, step, round, person, channel),
            "page": page,
            "purpose": Purpose.PAGE,
            "step": step,
            "round": round,
            "person": person,
            "channel": channel,
            "try": 1,
            "state": AttemptState.PENDING,
            "due_at": at,
        }
        for person, channel in people
    ]
