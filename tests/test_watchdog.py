"""The watchdog: it leaves when nothing moves, and only then."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from schemas.metrics import Metrics
from streams.progress import Progress
from streams.watchdog import Limits, Place, Seen, Stuck, Watchdog, Watched, decide

HERE, THERE = ("nightlight.events.arrests", 0), ("nightlight.events.arrests", 1)
LIMITS = Limits()


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        pytest.param(Seen(44.9, False, True, {}, None), None, id="not yet assigned"),
        pytest.param(Seen(45.0, False, True, {}, None), Stuck.NOTHING_ASSIGNED, id="never assigned"),
        pytest.param(Seen(900.0, True, True, {}, None), None, id="assigned once, and in a rebalance now"),
        pytest.param(Seen(900.0, True, True, {HERE: 59.9}, {HERE: 5}), None, id="slow, but not yet too slow"),
        pytest.param(Seen(900.0, True, True, {HERE: 60.0}, {HERE: 1}), Stuck.NO_PROGRESS, id="lag, and nothing moves"),
        pytest.param(Seen(900.0, True, True, {HERE: 900.0}, {HERE: 0}), None, id="a quiet night"),
        pytest.param(Seen(900.0, True, True, {HERE: 900.0}, None), None, id="the broker does not answer"),
        pytest.param(
            Seen(900.0, True, True, {HERE: 1.0, THERE: 61.0}, {THERE: 3}),
            Stuck.NO_PROGRESS,
            id="one of two stands still",
        ),
        pytest.param(
            Seen(900.0, True, True, {HERE: 1.0, THERE: 61.0}, {HERE: 3, THERE: 0}), None, id="one is only busy"
        ),
        pytest.param(Seen(1.0, False, False, {}, None), Stuck.CONSUMER_DEAD, id="the consumer's thread is dead"),
    ],
)
def test_it_leaves_when_nothing_moves_and_only_then(seen: Seen, why: Stuck | None) -> None:
    assert decide(seen, LIMITS) is why


@dataclass
class Worker:
    """A worker as the watchdog sees it, at a time that the test sets."""

    time: float = 0.0
    partitions: set[Place] = field(default_factory=set)
    alive: bool = True
    behind: Mapping[Place, int] | None = None
    asked: list[set[Place]] = field(default_factory=list)
    left: list[Stuck] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.progress = Progress(now=lambda: self.time)
        self.metrics = Metrics.build(self.registry)

    def lag(self, places: Collection[Place], _: Mapping[Place, int]) -> Mapping[Place, int] | None:
        self.asked.append(set(places))
        return self.behind

    def watchdog(self, limits: Limits = LIMITS) -> Watchdog:
        watched = Watched(lambda: self.partitions, lambda: self.alive, self.lag, self.progress)
        stalled = self.metrics.worker_stalled_seconds
        return Watchdog(watched, stalled=stalled, limits=limits, leave=self.left.append, now=lambda: self.time)

    def stalled(self) -> float | None:
        return self.registry.get_sample_value("nightlight_worker_stalled_seconds")


def test_a_partition_that_has_just_come_is_not_blamed_for_the_past() -> None:
    worker = Worker()
    watchdog = worker.watchdog()
    worker.time, worker.partitions = 500.0, {HERE}

    seen = watchdog.look()

    assert seen.quiet == {HERE: 0.0}


def test_what_is_settled_or_stayed_on_is_progress() -> None:
    worker = Worker(partitions={HERE, THERE})
    watchdog = worker.watchdog()
    watchdog.look()
    worker.time = 50.0
    worker.progress.settled(*HERE, offset=4)
    worker.progress.waiting(*THERE)
    worker.time = 70.0

    seen = watchdog.look()

    assert seen.quiet == {HERE: 20.0, THERE: 20.0}
    assert worker.progress.next_offset == {HERE: 5}


def test_the_broker_is_asked_only_about_what_is_quiet_and_not_at_every_look() -> None:
    worker = Worker(partitions={HERE, THERE}, behind={HERE: 0})
    watchdog = worker.watchdog()
    watchdog.look()
    worker.time = 50.0
    worker.progress.settled(*THERE, offset=0)
    for second in range(60, 76):
        worker.time = float(second)
        watchdog.look()

    assert worker.asked == [{HERE}, {HERE, THERE}]


def test_the_first_event_of_a_quiet_night_seen_on_its_way_is_no_hang() -> None:
    worker = Worker(partitions={HERE}, behind={HERE: 0})
    watchdog = worker.watchdog()
    for second in range(3600):
        worker.time = float(second)
        watchdog.look()
    worker.time, worker.behind = 3615.0, {HERE: 1}

    seen = watchdog.look()

    assert seen.lag == {HERE: 1}
    assert decide(seen, LIMITS) is None


def test_nor_if_the_broker_had_not_answered_for_a_while() -> None:
    worker = Worker(partitions={HERE}, behind=None)
    watchdog = worker.watchdog()
    for second in range(3600):
        worker.time = float(second)
        watchdog.look()
    worker.time, worker.behind = 3615.0, {HERE: 1}

    decided = []
    for second in range(3615, 3645):
        worker.time = float(second)
        decided.append(decide(watchdog.look(), LIMITS))

    assert set(decided) == {None}


def test_an_event_that_stays_is_a_hang_within_a_minute() -> None:
    worker = Worker(partitions={HERE}, behind={HERE: 0})
    watchdog = worker.watchdog()
    for second in range(3600):
        worker.time = float(second)
        watchdog.look()
    worker.behind = {HERE: 1}

    decided = []
    for second in range(3600, 3661):
        worker.time = float(second)
        decided.append(decide(watchdog.look(), LIMITS))

    assert Stuck.NO_PROGRESS in decided


def test_how_long_a_partition_with_something_in_it_stands_still_is_a_metric() -> None:
    worker = Worker(partitions={HERE}, behind={HERE: 3})
    watchdog = worker.watchdog()

    for second in range(61):
        worker.time = float(second)
        watchdog.look()

    assert worker.stalled() == 45.0  # it was asked about after fifteen seconds, and seen to be behind


def test_its_own_thread_leaves_once_and_says_why() -> None:
    worker = Worker(alive=False)
    watchdog = worker.watchdog(Limits(tick=0.01))

    watchdog.start()
    watchdog._thread.join(2)

    assert worker.left == [Stuck.CONSUMER_DEAD]


def test_a_watchdog_that_was_stopped_leaves_nothing() -> None:
    worker = Worker(alive=False)
    watchdog = worker.watchdog(Limits(tick=0.05))

    watchdog.start()
    watchdog.stop()
    watchdog._thread.join(2)

    assert worker.left == []
