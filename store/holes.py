"""Times in which nobody is on call: found, judged, and said in a sentence."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from schemas.london import LONDON

Time = tuple[datetime, datetime]
"""From, and up to but not with."""


def gaps(covered: Iterable[Time], within: Time) -> Iterator[Time]:
    """The times within `within` that none of these cover, in order."""
    now, end = within
    for starts, ends in sorted(covered):
        if starts >= end:
            break
        if starts > now:
            yield now, starts
        now = max(now, ends)
    if now < end:
        yield now, end


def judge(before: Sequence[Time], after: Sequence[Time], within: Time) -> tuple[list[Time], list[Time]]:
    """The holes that a change makes, and those that it only leaves.

    It makes one where somebody was on call before, and where somebody is on call on both sides of it: a hole between two
    shifts is a slip of the pen. A rota that begins later, or ends earlier, than these days is not finished yet.
    """
    made: list[Time] = []
    left: list[Time] = []
    for hole in gaps(after, within):
        between = any(ends == hole[0] for _, ends in after) and any(starts == hole[1] for starts, _ in after)
        worse = any(starts < hole[1] and ends > hole[0] for starts, ends in before)
        (made if between or worse else left).append(hole)
    return made, left


def nobody(team: str, hole: Time, role: str = "") -> str:
    """As `Islington: no primary on call from … to …`, in the time on London's walls; without a role, nobody at all."""
    starts, ends = (f"{moment.astimezone(LONDON):%Y-%m-%d %H:%M %Z}" for moment in hole)
    return f"{team}: {f'no {role}' if role else 'nobody'} on call from {starts} to {ends}"
