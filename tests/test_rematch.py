"""A child who is added or changed is looked for in what the agencies said in the last 72 hours, and the right place is told."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.child import WatchedChild
from schemas.envelope import Envelope
from schemas.events import (
    ChildMissing,
    CustodyReleased,
    Event,
    EventCancelled,
    EventName,
    IdentityChanged,
    Risk,
)
from schemas.metrics import Metrics
from schemas.person import Person
from schemas.settings import Settings
from schemas.wire import event_record
from store import children, matches, scans
from store.database import connect
from store.matches import Link
from store.moments import facts, moments, reviews
from store.pages import pages
from store.roster import Action, Change
from streams.book import PostgresBook
from streams.children import WatchedChildren
from streams.facts import fact_of
from streams.incoming import Incoming
from streams.matching import Matcher
from streams.originals import Originals
from streams.pairs import Pairs
from streams.rematch import Rematch
from tests.store_cast import rows
from tests.streams_cast import KEYS, NOON, arrest, envelope, incoming

ROBIN = WatchedChild(
    child_id="W-1",
    authority="E09000019",
    team="Islington",
    family_name="Lampwick",
    given_name="Robin",
    date_of_birth=date(2010, 3, 14),
    sex="male",
    postcode="N1 9GU",
    nhs_number="9990000018",
)
HIM = Person(
    family_name="Lampwick",
    given_name="Robin",
    date_of_birth=date(2010, 3, 14),
    sex="male",
    postcode="N1 9GU",
    nhs_number="9990000018",
)
SOMEBODY = Person(family_name="Strangways", given_name="Ptolemy", date_of_birth=date(2012, 5, 5), postcode="SW9 8XX")


class Retained:
    """The window that Kafka keeps, as `streams.window.Window` reads it; it may break off once."""

    def __init__(self) -> None:
        self.letters: list[Incoming] = []
        self.breaks = 0
        self.read = 0

    def hold(self, event: Event, *, ago: timedelta, id: str) -> Envelope:  # noqa: A002 - as in CloudEvents
        """An event that was received so long before noon."""
        said = envelope(event, id=id).model_copy(update={"time": NOON - ago, "received_at": NOON - ago})
        self.letters.append(incoming(event_record(said, KEYS), offset=len(self.letters)))
        return said

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Retained"]:
        yield self

    async def end(self) -> Any:
        return "end"

    async def back(self, end: Any, count: int | None = None) -> Any:
        assert end
        return count

    async def records(self, start: Any, end: Any) -> AsyncIterator[Sequence[Incoming]]:
        assert end
        self.read += start is None
        yield self.letters[:1]
        if self.breaks:
            self.breaks -= 1
            raise KafkaConnectionError
        yield self.letters[1:]


class House:
    """One worker's rematching on a database of its own."""

    def __init__(self, engine: AsyncEngine, retained: Retained) -> None:
        self.engine, self.retained, self.at = engine, retained, NOON
        self.registry = CollectorRegistry()
        self.matcher = Matcher(background=False)
        self.children = WatchedChildren(engine, KEYS, self.matcher, self.now)
        self.pairs = Pairs(engine, KEYS, self.now)

    def now(self) -> datetime:
        return self.at

    async def add(self, *entries: WatchedChild, action: Action = Action.ADD) -> None:
        changes = [Change(2, action, each.child_id, each) for each in entries]
        async with self.engine.begin() as connection:
            await children.apply_import(connection, KEYS, changes, at=self.at, who="test")
        await (self.children.catch_up() if self.children.ready else self.children.load())
        self.at += timedelta(seconds=10)

    def worker(self, *, me: str = "a", glance: bool = True) -> Rematch:
        settings = Settings.model_validate({})
        window: Any = self.retained.open
        originals = Originals(settings, self.engine, KEYS, self.now, window=window)
        return Rematch(
            settings=settings,
            engine=self.engine,
            sealer=KEYS,
            children=self.children,
            pairs=self.pairs,
            book=PostgresBook(self.engine, KEYS),
            originals=originals,
            metrics=Metrics.build(CollectorRegistry()) if me != "a" else Metrics.build(self.registry),
            clock=self.now,
            me=me,
            glance=self.matcher.glance if glance else None,
            open=window,
        )

    async def all(self, table: Any, *columns: str) -> list[Any]:
        async with self.engine.connect() as connection:
            return await rows(connection, table, *columns)


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    engine = connect(database_url)
    yield House(engine, Retained())
    await engine.dispose()


@pytest.mark.parametrize("glance", [True, False], ids=["after a quick look", "without one"])
async def test_a_child_who_is_added_after_the_arrest_is_paged_for_what_is_left_of_its_window(
    house: House, glance: bool
) -> None:
    house.retained.hold(arrest(SOMEBODY, custody_record="other"), ago=timedelta(hours=4), id="other")
    house.retained.hold(arrest(HIM), ago=timedelta(hours=3), id="arrest")
    await house.add(ROBIN)
    worker = house.worker(glance=glance)

    done, again = await worker.once(), await worker.once()

    assert (done, again) == (True, False)
    [moment], [page] = await house.all(moments), await house.all(pages)
    assert (moment.child, moment.window_ends_at) == ("W-1", NOON + timedelta(hours=9))
    assert (page.state, page.occurred_at) == ("open", NOON - timedelta(hours=3))
    [link] = await house.all(matches.matches)
    assert (link.child, link.decision, link.list_version) == ("W-1", "same", house.children.version)
    assert house.registry.get_sample_value("nightlight_events_rematched_total", {"outcome": "paged"}) == 1


