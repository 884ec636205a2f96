"""The matcher measured on made-up registers: accuracy with Wilson intervals, by door and name culture, calibration, speed, memory.

`python -m benchmarks.matching [borough region stale nation]`: one JSON line per figure.
"""

import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from benchmarks.population import Child, Event, Kind, Population, Rates, natural, register, stress
from schemas.moments import Decision, Lane
from streams.matching import Matcher


@dataclass(frozen=True, slots=True)
class Scene:
    """One register and its events. `events` natural ones; `stress` of each kind of stress."""

    name: str
    listed: int
    outcodes: int
    rates: Rates
    events: int
    stress: int
    seed: int = 20261121


SCENES = {
    "borough": Scene("borough", 1_200, 12, Rates(), 60_000, 600),
    "borough-hard": Scene("borough-hard", 1_200, 12, Rates(error=2.0, stale_postcode=0.3), 40_000, 300, seed=7),
    "region": Scene("region", 60_000, 250, Rates(), 60_000, 600),
    "stale": Scene("stale", 60_000, 250, Rates(stale_postcode=0.45), 60_000, 300),
    "nation": Scene("nation", 500_000, 2_500, Rates(), 40_000, 300),
}


@dataclass(slots=True)
class Seen:
    """One event and what became of it."""

    event: Event
    decision: Decision
    seconds: float

    @property
    def right(self) -> bool:
        return self.event.child is not None and self.decision.child == self.event.child

    @property
    def probability(self) -> float:
        return self.decision.candidates[0].probability if self.decision.candidates else 0.0

    @property
    def best_is_right(self) -> bool:
        return bool(self.decision.candidates) and self.decision.candidates[0].child == self.event.child


@dataclass(slots=True)
class Cast:
    """Listed children, their whole households, and more people of the same places."""

    listed: list[Child]
    families: dict[int, list[Child]] = field(default_factory=dict)


def cast(scene: Scene, people: Population) -> Cast:
    """One listed child a household; one in ten with a brother or sister on the list as well."""
    chosen, families = [], {}
    for number, household in enumerate(people.households()):
        families[household[0].household] = household
        chosen += household[: 2 if number % 10 == 0 else 1]
        if len(chosen) >= scene.listed:
            return Cast(chosen[: scene.listed], families)
    raise AssertionError("households never end")


def run(scene: Scene, matcher: Matcher) -> tuple[list[Seen], list[Seen], float]:
    """Natural events, stress events, and the seconds of loading."""
    people = Population(scene.seed, scene.rates, scene.outcodes)
    whole = cast(scene, people)
    rows = register(whole.listed, scene.rates, scene.seed + 1)
    started = time.perf_counter()
    matcher.load(rows)
    loaded = time.perf_counter() - started
    asked = natural(whole.listed, whole.families, people, scene.rates, scene.seed + 2, scene.events)
    pressed = stress(whole.listed, whole.families, people, scene.rates, scene.seed + 3, scene.stress)
    return [judge(matcher, event) for event in asked], [judge(matcher, event) for event in pressed], loaded


def judge(matcher: Matcher, event: Event) -> Seen:
    started = time.thread_time()
    decision = matcher.decide(event.person, door=event.door)
    return Seen(event, decision, time.thread_time() - started)


def figures(scenes: Iterable[str] = ("borough", "region")) -> Iterator[dict[str, Any]]:
    """One dict a figure: scene, figure, value, and for shares n and the Wilson interval (95%)."""
    for name in scenes:
        yield from figures_of(SCENES[name])


def figures_of(scene: Scene) -> Iterator[dict[str, Any]]:
    """Every figure of one scene. Seconds of an event are of this thread's processor time."""
    seen, pressed, loaded = run(scene, Matcher())
    for part in (
        _accuracy(seen),
        _groups(seen),
        _stress([*seen, *pressed]),
        _calibration(seen),
        _speed(seen, scene, loaded),
    ):
        for figure in part:
            yield {"scene": scene.name, **figure}


