"""`nightlight model try`: what another model would have made of the events of the last 72 hours, before it decides anything.

It reads the list and the retained window beside the workers, decides each event with both models, and changes nothing.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.base import utc_now
from schemas.envelope import Envelope
from schemas.events import AboutPerson, ChildAdmitted
from schemas.london import today
from schemas.moments import Decision
from schemas.sealing import SealBroken
from schemas.settings import Settings
from schemas.wire import Sealer, event_key
from store import children
from streams.incoming import Incoming, Unreadable
from streams.matching import Matcher
from streams.matching.model import Model
from streams.window import Window, open_window


async def differences(
    settings: Settings,
    engine: AsyncEngine,
    sealer: Sealer,
    old: Model,
    new: Model,
    *,
    window: Callable[[], AbstractAsyncContextManager[Window]] | None = None,
) -> AsyncIterator[dict[str, Any]]:
    """One dict for each event whose lane or child changes, named by its keyed hash, with the reasons of both; the counts last.

    No value of anybody is in it. Pairs that a person has said are two people are not left out: it is the models that are
    compared. Raises sqlalchemy's errors, or one of `streams.window.AWAY`, while the database or Kafka is away.
    """
    before, after = await _matchers(engine, sealer, old, new)
    counts, changes = Counter[str](), Counter[str]()
    async with (window or partial(open_window, settings))() as events:
        end = await events.end()
        async for batch in events.records(await events.back(end), end):
            for letter in batch:
                envelope = _read(letter, sealer)
                if envelope is None:
                    counts["unread"] += 1
                    continue
                if not isinstance(envelope.event, AboutPerson):
                    continue
                counts["events"] += 1
                then, now = _decide(before, envelope.event), _decide(after, envelope.event)
                if (then.lane, then.child) == (now.lane, now.child):
                    continue
                changes[f"{then.lane} to {now.lane}" if then.lane != now.lane else f"{now.lane}, another child"] += 1
                key = event_key(sealer, envelope.source, envelope.id)
                yield {"event": key, "type": envelope.type, "old": _told(then), "new": _told(now)}
    yield {
        "old": old.label,
        "new": new.label,
        "children": len(before),
        "events": counts["events"],
        "unread": counts["unread"],
        "changed": sum(changes.values()),
        "changes": dict(changes.most_common()),
    }


async def _matchers(engine: AsyncEngine, sealer: Sealer, old: Model, new: Model) -> tuple[Matcher, Matcher]:
    day = today(utc_now())
    async with engine.connect() as connection:
        read = children.snapshot(connection, sealer, broken=lambda _: None)
        listed = [child async for _, child in read if child.in_force(day)]
    before, after = Matcher(old, background=False), Matcher(new, background=False)
    before.load(listed)
    after.load(listed)
    return before, after


def _read(letter: Incoming, sealer: Sealer) -> Envelope | None:
    try:
        said = letter.read(sealer)
    except (SealBroken, Unreadable):
        return None
    return said if isinstance(said, Envelope) else None


def _decide(matcher: Matcher, event: AboutPerson) -> Decision:
    sensitive = isinstance(event, ChildAdmitted) and event.sensitive
    return matcher.decide(event.person, door=event.door, sensitive=sensitive)


def _told(decision: Decision) -> dict[str, Any]:
    return {"lane": decision.lane.value, "child": decision.child, "why": decision.why}
