"""The night's events in order, from a seed: the same seed is the same night."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from embedded.night import people
from embedded.night.rates import FOLLOWED, HEARTBEAT_SECONDS, MENDED, RATES, TWICE, WITHDRAWN

HOUR: Final = 3600.0
HELD_BACK: Final = "admission-1"
"""The feed whose line is down for an hour."""


@dataclass(frozen=True)
class Night:
    """What to play. `rate` multiplies every rate; `outage`: hours from dusk between which one hospital sends nothing."""

    seed: int = 1
    starts: int = 19
    hours: float = 12.0
    authorities: int = 10
    rate: float = 1.0
    watched: Sequence[dict[str, Any]] = ()
    watched_share: float = 0.02
    outage: tuple[float, float] = (3.0, 4.0)
    today: date = date(2026, 11, 21)


@dataclass(frozen=True, order=True)
class Said:
    """One event: `at` and `happened` in seconds from the start of the night; they differ for what an outage held back."""

    at: float
    number: int
    happened: float = field(compare=False)
    feed: str = field(compare=False)
    id: str = field(compare=False)
    type: str = field(compare=False)
    authority: str = field(compare=False)
    data: dict[str, Any] = field(compare=False)


def play(night: Night) -> Iterator[Said]:
    """Everything that is said, in the order in which it is sent."""
    return iter(_Plan(night).everything())


class _Plan:
    def __init__(self, night: Night) -> None:
        self._night = night
        self._chance = random.Random(night.seed)  # noqa: S311 - a made-up night
        self._said: list[Said] = []

    def everything(self) -> list[Said]:
        for place, authority in enumerate(people.authorities(self._night.authorities)):
            for kind in RATES:
                self._happen(kind, f"{kind}-{place + 1}", authority)
        self._hold_back(HELD_BACK)
        return sorted(self._said)

    def _happen(self, kind: str, feed: str, authority: str) -> None:
        for beat in range(0, int(self._night.hours * HOUR), HEARTBEAT_SECONDS):
            self._say(float(beat), feed, f"beat-{beat}", "heartbeat", authority, {})
        for hour in range(math.ceil(self._night.hours)):
            mean = RATES[kind].in_hour(self._night.starts + hour) * self._night.rate
            for _ in range(_poisson(self._chance, mean)):
                at = (hour + self._chance.random()) * HOUR
                if at < self._night.hours * HOUR:
                    self._tell(kind, at, feed, authority)

    def _tell(self, kind: str, at: float, feed: str, authority: str) -> None:
        chance = self._chance
        name = f"{feed}-{len(self._said)}"
        listed = self._night.watched and chance.random() < self._night.watched_share
        who = chance.choice(self._night.watched) if listed else people.stranger(chance, self._night.today)
        person = people.known_to(kind, who)
        self._say(at, feed, name, kind, authority, {**_details(kind, name), "person": person})
        if chance.random() < TWICE:
            self._say(
                at + chance.uniform(1, 60), feed, name, kind, authority, {**_details(kind, name), "person": person}
            )
        if chance.random() < WITHDRAWN:
            self._say(at + chance.uniform(600, 1800), feed, f"{name}-not", "cancelled", authority, {"of": name})
        if chance.random() < MENDED:
            data = {"of": name, "person": people.known_to("admission", who)}
            self._say(at + chance.uniform(60, 1800), feed, f"{name}-is", "identity-changed", authority, data)
        if kind in FOLLOWED:
            share, from_, to = FOLLOWED[kind]
            later = at + chance.uniform(from_, to) * HOUR
            if chance.random() < share and later < self._night.hours * HOUR:
                follow, data = _follow_up(kind, name)
                self._say(later, feed, f"{name}-over", follow, authority, data)

    def _say(self, at: float, feed: str, name: str, type_: str, authority: str, data: dict[str, Any]) -> None:
        self._said.append(Said(at, len(self._said), at, feed, name, type_, authority, data))

    def _hold_back(self, feed: str) -> None:
        """Between these hours its line is down; then all of it comes at once, in order, as it happened."""
        from_, to = (hour * HOUR for hour in self._night.outage)
        self._said = [
            Said(to, one.number, one.at, one.feed, one.id, one.type, one.authority, one.data)
            if one.feed == feed and from_ <= one.at < to and one.type != "heartbeat"
            else one
            for one in self._said
            if not (one.feed == feed and one.type == "heartbeat" and from_ <= one.at < to)
        ]


def _details(kind: str, name: str) -> dict[str, Any]:
    """The kind's own fields; `NOW` stands for the time at which it happened, which is known when it is sent."""
    match kind:
        case "arrest":
            return {
                "custody_record": name,
                "force": "Simulated Police",
                "suite": "Simulated suite",
                "arrested_at": "NOW",
            }
        case "admission":
            return {"attendance": name, "site": "SIM01", "site_name": "Simulated A&E", "arrived_at": "NOW"}
        case "exclusion":
            told = {"exclusion": name, "school_urn": "999001", "kind": "suspension", "reasons": ["PP"]}
            return {**told, "starts_on": "TODAY", "decided_at": "NOW"}
        case _:
            return {"report": name, "force": "Simulated Police", "reported_at": "NOW", "risk": "medium"}


def _follow_up(kind: str, name: str) -> tuple[str, dict[str, Any]]:
    match kind:
        case "arrest":
            return "custody-release", {"custody_record": name, "force": "Simulated Police", "released_at": "NOW"}
        case "admission":
            return "discharge", {"attendance": name, "site": "SIM01", "left_at": "NOW"}
        case _:
            return "found", {"report": name, "force": "Simulated Police", "found_at": "NOW"}


def _poisson(chance: random.Random, mean: float) -> int:
    """Knuth's way, in steps that a float can bear."""
    count, left = 0, mean
    while left > 0:
        limit, product = math.exp(-min(left, 500.0)), chance.random()
        while product > limit:
            count += 1
            product *= chance.random()
        left -= 500.0
    return count