def share(figure: str, hits: int, count: int, **labels: Any) -> dict[str, Any]:
    low, high = wilson(hits, count)
    return {
        "figure": figure,
        **labels,
        "value": round(hits / count, 5) if count else None,
        "n": count,
        "low": low,
        "high": high,
    }


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95% interval of a share."""
    if not count:
        return 0.0, 1.0
    middle, spread = hits / count + z * z / (2 * count), z * sqrt(hits * (count - hits) / count + z * z / 4) / count
    return round(max(0.0, (middle - spread) / (1 + z * z / count)), 5), round(
        min(1.0, (middle + spread) / (1 + z * z / count)), 5
    )


def _accuracy(seen: list[Seen]) -> Iterator[dict[str, Any]]:
    paged = [one for one in seen if one.decision.lane is Lane.PAGE]
    about = [one for one in seen if one.event.child]
    reviewed = [one for one in seen if one.decision.lane is Lane.REVIEW]
    yield share("automatic precision", sum(one.right for one in paged), len(paged))
    yield share("automatic recall", sum(one.right for one in paged), len(about))
    yield share("automatic and review recall", sum(one.right for one in about), len(about))
    yield {"figure": "recall at precision .999", "value": round(recall_at(seen, 0.999), 5), "n": len(about)}
    yield {"figure": "reviews per 1,000 events", "value": round(1000 * len(reviewed) / len(seen), 2), "n": len(seen)}
    yield {
        "figure": "reviews not about a listed child, per 1,000 events",
        "value": round(1000 * sum(not one.event.child for one in reviewed) / len(seen), 2),
    }
    for door in sorted({one.event.door for one in about}):
        own = [one for one in about if one.event.door == door]
        yield share(
            "automatic recall", sum(one.right and one.decision.lane is Lane.PAGE for one in own), len(own), door=door
        )
        yield share("automatic and review recall", sum(one.right for one in own), len(own), door=door)


def recall_at(seen: list[Seen], precision: float) -> float:
    """The largest share of true events found above some probability at which so many of all found are right."""
    ranked = sorted((one for one in seen if one.decision.candidates), key=lambda one: -one.probability)
    about, right, best = sum(bool(one.event.child) for one in seen), 0, 0
    for place, one in enumerate(ranked, start=1):
        right += one.best_is_right
        if right >= precision * place:
            best = right
    return best / about if about else 0.0


def _groups(seen: list[Seen]) -> Iterator[dict[str, Any]]:
    groups: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        if one.event.child:
            groups[one.event.group].append(one)
    rates = []
    for group, own in sorted(groups.items()):
        yield share("automatic and review recall", sum(one.right for one in own), len(own), group=group)
        if len(own) >= 100:
            rates.append(sum(one.right for one in own) / len(own))
    if rates:
        yield {"figure": "gap between name groups", "value": round(max(rates) - min(rates), 4), "groups": len(rates)}


def _stress(seen: list[Seen]) -> Iterator[dict[str, Any]]:
    for kind in (
        Kind.TWIN,
        Kind.SIBLING,
        Kind.PARENT,
        Kind.NEIGHBOUR,
        Kind.STRANGER,
        Kind.SAME_NAME,
        Kind.SAME_NAME_AND_BIRTH,
    ):
        own = [one for one in seen if one.event.kind is kind]
        yield share("wrong page", sum(one.decision.lane is Lane.PAGE for one in own), len(own), kind=kind)


def _calibration(seen: list[Seen]) -> Iterator[dict[str, Any]]:
    """Expected calibration error over the events that had a candidate, in ten bins, weighted by their size."""
    bins: dict[int, list[Seen]] = defaultdict(list)
    for one in seen:
        if one.decision.candidates:
            bins[min(int(one.probability * 10), 9)].append(one)
    count, error = sum(map(len, bins.values())), 0.0
    for place, own in sorted(bins.items()):
        said, was = sum(one.probability for one in own) / len(own), sum(one.best_is_right for one in own) / len(own)
        error += abs(said - was) * len(own) / count
        yield {"figure": "calibration", "bin": place, "n": len(own), "said": round(said, 4), "value": round(was, 4)}
    yield {"figure": "calibration error", "value": round(error, 5), "n": count}


def _speed(seen: list[Seen], scene: Scene, loaded: float) -> Iterator[dict[str, Any]]:
    taken = sorted(one.seconds for one in seen)
    yield {"figure": "one event, p50 ms", "value": round(1000 * taken[len(taken) // 2], 3), "listed": scene.listed}
    yield {
        "figure": "one event, p99 ms",
        "value": round(1000 * taken[int(len(taken) * 0.99)], 3),
        "listed": scene.listed,
    }
    yield {"figure": "events per second on one core", "value": round(len(taken) / sum(taken)), "listed": scene.listed}
    yield {"figure": "seconds to build", "value": round(loaded, 2), "listed": scene.listed}
    yield {
        "figure": "most memory, MB (with the made-up people)",
        "value": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


if __name__ == "__main__":
    for line in figures(sys.argv[1:] or ("borough",)):
        sys.stdout.write(json.dumps(line) + "\n")
