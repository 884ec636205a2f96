"""A fact about a watched child becomes part of their open moment, or opens one, with its page and first attempts (promise 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Mode
from schemas.kinds import BY_TYPE
from schemas.moments import Decision, Fact, MomentFound, Outcome
from schemas.pages import MomentState
from schemas.probe import PROBE
from schemas.wire import Sealer
from store import audit, corrections, expiry, following, matches, probing
from store.columns import Instant
from store.database import lock_all
from store.ids import moment_id, page_id
from store.known import Known, Watch, look_up
from store.moments import WHO, add_fact, corrects, hold, moments, open_moment, reasons, remember, settle_left
from store.pages import open_page, pages
from store.people import beginning

# Built once: a statement that is the same object every time is compiled once.
_stay = (
    update(moments)
    .where((moments.c.child == bindparam("of_child")) & (moments.c.state == MomentState.OPEN))
    .values(window_ends_at=func.greatest(moments.c.window_ends_at, bindparam("until", type_=Instant)))
    .returning(moments.c.moment, moments.c.left_at)
    .cte("stay")
)
# After the moment's row, which it takes from there: the order in which everybody locks the two.
_sure = update(pages).where((pages.c.moment == _stay.c.moment) & pages.c.possible).values(possible=False)
_STAY_OPEN = select(_stay).add_cte(_sure.cte("sure"))


async def open_or_join(connection: AsyncConnection, sealer: Sealer, found: MomentFound, *, at: datetime) -> Outcome:
    """In order, in the caller's one transaction:

    1. an event in mode `test` ends here, and nothing is written; the synthetic child's goes a way of its own;
    2. one that has ended before (a replay, the other lane) ends the same way again;
    3. one that was cancelled before it came is cancelled;
    4. what an identity change corrects is taken back, if that was another child;
    5. a child who is no longer on the list, or whose entry is not in force, is not watched;
    6. the child's open moment gains a fact, and its page does not change, but for a graver fact, which pages again; or a
       closed one does, that told of the same attendance, custody record or report; or else a moment opens, with its page,
       the team's plan frozen on it, and the attempts of its first step;
    7. all of it is written down, last, because the audit chain is one for all.
    """
    fact = found.fact
    if fact.mode is Mode.TEST:
        return Outcome.TEST
    if found.child == PROBE.child_id:
        return await probing.open_probe(connection, fact, at=at)
    corrected = corrects(sealer, fact)
    await lock_all(connection, *events(fact, corrected), ("child", found.child))
    known = await look_up(connection, fact, found.child, [found.child], at=at)
    if known.outcome:
        return known.outcome
    if known.taken_back:
        return await end_here(connection, fact, found.decision, Outcome.CANCELLED, at=at)
    withdrawn = following.lines(await correct(connection, fact, corrected, found.child, at), fact.type, at)
    if known.watch is None:
        return await end_here(connection, fact, found.decision, Outcome.NOT_WATCHED, after=withdrawn, at=at)
    until = found.until if found.until and found.until > at else None
    return await open_for(connection, sealer, found, known, withdrawn, terms=Terms(until=until), at=at)


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a moment opens; as they are: because the matcher has just found the child.

    `by`: who found out, where it was a person. `said`: what is written down of it, in place of the matcher's decision.
    `until`: when the window ends, which began when the event was heard of. `possible`: nobody has found out yet.
    `recorded`: how the event has ended already, and ends in every replay.
    """

    by: matches.By | None = None
    said: audit.Line | None = None
    until: datetime | None = None
    possible: bool = False
    recorded: Outcome | None = None


async def open_for(
    connection: AsyncConnection,
    sealer: Sealer,
    found: MomentFound,
    known: Known,
    withdrawn: Sequence[audit.Line],
    *,
    terms: Terms,
    at: datetime,
) -> Outcome:
    """The last two steps of `open_or_join`, which are the same whoever found out: PAGED or JOINED.

    The event, its subject and the child are held by the caller, and the child is watched (`known.watch`).
    """
    if known.watch is None:
        raise ValueError("nobody answers for this child")
    fact = found.fact
    over = await _end_if_over(connection, known, at)
    if moment := await _join(connection, sealer, found, known, terms, at):
        again = await corrections.page_again(connection, moment, fact.event_key, fact.type, at=at)
        joined = [_line(audit.What.FACT_JOINED, f"moment/{moment}", fact, at), *again]
        return await _end(connection, found, Outcome.JOINED, [*over, *withdrawn], joined, terms, at)
    if known.done and terms.by is None:
        # What a worker has been to and closed is not told again because its record goes on: a transfer, a late copy.
        outcome = terms.recorded or Outcome.JOINED
        await add_fact(
            connection, sealer, known.done, fact, found.decision, outcome, link=_link(found, terms, at), at=at
        )
        joined = [_line(audit.What.FACT_JOINED, f"moment/{known.done}", fact, at)]
        return await _end(connection, found, Outcome.JOINED, [*over, *withdrawn], joined, terms, at)
    opened = await _open(connection, sealer, found, known.watch, known.left_at, terms, at)
    return await _end(connection, found, Outcome.PAGED, [*over, *withdrawn], opened, terms, at)


