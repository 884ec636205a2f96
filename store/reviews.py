"""A possible match waits for a human: the question is kept sealed until it is answered, taken back, or out of time."""

from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Mode
from schemas.kinds import BY_TYPE
from schemas.moments import Outcome, ReviewAsked
from schemas.wire import Sealer
from store import following
from store.moments import known_outcome, reviews
from store.opening import correct, corrects, end_here, in_force, lock_events, was_taken_back, write_decided


async def ask_review(connection: AsyncConnection, sealer: Sealer, asked: ReviewAsked, *, at: datetime) -> Outcome:
    """Put the question before the team of the best candidate who is watched today, until the moment's window is over.

    A replay ends as before, what was cancelled before it came is cancelled, and with no candidate left on the list the
    event is not watched.
    """
    fact, decision = asked.fact, asked.decision
    if fact.mode is Mode.TEST:
        return Outcome.TEST
    corrected = corrects(sealer, fact)
    await lock_events(connection, fact, corrected)
    if known := await known_outcome(connection, fact.event_key):
        return known
    best = [*([decision.child] if decision.child else []), *(candidate.child for candidate in decision.candidates)]
    if await was_taken_back(connection, fact.event_key, decision.child or ""):
        return await end_here(connection, fact, decision, Outcome.CANCELLED, at=at)
    withdrawn = await correct(connection, fact, corrected, decision.child or "", at)
    watch = await in_force(connection, best, at)
    if watch is None:
        await following.write_down(connection, withdrawn, fact.type, at)
        return await end_here(connection, fact, decision, Outcome.NOT_WATCHED, at=at)
    place = f"reviews/{fact.event_key}"
    await connection.execute(
        insert(reviews).values(
            **fact.model_dump(include={"event_key", "subject_key", "type", "feed"}),
            authority=watch.authority,
            team=watch.team,
            fact=sealer.seal(fact.model_dump_json().encode(), place=f"{place}/fact"),
            person=sealer.seal(asked.person.model_dump_json(exclude_defaults=True).encode(), place=f"{place}/person"),
            decision=decision.model_dump(mode="json"),
            lane=decision.lane,
            asked_at=at,
            expires_at=at + BY_TYPE[fact.type].window,
        )
    )
    await following.write_down(connection, withdrawn, fact.type, at)
    await write_decided(connection, fact, decision, Outcome.REVIEW, at)
    return Outcome.REVIEW
