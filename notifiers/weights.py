"""Which provider of a channel has how much of it: pure functions over what is known of each.

1. At rest the first provider that is set up has all of it: replies to its texts find their way back.
2. A timeout, or a second error one after the other: it has nothing any more, and the one that failed longest ago has all.
3. Half an hour after its last fault it is given a tenth every five minutes, until it is at rest. A fault starts this anew.

A fault is the provider's own (`channel.PROVIDERS_OWN`): a number that does not exist says nothing of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from notifiers.channel import Reason

WHOLE = 100
STEP = 10
AT_ONCE_AFTER = 2
"""Errors one after the other; a timeout is enough alone."""
QUIET = timedelta(minutes=30)
STEP_EVERY = timedelta(minutes=5)
NEVER = datetime.min.replace(tzinfo=UTC)


DRIFTS_BACK = "drifts-back"
"""Why a weight has changed, kept with the change: a fault's own reason, or this."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One provider of a channel. `weight` of 100; `failures` one after the other; times and `reason` are of the last of each."""

    provider: str
    weight: int
    failures: int = 0
    faulted_at: datetime | None = None
    changed_at: datetime | None = None
    reason: str | None = None


def at_rest(providers: Sequence[str]) -> list[Standing]:
    """The first has all of it."""
    return [Standing(name, 0 if place else WHOLE) for place, name in enumerate(providers)]


def after_fault(standings: Sequence[Standing], provider: str, reason: Reason, now: datetime) -> list[Standing]:
    """`provider` has failed for this reason. With nobody beside it, it keeps all: to try it is better than nothing."""
    others = [one for one in standings if one.provider != provider]
    heir = min(others, key=lambda one: one.faulted_at or NEVER, default=None)
    after = []
    for one in standings:
        if one.provider == provider:
            faulty = replace(one, failures=one.failures + 1, faulted_at=now, reason=reason.value)
            gives_way = heir is not None and (reason is Reason.NO_ANSWER or faulty.failures >= AT_ONCE_AFTER)
            after.append(_weighing(faulty, 0, now) if gives_way else faulty)
            continue
        after.append(one)
    if heir is None or all(one.weight for one in after if one.provider == provider):
        return after
    return [
        one if one.provider == provider else _weighing(one, WHOLE * (one.provider == heir.provider), now)
        for one in after
    ]


def after_success(standings: Sequence[Standing], provider: str) -> list[Standing]:
    """Its errors no longer come one after the other."""
    return [replace(one, failures=0) if one.provider == provider else one for one in standings]


def drift(standings: Sequence[Standing], order: Sequence[str], now: datetime) -> list[Standing]:
    """One step nearer to how it is at rest, if it is time and who gains has been well for long enough."""
    rest = {one.provider: one.weight for one in at_rest(order)}
    last = max((one.changed_at or NEVER for one in standings), default=NEVER)
    gains = [one for one in standings if one.weight < rest.get(one.provider, 0)]
    gives = [one for one in standings if one.weight > rest.get(one.provider, 0)]
    ready = [one for one in gains if now - (one.faulted_at or NEVER) >= QUIET]
    if not ready or not gives or now - last < STEP_EVERY:
        return list(standings)
    gainer, giver = ready[0], gives[0]
    part = min(STEP, rest[gainer.provider] - gainer.weight, giver.weight - rest.get(giver.provider, 0))
    change = {gainer.provider: part, giver.provider: -part}
    return [
        _weighing(one, one.weight + change[one.provider], now) if one.provider in change else one for one in standings
    ]


def _weighing(one: Standing, weight: int, now: datetime) -> Standing:
    return one if one.weight == weight else replace(one, weight=weight, changed_at=now)
