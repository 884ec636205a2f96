"""Decisions beside the truth: every accuracy figure of the matching page, section 2, with its interval."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.population import Event, Kind
from benchmarks.shares import share
from schemas.moments import Decision, Lane

MANY: Final = 100
"""Events of a name group from which it counts for the gap (matching page, 2)."""


@dataclass(slots=True)
class Judged:
    """One event and what became of it. `seconds` of this thread's processor time."""

    event: Event
    decision: Decision
    seconds: float

    @property
    def right(self) -> bool:
        """Paged or to be reviewed, and about the child that it is about."""
        return self.event.child is not None and self.decision.child == self.event.child

    @property
    def paged(self) -> bool:
        return self.decision.lane is Lane.PAGE

    @property
    def probability(self) -> float:
        return self.decision.candidates[0].probability if self.decision.candidates else 0.0

    @property
    def best_is_right(self) -> bool:
        return bool(self.decision.candidates) and self.decision.candidates[0].child == self.event.child


def accuracy(seen: list[Judged]) -> Iterator[dict[str, Any]]:
    """Of natural events: precision, recall, the load of reviews."""
    paged, about = [one for one in seen if one.paged], [one for one in seen if one.event.child]
    reviewed = [one for one in seen if one.decision.lane is Lane.REVIEW]
    yield share("automatic precision", sum(one.right for one in paged), len(paged))
    yield from _recall(about)
    yield {"figure": "recall at precision .999", "value": round(recall_at(seen, 0.999), 5), "n": len(about)}
    yield {"figure": "reviews per 1,000 events", "value": round(1000 * len(reviewed) / len(seen), 2), "n": len(seen)}
    idle = sum(not one.event.child for one in reviewed)
    yield {"figure": "reviews not about a listed child, per 1,000 events", "value": round(1000 * idle / len(seen), 2)}


def by_door_and_group(seen: list[Judged]) -> Iterator[dict[str, Any]]:
    """Recall of each door and of each name group, and the gap between the best and the worst group that is large enough."""
    about = [one for one in seen if one.event.child]
    for door, own in _parted(about, lambda one: one.event.door):
        yield from _recall(own, door=door)
    rates = []
    for group, own in _parted(about, lambda one: one.event.group):
        yield from _recall(own, group=group)
        if len(own) >= MANY:
            rates.append(sum(one.right for one in own) / len(own))
    if rates:
        gap = round(max(rates) - min(rates), 4)
        yield {"figure": "gap between name groups", "value": gap, "groups": len(rates)}


def stress(seen: list[Judged]) -> Iterator[dict[str, Any]]:
    """Of events about somebody else who looks like the child: how many page, and how many a human must look at."""
    for kind in Kind:
        own = [one for one in seen if one.event.kind is kind]
        if kind is Kind.LISTED or not own:
            continue
        yield share("wrong page", sum(one.paged for one in own), len(own), kind=kind)
        yield share("review", sum(one.decision.lane is Lane.REVIEW for one in own), len(own), kind=kind)


def calibration(seen: list[Judged]) -> Iterator[dict[str, Any]]:
    """Expected calibration error over the events that had a candidate, in ten bins, weighted by their size."""
    bins: dict[int, list[Judged]] = defaultdict(list)
    for one in seen:
        if one.decision.candidates:
            bins[min(int(one.probability * 10), 9)].append(one)
    count, error = sum(map(len, bins.values())), 0.0
    for place, own in sorted(bins.items()):
        said, was = sum(one.probability for one in own) / len(own), sum(one.best_is_right for one in own) / len(own)
        error += abs(said - was) * len(own) / count
        yield {"figure": "calibration", "bin": place, "n": len(own), "said": round(said, 4), "value": round(was, 4)}
    yield {"figure": "calibration error", "value": round(error, 5), "n": count}


def recall_at(seen: list[Judged], precision: float) -> float:
    """The largest share of true events found above some probability at which so many of all found are right."""
    ranked = sorted((one for one in seen if one.decision.candidates), key=lambda one: -one.probability)
    about, right, best = sum(bool(one.event.child) for one in seen), 0, 0
    for place, one in enumerate(ranked, start=1):
        right += one.best_is_right
        if right >= precision * place:
            best = right
    return best / about if about else 0.0


def _recall(about: list[Judged], **labels: Any) -> Iterator[dict[str, Any]]:
    yield share("automatic recall", sum(one.right and one.paged for one in about), len(about), **labels)
    yield share("automatic and review recall", sum(one.right for one in about), len(about), **labels)


def _parted(seen: list[Judged], label: Callable[[Judged], str]) -> list[tuple[str, list[Judged]]]:
    parts: dict[str, list[Judged]] = defaultdict(list)
    for one in seen:
        parts[label(one)].append(one)
    return sorted(parts.items())