async def test_an_event_that_was_matched_before_is_not_paged_again(house: House) -> None:
    house.retained.hold(arrest(HIM), ago=timedelta(hours=3), id="arrest")
    await house.add(ROBIN)
    await house.worker().once()

    await house.add(ROBIN.model_copy(update={"postcode": "SW9 8XX"}), action=Action.UPDATE)
    await house.worker(me="b").once()

    assert len(await house.all(pages)) == 1


@pytest.mark.parametrize(
    "then",
    [
        None,
        CustodyReleased(custody_record="01AB/1/26", force="Met", released_at=NOON - timedelta(hours=1)),
    ],
    ids=["the window is over", "released since"],
)
async def test_what_is_over_is_reported_and_nobody_is_paged(house: House, then: Event | None) -> None:
    house.retained.hold(arrest(HIM), ago=timedelta(hours=13 if then is None else 3), id="arrest")
    if then is not None:
        house.retained.hold(then, ago=timedelta(hours=1), id="release")
    await house.add(ROBIN)

    await house.worker().once()

    assert await house.all(pages) == []
    [link] = await house.all(matches.matches)
    assert (link.child, link.decision) == ("W-1", Link.LATE)
    assert house.registry.get_sample_value("nightlight_events_rematched_total", {"outcome": "late"}) == 1


@pytest.mark.parametrize(
    "then",
    [
        EventCancelled(of=EventName(source="/police/met", id="arrest")),
        IdentityChanged(of=EventName(source="/police/met", id="arrest"), person=SOMEBODY),
    ],
    ids=["cancelled", "somebody else"],
)
async def test_what_was_taken_back_since_is_nothing(house: House, then: Event) -> None:
    house.retained.hold(arrest(HIM), ago=timedelta(hours=3), id="arrest")
    house.retained.hold(then, ago=timedelta(hours=1), id="then")
    await house.add(ROBIN)

    await house.worker().once()

    assert await house.all(facts) == []
    assert await house.all(matches.matches) == []


async def test_a_possible_match_is_asked_about(house: House) -> None:
    doubt = Person(family_name="Lampwick", date_of_birth=date(2010, 3, 14), postcode="N1 9GU")
    house.retained.hold(arrest(doubt), ago=timedelta(hours=3), id="arrest")
    await house.add(ROBIN)

    await house.worker().once()

    [review] = await house.all(reviews)
    assert review.expires_at == NOON + timedelta(hours=9)


async def test_a_pass_that_breaks_off_is_made_again_from_the_beginning(house: House) -> None:
    house.retained.hold(arrest(SOMEBODY, custody_record="other"), ago=timedelta(hours=4), id="other")
    house.retained.hold(arrest(HIM), ago=timedelta(hours=3), id="arrest")
    house.retained.breaks = 1
    await house.add(ROBIN)
    with pytest.raises(KafkaConnectionError):
        await house.worker().once()
    assert not await house.worker(me="b").once()  # whoever broke off holds it still

    house.at += 2 * scans.HOLD
    done = await house.worker(me="c").once()

    assert (done, house.retained.read) == (True, 2)
    assert len(await house.all(pages)) == 1


async def test_a_record_that_nobody_can_read_does_not_stop_the_rest(house: House) -> None:
    house.retained.hold(arrest(SOMEBODY, custody_record="other"), ago=timedelta(hours=4), id="other")
    broken = house.retained.letters.pop()
    house.retained.letters.append(
        Incoming(broken.topic, 0, 0, broken.timestamp, broken.key, b"not sealed", broken.headers)
    )
    house.retained.hold(arrest(HIM), ago=timedelta(hours=3), id="arrest")
    await house.add(ROBIN)

    assert await house.worker().once()

    assert len(await house.all(pages)) == 1


async def test_a_changed_identity_is_told_at_the_place_of_its_original_wherever_that_lies(house: House) -> None:
    first = house.retained.hold(
        ChildMissing(report="M1", force="Met", reported_at=NOON, risk=Risk.HIGH, person=SOMEBODY),
        ago=timedelta(hours=5),
        id="missing",
    )
    changed = IdentityChanged(of=EventName(source=first.source, id=first.id), person=HIM)
    house.retained.hold(changed, ago=timedelta(hours=1), id="changed")
    await house.add(ROBIN)

    await house.worker().once()

    [page], [moment] = await house.all(pages), await house.all(moments)
    assert page.type == ChildMissing.type
    assert moment.window_ends_at == NOON - timedelta(hours=5) + timedelta(hours=72)


async def test_an_original_that_nobody_has_any_more_leaves_the_fact_as_it_is(house: House) -> None:
    changed = IdentityChanged(of=EventName(source="/police/met", id="gone"), person=HIM)
    fact = fact_of(envelope(changed), sealer=KEYS, at=NOON)

    told, until = await house.worker().originals.told(fact)

    assert (told, until) == (fact, None)


async def test_an_original_that_was_matched_is_found_on_file_without_kafka(house: House) -> None:
    house.retained.hold(arrest(HIM), ago=timedelta(hours=3), id="arrest")
    await house.add(ROBIN)
    await house.worker().once()
    house.retained.letters.clear()
    changed = IdentityChanged(of=EventName(source="/police/met", id="arrest"), person=HIM)

    told, until = await house.worker(me="b").originals.told(fact_of(envelope(changed, id="2"), sealer=KEYS, at=NOON))

    assert (told.type, told.details["suite"]) == ("nightlight.arrest.v1", "Islington")
    assert until == NOON + timedelta(hours=9)
