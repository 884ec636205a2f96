"""The matcher measured on made-up registers: every figure of the matching page, section 2, and FEBRL with Splink beside it.

`python -m benchmarks matching [--scene NAME]… [--seed N] [--listed N] [--events N] [--stress N] [--stale SHARE] [--error TIMES]`
prints one JSON line a figure on stdout, and the main ones as a table on stderr. Scenes whose name begins with `other-` come from
the second generator (`benchmarks.otherhand`), which shares neither names nor slips with the first.
"""

import argparse
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from benchmarks import febrl, judged, otherhand
from benchmarks.judged import Judged, recall_at
from benchmarks.population import Child, Event, Population, Rates, natural, register, stress
from benchmarks.shares import wilson
from schemas.child import WatchedChild
from streams.matching import Matcher, Question
from streams.matching.offline import AT_ONCE

__all__ = ["SCENES", "Scene", "figures", "figures_of", "recall_at", "run", "wilson"]


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

    def make(self) -> tuple[list[WatchedChild], Iterator[Event], Iterator[Event]]:
        """The list, the natural events and the stress, all from the seed."""
        if self.name.startswith("other-"):
            hands = otherhand.Hands(stale=self.rates.stale_postcode, slip=0.02 * self.rates.error)
            return otherhand.scene(self.listed, self.outcodes, hands, self.seed, self.events, self.stress)
        people = Population(self.seed, self.rates, self.outcodes)
        chosen, families = _cast(self.listed, people)
        rows = register(chosen, self.rates, self.seed + 1)
        asked = natural(chosen, families, people, self.rates, self.seed + 2, self.events)
        pressed = stress(chosen, families, people, self.rates, self.seed + 3, self.stress)
        return rows, asked, pressed


SCENES: Final = {
    scene.name: scene
    for scene in (
        Scene("borough", 1_200, 12, Rates(), 60_000, 600),
        Scene("borough-hard", 1_200, 12, Rates(error=2.0, stale_postcode=0.3), 40_000, 300, seed=7),
        Scene("region", 60_000, 250, Rates(), 60_000, 600),
        Scene("stale", 60_000, 250, Rates(stale_postcode=0.45), 60_000, 300),
        Scene("nation", 500_000, 2_500, Rates(), 40_000, 300),
        Scene("other-borough", 1_200, 12, Rates(), 40_000, 600),
        Scene("other-region", 60_000, 250, Rates(), 60_000, 600),
        Scene("other-stale", 60_000, 250, Rates(stale_postcode=0.45), 60_000, 300),
    )
}

USUAL: Final = ("borough", "region", "other-borough", "febrl4")
"""The scenes of `make bench`: some three minutes."""

TOGETHER: Final = 5_000
"""Events that are decided once more for the figures of many at once."""

SHOWN: Final = frozenset(
    (
        "automatic precision",
        "automatic recall",
        "automatic and review recall",
        "recall at precision .999",
        "reviews per 1,000 events",
        "gap between name groups",
        "wrong page",
        "calibration error",
        "one event, p99 ms",
        "F1 without identifier",
        "F1 without identifier, at best",
    )
)
"""The figures of the table, those of doors and groups left out."""


