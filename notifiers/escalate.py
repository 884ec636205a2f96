"""What happens next with an open page: a pure function, and how its answer is carried out.

In this order:
1. The step's time is over: the next step begins; the last step begins again, round after round, until somebody accepts.
2. Somebody has passed on: the next step begins now. In the last step nobody comes after: its time runs on.
3. Somebody's text failed, was not delivered, or has had no receipt in time: the next channel of the same person, now.
4. Nobody of the step can be reached any more: the next step begins now; the last one again, soon but not at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.logs import logger
from schemas.pages import AttemptState, Channel, Purpose, Step
from store import escalating, sending
from store.escalating import SPENT, OpenPage, Tried
from store.pages import begin_step

RECEIPT_WITHIN = timedelta(seconds=60)
"""A text that was sent and of which nothing more is heard for so long has failed, as far as moving on goes (paging page, 2.7)."""

BREATH = timedelta(seconds=15)
"""Between two rounds of a last step in which everything failed: a provider that is down must not make a loop without a pause."""


class Because(StrEnum):
    """Why something happens, or nothing."""

    HAS_TIME = "has-time"
    WAIT_IS_OVER = "wait-is-over"
    PASSED_ON = "passed-on"
    NEXT_CHANNEL = "next-channel"
    NOBODY_REACHED = "nobody-reached"
    LAST_STEP_REPEATS = "last-step-repeats"


@dataclass(frozen=True, slots=True)
class Next:
    """What to do: begin `step` in `round`, or try `channels` (person, channel), or bring the next step forward to `to`."""

    because: Because
    step: int | None = None
    round: int = 1
    channels: tuple[tuple[str, Channel], ...] = ()
    to: datetime | None = None


def decide(page: OpenPage, tried: Sequence[Tried], now: datetime) -> Next:
    """`tried` are the attempts of the page's current step and round, in order of time."""
    if now >= page.next_step_at:
        return _advance(page, Because.WAIT_IS_OVER)
    last = page.step == page.plan[-1].step
    if not last and any(one.passed_at for one in tried):
        return _advance(page, Because.PASSED_ON)
    people = {one.person: [two for two in tried if two.person == one.person] for one in tried if not one.passed_at}
    if not people or any(_has_hope(theirs[-1], now) for theirs in people.values()):
        return _next_channels(page, people, now)
    more = _next_channels(page, people, now)
    if more.channels:
        return more
    if not last:
        return _advance(page, Because.NOBODY_REACHED)
    return Next(Because.LAST_STEP_REPEATS, to=max(min(one.due_at for one in tried) + BREATH, now))


def _advance(page: OpenPage, because: Because) -> Next:
    steps = [step.step for step in page.plan]
    later = [step for step in steps if step > page.step]
    if later:
        return Next(because, step=min(later), round=page.round)  # a page that was opened again is in a later one
    return Next(because, step=steps[-1], round=page.round + 1)


def _next_channels(page: OpenPage, people: dict[str, list[Tried]], now: datetime) -> Next:
    step = _current(page)
    channels = []
    for person, theirs in people.items():
        used = {one.channel for one in theirs}
        left = [channel for channel in step.channels if channel not in used]
        if left and not _has_hope(theirs[-1], now):
            channels.append((person, left[0]))
    return Next(Because.NEXT_CHANNEL if channels else Because.HAS_TIME, channels=tuple(channels))


def _has_hope(attempt: Tried, now: datetime) -> bool:
    """May this one still bring an answer? An unknown first try is being looked up, and tried again."""
    if attempt.state is AttemptState.SENT:
        return attempt.sent_at is None or now < attempt.sent_at + RECEIPT_WITHIN
    if attempt.state is AttemptState.UNKNOWN:
        return attempt.try_ == 1
    return attempt.state not in (*SPENT, AttemptState.DROPPED)


def _current(page: OpenPage) -> Step:
    return next(step for step in page.plan if step.step == page.step)


async def carry_out(
    connection: AsyncConnection, page: UUID, *, at: datetime, at_point: Callable[[str], None]
) -> Because | None:
    """Decide about one page and write it, in the caller's transaction. None if another process has it in hand."""
    held = await escalating.hold(connection, page)
    if held is None:
        return None
    stands, tried = held
    decided = decide(stands, tried, at)
    await escalating.mark_acted_on(connection, stands, silent_since=at - RECEIPT_WITHIN)
    for person, channel in decided.channels:
        await sending.add(
            connection,
            page=page,
            purpose=Purpose.PAGE,
            person=person,
            at=at,
            step=stands.step,
            round=stands.round,
            channel=channel,
        )
    if decided.to is not None and decided.to < stands.next_step_at:
        await escalating.bring_forward(connection, page, to=decided.to)
    if decided.step is None:
        return decided.because
    at_point("before_escalate")
    told = await begin_step(connection, page, step=decided.step, round=decided.round, at=at)
    logger().info("page-stepped", page=str(page), reason=decided.because.value, step=decided.step, count=told)
    return decided.because
