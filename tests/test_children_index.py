"""The list in a worker's memory: the database's, within a second, and never a child who is not on it today."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.child import WatchedChild
from schemas.moments import Decision, Lane
from store import children as store_children
from store.database import connect, libpq_url
from store.roster import Action, Change
from streams.children import WatchedChildren
from streams.matching import Question
from tests.streams_cast import KEYS, NOON, STRANGER

TODAY = NOON.date()
SOON = 1.5  # the contract says a second; a busy machine gets half of one more


@dataclass
class Index:
    """An index that remembers whole children, by id."""

    held: dict[str, WatchedChild] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    def load(self, children: Iterable[WatchedChild]) -> None:
        self.held = {child.child_id: child for child in children}

    def put(self, child: WatchedChild) -> None:
        self.held[child.child_id] = child

    def remove(self, child_id: str) -> None:
        self.held.pop(child_id, None)

    def decide_all(self, questions: Sequence[Question], **_: object) -> list[Decision]:
        self.asked.append(len(questions))
        return [
            Decision(lane=Lane.NONE, why=tuple(sorted(self.held)), model=str(question.door)) for question in questions
        ]

    def __len__(self) -> int:
        return len(self.held)


@dataclass
class Time:
    """A clock that the test sets."""

    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at


def child(name: str, *, starts_on: date = date(2026, 9, 1), expires_on: date = date(2026, 11, 25)) -> WatchedChild:
    return WatchedChild(
        child_id=name,
        authority="E09000019",
        team="Islington",
        family_name="Made",
        given_name=name,
        date_of_birth=date(2011, 2, 3),
        starts_on=starts_on,
        review_on=expires_on,
        expires_on=expires_on,
    )


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = connect(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def following() -> AsyncIterator[Callable[[WatchedChildren], None]]:
    """Follows the list until the test ends."""
    tasks: list[asyncio.Task[None]] = []
    yield lambda watched: tasks.append(asyncio.create_task(watched.follow()))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def add(engine: AsyncEngine, *children: WatchedChild, action: Action = Action.ADD) -> None:
    changes = [Change(line=2 + n, action=action, child_id=each.child_id, child=each) for n, each in enumerate(children)]
    async with engine.begin() as connection:
        await store_children.apply_import(connection, KEYS, changes, at=NOON, who="the test")


async def remove(engine: AsyncEngine, child_id: str) -> None:
    async with engine.begin() as connection:
        await store_children.remove(connection, child_id, at=NOON, who="the test", why="over")


async def within(seconds: float, true: Callable[[], bool]) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - the change is made by a database
            await asyncio.sleep(0.01)


async def test_it_is_ready_once_the_whole_list_is_loaded_and_not_before(engine: AsyncEngine) -> None:
    await add(engine, *(child(f"C{number}") for number in range(20)))
    index = Index()
    watched = WatchedChildren(engine, KEYS, index, Time())
    assert not watched.ready

    await watched.load()

    assert watched.ready
    assert index.held["C7"] == child("C7")
    assert len(watched) == 20


async def test_its_age_grows_from_the_start_until_it_has_loaded(engine: AsyncEngine) -> None:
    time = Time()
    watched = WatchedChildren(engine, KEYS, Index(), time)
    time.at += timedelta(seconds=30)
    assert watched.age == 30

    await watched.load()

    assert watched.age == 0


async def test_a_change_is_in_force_within_a_second(
    engine: AsyncEngine, following: Callable[[WatchedChildren], None]
) -> None:
    index = Index()
    watched = WatchedChildren(engine, KEYS, index, Time())
    await watched.load()
    following(watched)

    await add(engine, child("C1"), child("C2"))
    await within(SOON, lambda: set(index.held) == {"C1", "C2"})
    await add(engine, child("C1").model_copy(update={"family_name": "Changed"}), action=Action.UPDATE)
    await within(SOON, lambda: index.held["C1"].family_name == "Changed")
    await remove(engine, "C2")
    await within(SOON, lambda: set(index.held) == {"C1"})


async def test_after_a_removal_nothing_of_the_child_is_left(engine: AsyncEngine) -> None:
    await add(engine, child("C1"))
    index = Index()
    watched = WatchedChildren(engine, KEYS, index, Time())
    await watched.load()

    await remove(engine, "C1")
    await watched.catch_up()

    assert index.held == {}
    assert "C1" not in repr(vars(watched))


async def test_it_goes_on_following_when_its_connections_are_cut(
    engine: AsyncEngine, database_url: str, following: Callable[[WatchedChildren], None]
) -> None:
    index = Index()
    watched = WatchedChildren(engine, KEYS, index, Time())
    await watched.load()
    following(watched)
    await asyncio.sleep(0.2)
    async with await psycopg.AsyncConnection.connect(libpq_url(database_url), autocommit=True) as owner:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        await owner.execute(others)

    await add(engine, child("C1"))

    await within(5, lambda: "C1" in index.held)


async def test_a_missed_notice_is_made_good_by_asking(
    engine: AsyncEngine, database_url: str, following: Callable[[WatchedChildren], None]
) -> None:
    async with await psycopg.AsyncConnection.connect(libpq_url(database_url), autocommit=True) as owner:
        await owner.execute("ALTER TABLE children_changes DISABLE TRIGGER children_changed")
    index = Index()
    watched = WatchedChildren(engine, KEYS, index, Time())
    await watched.load()
    following(watched)
    await asyncio.sleep(0.1)

    await add(engine, child("C1"))

    await within(SOON, lambda: "C1" in index.held)


@pytest.mark.parametrize(
    ("at", "in_force"),
    [
        pytest.param(datetime(2026, 11, 24, 12, tzinfo=UTC), {"C-now", "C-last-day"}, id="the day before"),
        pytest.param(datetime(2026, 11, 25, 0, 0, tzinfo=UTC), {"C-now", "C-first-day"}, id="from midnight"),
    ],
)
async def test_only_who_is_in_force_in_london_today_is_matched(
    engine: AsyncEngine, at: datetime, in_force: set[str]
) -> None:
    ends, begins = date(2026, 11, 24), date(2026, 11, 25)
    await add(
        engine,
        child("C-now"),
        child("C-last-day", expires_on=ends),
        child("C-first-day", starts_on=begins),
    )
    watched = WatchedChildren(engine, KEYS, Index(), Time(at))

    await watched.load()

    assert set(watched.decide(STRANGER, "arrest").why) == in_force


async def test_at_midnight_who_has_had_their_last_day_is_dropped_at_once_and_who_begins_is_read(
    engine: AsyncEngine,
) -> None:
    await add(
        engine,
        child("C-now"),
        child("C-last-day", expires_on=TODAY),
        child("C-first-day", starts_on=TODAY + timedelta(days=1)),
    )
    time = Time(datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC))
    watched = WatchedChildren(engine, KEYS, Index(), time)
    await watched.load()
    assert set(watched.decide(STRANGER, None).why) == {"C-now", "C-last-day"}

    time.at += timedelta(seconds=1)

    assert set(watched.decide(STRANGER, None).why) == {"C-now"}
    await watched.catch_up()
    assert set(watched.decide(STRANGER, None).why) == {"C-now", "C-first-day"}


async def test_midnight_is_londons_in_summer_too(engine: AsyncEngine) -> None:
    await add(engine, child("C1", starts_on=date(2026, 6, 1), expires_on=date(2026, 6, 30)))
    time = Time(datetime(2026, 6, 30, 22, 59, 59, tzinfo=UTC))
    watched = WatchedChildren(engine, KEYS, Index(), time)
    await watched.load()
    assert watched.decide(STRANGER, None).why == ("C1",)

    time.at += timedelta(seconds=1)

    assert watched.decide(STRANGER, None).why == ()


async def test_a_worker_that_slept_through_more_changes_than_are_kept_loads_the_list_again(engine: AsyncEngine) -> None:
    await add(engine, child("C1"), child("C2"))
    index = Index()
    watched = WatchedChildren(engine, KEYS, index, Time())
    await watched.load()
    await remove(engine, "C2")
    await add(engine, child("C3"))
    async with engine.begin() as connection:
        await store_children.forget_changes(connection, datetime.now(UTC) + timedelta(days=2))

    await watched.catch_up()

    assert set(index.held) == {"C1", "C3"}


async def test_what_is_foreseen_is_asked_once_and_handed_out_once(engine: AsyncEngine) -> None:
    await add(engine, child("C1"))
    index = Index()
    watched = WatchedChildren(engine, KEYS, index, Time())
    await watched.load()
    questions = [Question(STRANGER, "arrest"), Question(STRANGER.model_copy(), "missing")]

    with watched.foreseeing(questions):
        decided = [watched.decide(each.person, each.door) for each in questions]
        again = watched.decide(STRANGER, "arrest")

    assert [each.model for each in decided] == ["arrest", "missing"]
    assert again == decided[0]
    assert index.asked == [2, 1]


@pytest.mark.parametrize(
    ("door", "sensitive", "without"),
    [("missing", False, frozenset()), ("arrest", True, frozenset()), ("arrest", False, frozenset({"C1"}))],
)
async def test_what_is_asked_otherwise_than_foreseen_is_asked_anew(
    engine: AsyncEngine, door: str, sensitive: bool, without: frozenset[str]
) -> None:
    index = Index()
    watched = WatchedChildren(engine, KEYS, index, Time())
    await watched.load()

    with watched.foreseeing([Question(STRANGER, "arrest"), Question(STRANGER.model_copy(), "arrest")]):
        decision = watched.decide(STRANGER, door, sensitive=sensitive, without=without)

    assert decision.model == door
    assert index.asked == [2, 1]


async def test_a_change_of_the_list_makes_what_was_foreseen_void_and_nothing_of_it_is_kept(engine: AsyncEngine) -> None:
    index = Index()
    watched = WatchedChildren(engine, KEYS, index, Time())
    await watched.load()

    with watched.foreseeing([Question(STRANGER, "arrest"), Question(STRANGER.model_copy(), "arrest")]):
        await add(engine, child("C1"))
        await watched.catch_up()
        decision = watched.decide(STRANGER, "arrest")
    watched.decide(STRANGER, "arrest")

    assert decision.why == ("C1",)
    assert index.asked == [2, 1, 1]