def events(fact: Fact, corrected: str | None = None) -> list[tuple[str, str]]:
    """What to lock: first the events, in one order for all, then the subject; a child comes after these.

    So a cancellation never slips in between looking and writing.
    """
    return [
        *(("event", key) for key in sorted({fact.event_key, corrected or fact.event_key})),
        ("subject", fact.subject_key),
    ]


async def end_here(
    connection: AsyncConnection,
    fact: Fact,
    decision: Decision,
    outcome: Outcome,
    *,
    after: Sequence[audit.Line] = (),
    at: datetime,
) -> Outcome:
    """The event ends without a page or a review; the decision not to tell is written down too (domain page, L8)."""
    await remember(connection, fact.event_key, outcome, at=at)
    await audit.record_all(connection, [*after, decided(fact, decision, outcome, at)])
    return outcome


def decided(fact: Fact, decision: Decision, outcome: Outcome, at: datetime) -> audit.Line:
    """The line of the audit chain that says how an event ended, and why."""
    about, detail = f"event/{fact.event_key}", reasons(fact, decision, outcome)
    return audit.Line(audit.What.EVENT_DECIDED, WHO, about, at, detail)


async def correct(
    connection: AsyncConnection, fact: Fact, corrected: str | None, child: str, at: datetime
) -> list[UUID]:
    """Take back what was told of another child, by the event or by an earlier change of its identity. If it has not come yet, it is
    stopped when it does.
    """
    if corrected is None:
        return []
    there, withdrawn = await following.take_back(connection, corrected, at=at, unless=child, by=fact.event_key)
    if not there:
        await hold(connection, fact, corrected, Outcome.NOTED, at=at)
    return withdrawn


async def _end_if_over(connection: AsyncConnection, known: Known, at: datetime) -> list[audit.Line]:
    if known.watch is None or known.window_ends_at is None or known.window_ends_at > at:
        return []
    return expiry.lines(await expiry.end_if_over(connection, known.watch.child, at), at)


async def _join(
    connection: AsyncConnection, sealer: Sealer, found: MomentFound, known: Known, terms: Terms, at: datetime
) -> UUID | None:
    """Add the fact to the child's open moment, if there is one. The page stays as it is: same reference, same clocks; but it
    is no longer a possible one.
    """
    if known.moment is None:
        return None
    # Known to be open a moment ago; this locks it if it still is. No other opens meanwhile: the child is held.
    until = terms.until or at + BY_TYPE[found.fact.type].window
    open_ = (await connection.execute(_STAY_OPEN, {"of_child": found.child, "until": until})).first()
    if open_ is None:
        return None
    moment: UUID = open_.moment
    outcome, link = terms.recorded or Outcome.JOINED, _link(found, terms, at)
    await add_fact(connection, sealer, moment, found.fact, found.decision, outcome, link=link, at=at)
    if open_.left_at:  # else they were still at one of the places, and one place more does not change that
        await settle_left(connection, moment)
    return moment


async def _open(
    connection: AsyncConnection,
    sealer: Sealer,
    found: MomentFound,
    watch: Watch,
    left_at: datetime | None,
    terms: Terms,
    at: datetime,
) -> list[audit.Line]:
    """A new moment with its page; returns what there is to write down of it."""
    fact = found.fact
    moment = moment_id(watch.child, fact.event_key)
    if terms.recorded:  # it may have been opened before for the same child, and withdrawn
        moment = await following.unused(connection, watch.child, fact.event_key)
    page = page_id(moment, watch.team)
    plan, people = await beginning(connection, watch.team, at)
    who = {"authority": watch.authority, "team": watch.team}
    await open_moment(
        connection,
        sealer,
        moment,
        fact,
        found.decision,
        child=watch.child,
        **who,
        left_at=left_at,
        link=_link(found, terms, at),
        until=terms.until,
        outcome=terms.recorded or Outcome.PAGED,
        at=at,
    )
    clocks = fact.model_dump(include={"type", "occurred_at", "received_at", "matched_at"})
    values = {"moment": moment, **who, **clocks, "possible": terms.possible}
    nobody = await open_page(connection, page, values, plan=plan, people=people, at=at)
    return [_line(audit.What.PAGE_OPENED, f"page/{page}", fact, at), *nobody]


async def _end(
    connection: AsyncConnection,
    found: MomentFound,
    outcome: Outcome,
    before: Sequence[audit.Line],
    after: Sequence[audit.Line],
    terms: Terms,
    at: datetime,
) -> Outcome:
    said = terms.said or decided(found.fact, found.decision, outcome, at)
    await audit.record_all(connection, [*before, said, *after])
    return outcome


def _link(found: MomentFound, terms: Terms, at: datetime) -> dict[str, Any]:
    return matches.row(
        found.fact.event_key,
        found.child,
        matches.Link.POSSIBLE if terms.possible else matches.Link.SAME,
        found.decision,
        by=terms.by,
        marks=found.marks,
        list_version=found.list_version,
        at=at,
    )


def _line(what: audit.What, about: str, fact: Fact, at: datetime) -> audit.Line:
    return audit.Line(what, WHO, about, at, {"event": fact.event_key})
