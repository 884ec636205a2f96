"""Liveness is progress, not a beating loop: a worker that gets nowhere leaves with code 70, and its supervisor starts another.

It has its own thread, its own connection and its own metric, because what it watches may hang: a refused session timeout
leaves Faust alive and idle for ever, and a handler that blocks stops every timer of the event loop (reliability page, 0.6).
"""

import os
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic

from prometheus_client import Gauge

from schemas.logs import logger
from streams.progress import Progress

EXIT_CODE = 70
Place = tuple[str, int]
"""A topic and a partition."""


class Stuck(StrEnum):
    """Why it leaves."""

    CONSUMER_DEAD = "consumer-dead"
    NOTHING_ASSIGNED = "nothing-assigned"
    NO_PROGRESS = "no-progress"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. The first two from the reliability page, section 1.3."""

    unassigned: float = 45.0
    stalled: float = 60.0
    tick: float = 1.0
    ask_again: float = 15.0  # how often the broker is asked for the lag of partitions that have been quiet for as long


@dataclass(frozen=True, slots=True)
class Seen:
    """What the watchdog saw. `quiet` is for how long each assigned partition has settled nothing, and was not seen empty;
    `lag` is None where the broker did not answer or was not asked."""

    running_for: float
    ever_assigned: bool
    consumer_alive: bool
    quiet: Mapping[Place, float]
    lag: Mapping[Place, int] | None


def decide(seen: Seen, limits: Limits) -> Stuck | None:
    """Whether to leave, and why. A broker that does not answer is no reason: leaving would mend nothing."""
    if not seen.consumer_alive:
        return Stuck.CONSUMER_DEAD
    if not seen.ever_assigned:
        return Stuck.NOTHING_ASSIGNED if seen.running_for >= limits.unassigned else None
    lag = seen.lag or {}
    if any(quiet >= limits.stalled and lag.get(place, 0) > 0 for place, quiet in seen.quiet.items()):
        return Stuck.NO_PROGRESS
    return None


@dataclass(frozen=True)
class Watched:
    """The worker, as seen from another thread. None of these may wait for the worker's own loop."""

    assigned: Callable[[], Collection[Place]]
    consumer_alive: Callable[[], bool]
    lag: Callable[[Collection[Place], Mapping[Place, int]], Mapping[Place, int] | None]
    progress: Progress


def leave(why: Stuck) -> None:
    """End the process at once: acknowledged last means that nothing is lost by it, and a clean stop might hang too."""
    logger().error("worker-stuck", reason=why.value)
    os._exit(EXIT_CODE)


class Watchdog:
    """Looks once a tick until it is stopped, or until it leaves. `stalled` shows `nightlight_worker_stalled_seconds`."""

    def __init__(
        self,
        watched: Watched,
        *,
        stalled: Gauge,
        limits: Limits | None = None,
        leave: Callable[[Stuck], None] = leave,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._watched = watched
        self._limits = limits or Limits()
        self._leave = leave
        self._now = now
        self._started = now()
        self._since: dict[Place, float] = {}
        self._behind: set[Place] = set()
        self._ever_assigned = False
        self._asked_at = float("-inf")
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._quiet = stalled

    @property
    def assigned(self) -> bool:
        """Whether the worker has partitions now: part of readiness."""
        return bool(self._since)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()

    def _run(self) -> None:
        while not self._end.wait(self._limits.tick):
            why = decide(self.look(), self._limits)
            if why is not None and not self._end.is_set():
                self._leave(why)
                return

    def look(self) -> Seen:
        """See the worker as it is now. The broker is asked only about partitions that are quiet."""
        now = self._now()
        assigned = set(self._watched.assigned())
        # A partition that has just come is as good as one that has just moved.
        self._since = {place: self._since.get(place, now) for place in assigned}
        self._ever_assigned |= bool(assigned)
        lag = self._lag_of(
            [place for place, since in self._quiet_since().items() if now - since >= self._limits.ask_again], now
        )
        if lag is not None:
            # What had nothing to do, or is seen behind for the first time, stands still only from now: the first event of a quiet
            # night, seen on its way, is no hang, nor if the broker has not answered for a while.
            self._since |= {place: now for place, behind in lag.items() if behind == 0 or place not in self._behind}
            self._behind = {place for place, behind in lag.items() if behind > 0}
        quiet = {place: now - since for place, since in self._quiet_since().items()}
        if lag is not None:
            self._quiet.set(max((quiet[place] for place in self._behind if place in quiet), default=0.0))
        return Seen(now - self._started, self._ever_assigned, self._watched.consumer_alive(), quiet, lag)

    def _quiet_since(self) -> dict[Place, float]:
        moved = self._watched.progress.moved_at
        return {place: max(since, moved.get(place, since)) for place, since in self._since.items()}

    def _lag_of(self, quiet: Collection[Place], now: float) -> Mapping[Place, int] | None:
        if not quiet or now - self._asked_at < self._limits.ask_again:
            return None
        self._asked_at = now
        return self._watched.lag(quiet, self._watched.progress.next_offset)