def figures(options: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """One dict a figure: scene, figure, value, and for shares n and the Wilson interval (95%)."""
    asked = _asked(options)
    shown: list[dict[str, Any]] = []
    for name in asked.scene or USUAL:
        found = febrl.figures() if name == "febrl4" else figures_of(_changed(SCENES[name], asked))
        for figure in found:
            if figure["figure"] in SHOWN and not {"door", "group"} & figure.keys():
                shown.append(figure)
            yield figure
    sys.stderr.write("".join(f"{line}\n" for line in as_table(shown)))


def figures_of(scene: Scene) -> Iterator[dict[str, Any]]:
    """Every figure of one scene. Seconds of an event are of this thread's processor time."""
    matcher = Matcher()
    seen, pressed, loaded = run(scene, matcher)
    for part in (
        judged.accuracy(seen),
        judged.by_door_and_group(seen),
        judged.stress([*seen, *pressed]),
        judged.calibration(seen),
        _speed(seen, scene, loaded),
        _together(seen, matcher),
    ):
        for figure in part:
            yield {"scene": scene.name, **figure}


def run(scene: Scene, matcher: Matcher) -> tuple[list[Judged], list[Judged], float]:
    """Natural events, stress events, and the seconds of loading."""
    rows, asked, pressed = scene.make()
    started = time.perf_counter()
    matcher.load(rows)
    loaded = time.perf_counter() - started
    return [_judge(matcher, event) for event in asked], [_judge(matcher, event) for event in pressed], loaded


def as_table(shown: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Lines for people: scene, figure, value and its interval."""
    yield f"{'scene':<15} {'figure':<44} {'value':>8}   95%"
    for one in shown:
        named = " ".join(str(one[part]) for part in ("figure", "kind", "who") if part in one)
        between = f"{one['low']:.4f} to {one['high']:.4f}" if "low" in one else ""
        yield f"{one['scene']:<15} {named:<44} {one['value']:>8.4f}   {between}".rstrip()


def _judge(matcher: Matcher, event: Event) -> Judged:
    started = time.thread_time()
    decision = matcher.decide(event.person, door=event.door)
    return Judged(event, decision, time.thread_time() - started)


def _cast(count: int, people: Population) -> tuple[list[Child], dict[int, list[Child]]]:
    """One listed child a household, one in ten with a brother or sister on the list as well; and every such household."""
    chosen: list[Child] = []
    families: dict[int, list[Child]] = {}
    for number, household in enumerate(people.households()):
        families[household[0].household] = household
        chosen += household[: 2 if number % 10 == 0 else 1]
        if len(chosen) >= count:
            break
    return chosen[:count], families


def _asked(options: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks matching")
    parser.add_argument("--scene", action="append", choices=[*SCENES, "febrl4"])
    for number in ("seed", "listed", "events", "stress"):
        parser.add_argument(f"--{number}", type=int)
    parser.add_argument("--stale", type=float, help="share of the list's postcodes that are old")
    parser.add_argument("--error", type=float, help="1 is as published, 2 twice as many slips")
    return parser.parse_args(options)


def _changed(scene: Scene, asked: argparse.Namespace) -> Scene:
    numbers = {
        name: value for name in ("seed", "listed", "events", "stress") if (value := getattr(asked, name)) is not None
    }
    rates = scene.rates
    if asked.stale is not None:
        rates = replace(rates, stale_postcode=asked.stale)
    if asked.error is not None:
        rates = replace(rates, error=asked.error)
    return replace(scene, rates=rates, **numbers)


def _together(seen: Sequence[Judged], matcher: Matcher) -> Iterator[dict[str, Any]]:
    """As a file of lines is answered, and as a worker asks of what came together."""
    questions = [Question(one.event.person, one.event.door) for one in seen[:TOGETHER]]
    for says, decide, at_once in (
        ("of a file, the best five of each", matcher.decide_each, AT_ONCE),
        ("in a worker, 30 at once", matcher.decide_all, 30),
    ):
        started = time.thread_time()
        for first in range(0, len(questions), at_once):
            decide(questions[first : first + at_once])
        rate = len(questions) / (time.thread_time() - started)
        yield {"figure": "events a second on one core", "kind": says, "value": round(rate)}


def _speed(seen: list[Judged], scene: Scene, loaded: float) -> Iterator[dict[str, Any]]:
    taken = sorted(one.seconds for one in seen)
    middle, slow = taken[len(taken) // 2], taken[int(len(taken) * 0.99)]
    yield {"figure": "one event, p50 ms", "value": round(1000 * middle, 3), "listed": scene.listed}
    yield {"figure": "one event, p99 ms", "value": round(1000 * slow, 3), "listed": scene.listed}
    yield {
        "figure": "events a second on one core, one by one",
        "value": round(len(taken) / sum(taken)),
        "listed": scene.listed,
    }
    yield {"figure": "seconds to build", "value": round(loaded, 2), "listed": scene.listed}
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    yield {"figure": "most memory, MB (with the made-up people)", "value": most}
