"""The story in short sentences: a line when something happened, and the timeline of one moment. Pure: from what was seen to words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from embedded.demo.scenes import SCENES
from embedded.demo.seen import STAGES, Seen
from schemas.london import LONDON
from schemas.moments import Outcome
from schemas.pages import AttemptState, Purpose
from store.board import Tried

NOT_WATCHED = "not watched: nothing was kept"
"""What the screen says of an event about a child whom nobody has promised to watch."""

WHOSE = {
    "received": "the agency's own system",
    "matched": "recognising the child",
    "sent": "sending the text",
    "delivered": "the phone network",
    "accepted": "you",
    "contact": "the way to the child",
}
"""Whose time it was that passed before a stage was reached."""

WORDS = {
    Outcome.REVIEW: "may be a watched child: a person decides (the desk's reviews)",
    Outcome.TEST: "a test: pages nobody",
    Outcome.CANCELLED: "cancelled by the agency",
    Outcome.DEAD_LETTER: "could not be handled: see 'nightlight dead-letters list'",
    Outcome.NOTED: "noted",
    Outcome.NOT_WATCHED: NOT_WATCHED,
}

FAILED = (AttemptState.FAILED, AttemptState.UNDELIVERED, AttemptState.UNKNOWN)


@dataclass(frozen=True)
class Line:
    """One line of the story: when, and what, in a sentence without its full stop."""

    at: datetime
    says: str

    def __str__(self) -> str:
        return f"{clock(self.at)}  {self.says}"


def clock(at: datetime) -> str:
    """London's wall time, to the second."""
    return f"{at.astimezone(LONDON):%H:%M:%S}"


def fine_clock(at: datetime) -> str:
    """The same to the tenth, for readings that lie close together."""
    local = at.astimezone(LONDON)
    return f"{local:%H:%M:%S}.{local.microsecond // 100_000}"


def took(seconds: float) -> str:
    """A duration as one says it: 0.04 s, 12.3 s, 2 min 5 s."""
    if seconds < 0.1:
        return f"{max(seconds, 0):.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def spoken(number: str) -> str:
    """+447700900101 as people write it: 07700 900101."""
    return f"0{number[3:7]} {number[7:]}" if number.startswith("+44") else number


def tell(before: Seen | None, after: Seen) -> list[Line]:
    """What is new since the last look, in order of time."""
    return in_order([*_stages(before, after), *_attempts(before, after), *_steps(before, after)])


def in_order(lines: Iterable[Line]) -> list[Line]:
    """By time; of two at one instant the one that was given first."""
    return sorted(lines, key=lambda line: line.at)


def slowest(seen: Seen) -> str:
    """The sentence for an accepted moment: how long it took from when we had it, and whose time that was."""
    if not {"received", "accepted"} <= seen.at.keys():
        return ""
    readings = [(stage, seen.at[stage]) for stage in STAGES[1:6] if stage in seen.at]
    gaps = {later: (b - a).total_seconds() for (_, a), (later, b) in pairwise(readings)}
    whole = (seen.at["accepted"] - seen.at["received"]).total_seconds()
    return f"accepted in {took(whole)}; slowest part: {WHOSE[max(gaps, key=lambda stage: gaps[stage])]}"


def timeline(seen: Seen) -> list[str]:
    """One moment as a small table: each stage with its reading, since the one before, and since the start."""
    who = f"{seen.sent.child_id} {seen.reference}".strip() if seen.sent.watched else "a child who is not watched"
    lines = [f"{SCENES[seen.sent.kind].button}: {who}, told by {seen.sent.feed}"]
    first = last = seen.at["occurred"]
    for stage in STAGES:
        if stage not in seen.at:
            continue
        at = seen.at[stage]
        since, step = (at - first).total_seconds(), (at - last).total_seconds()
        lines.append(f"  {stage:<10}{fine_clock(at)}  {'+' + took(step):>9}  {took(since):>9}")
        last = at
    return [*lines, f"  {ending(seen)}"]


def ending(seen: Seen) -> str:
    """How it stands, in a few words."""
    if seen.outcome is None:
        return "being matched"
    if seen.outcome is Outcome.JOINED:
        return f"joined the open moment {seen.reference}: one page, one more fact"
    if seen.outcome is not Outcome.PAGED:
        return WORDS[seen.outcome]
    if seen.accepted_by:
        return f"{slowest(seen)} (by {seen.accepted_by})"
    return f"{seen.state}, step {seen.step}"


def _stages(before: Seen | None, after: Seen) -> Iterator[Line]:
    if before is None:
        yield Line(after.at["received"], f"{after.sent.feed}: {SCENES[after.sent.kind].tells}")
    if "matched" in after.at and (before is None or "matched" not in before.at):
        yield Line(after.at["matched"], _matched(after))
    if "accepted" in after.at and (before is None or "accepted" not in before.at):
        yield Line(after.at["accepted"], f"{after.reference} {slowest(after)} (by {after.accepted_by})")
    if "contact" in after.at and (before is None or "contact" not in before.at):
        yield Line(after.at["contact"], f"{after.reference} contact with the child is recorded")


def _matched(seen: Seen) -> str:
    if seen.outcome is Outcome.PAGED:
        return f"matched {seen.sent.child_id}: page {seen.reference} is open"
    if seen.outcome is Outcome.NOT_WATCHED and seen.sent.watched:
        return f"{seen.sent.child_id} was not recognised: {NOT_WATCHED}"
    return ending(seen)


def _attempts(before: Seen | None, after: Seen) -> Iterator[Line]:
    known = {_name(tried): tried for tried in before.tried} if before else {}
    for tried in after.tried:
        was = known.get(_name(tried))
        yield from _attempt(tried, was, after.reference)


def _attempt(tried: Tried, was: Tried | None, reference: str) -> Iterable[Line]:
    told = "text" if tried.purpose == Purpose.PAGE else f"text ({tried.purpose})"
    if tried.sent_at and (was is None or was.sent_at is None):
        yield Line(tried.sent_at, f"{reference} {told} to {tried.name}: the provider has taken it")
    if tried.delivered_at and (was is None or was.delivered_at is None):
        yield Line(tried.delivered_at, f"{reference} {told} is on {tried.name}'s phone")
    if tried.passed_at and (was is None or was.passed_at is None):
        yield Line(tried.passed_at, f"{reference} {tried.name} passes it on")
    if tried.state in FAILED and (was is None or was.state != tried.state):
        since = tried.sent_at or tried.due_at
        yield Line(
            since,
            f"{reference} {told} to {tried.name} {tried.state}: {tried.reason or 'no answer'}; the pager goes on at once",
        )


def _steps(before: Seen | None, after: Seen) -> Iterator[Line]:
    if before is None or before.step in (0, after.step) or not after.waiting:
        return
    began = min((tried.due_at for tried in after.tried if tried.step == after.step), default=None)
    if began:
        yield Line(began, f"{after.reference} nobody has accepted: step {after.step} begins")


def _name(tried: Tried) -> tuple[object, ...]:
    return (tried.page, tried.purpose, tried.step, tried.name, tried.channel, tried.due_at)
