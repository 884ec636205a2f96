"""A possible match waits for a human: the question is kept sealed until it is answered, taken back, or out of time."""

from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Mode
from schemas.kinds import BY_TYPE
from schemas.moments import Outcome, ReviewAsked
from schemas.wire import Sealer
from store import audit, following
from store.database import lock_all
from store.known import look_up
from store.moments import reviews
from store.opening import correct, corrects, decided, end_here, events


async def ask_review(connection: AsyncConnection, sealer: Sealer, asked: ReviewAsked, *, at: datetime) -> Outcome:
    """Put the question before the team of the best candidate who is watched today, until the moment's window is over.

    A replay ends as before, what was cancelled before it came is cancelled, and with no candidate left on the list the
    event is not watched.
    """
    fact, decision = asked.fact, asked.decision
    if fact.mode is Mode.TEST:
        return Outcome.TEST
    corrected = corrects(sealer, fact)
    await lock_all(connection, *events(fact, corrected))
    child = decision.child or ""
    best = [child, *(candidate.child for candidate in decision.candidates)]
    known = await look_up(connection, fact, child, best, at=at)
    if known.outcome:
        return known.outcome
    if known.taken_back:
        return await end_here(connection, fact, decision, Outcome.CANCELLED, at=at)
    withdrawn = following.lines(await correct(connection, fact, corrected, child, at), fact.type, at)
    if known.watch is None:
        return await end_here(connection, fact, decision, Outcome.NOT_WATCHED, after=withdrawn, at=at)
    place = f"reviews/{fact.event_key}"
    await connection.execute(
        insert(reviews).values(
            **fact.model_dump(include={"event_key", "subject_key", "type", "feed"}),
            authority=known.watch.authority,
            team=known.watch.team,
            fact=sealer.seal(fact.model_dump_json().encode(), place=f"{place}/fact"),
            person=sealer.seal(asked.person.model_dump_json(exclude_defaults=True).encode(), place=f"{place}/person"),
            decision=decision.model_dump(mode="json"),
            lane=decision.lane,
            asked_at=at,
            expires_at=at + BY_TYPE[fact.type].window,
        )
    )
    await audit.record_all(connection, [*withdrawn, decided(fact, decision, Outcome.REVIEW, at)])
    return Outcome.REVIEW
