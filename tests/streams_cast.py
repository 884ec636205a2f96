"""The cast of the streams tests: one watched child, everybody else, noon on a fixed day; and fakes that remember."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from prometheus_client import CollectorRegistry

from schemas.child import WatchedChild
from schemas.envelope import Envelope, Mode
from schemas.events import ArrestReported, Event
from schemas.metrics import Metrics
from schemas.moments import (
    Candidate,
    Decided,
    Decision,
    Ended,
    Fact,
    FollowedUp,
    Lane,
    Message,
    MomentFound,
    Outcome,
    ReviewAsked,
)
from schemas.person import Person
from schemas.sealing import Keyring
from schemas.wire import Record, event_record, read_message
from streams.incoming import Incoming
from streams.loop import DatabaseAway, Loop
from streams.pipeline import bind
from streams.pointers import Pointer, read_pointer
from streams.progress import Progress

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LANE = "a"
KEYS = Keyring.make()

CHILD = WatchedChild(
    child_id="C1",
    authority="E09000019",
    team="Islington",
    family_name="Made",
    given_name="Upp",
    date_of_birth=date(2011, 2, 3),
    nhs_number="9990000018",
)
WATCHED = Person(family_name="Made", given_name="Upp", date_of_birth=date(2011, 2, 3), nhs_number="9990000018")
DOUBTFUL = Person(family_name="Made", given_name="Upp", date_of_birth=date(2011, 2, 3))
STRANGER = Person(family_name="Nobody", given_name="Known", date_of_birth=date(1990, 1, 1))


def noon() -> datetime:
    return NOON


def arrest(person: Person = WATCHED, *, custody_record: str = "01AB/1/26") -> ArrestReported:
    return ArrestReported(custody_record=custody_record, force="Met", suite="Islington", person=person)


def envelope(event: Event | None = None, *, id: str = "1", mode: Mode = Mode.LIVE) -> Envelope:  # noqa: A002
    return Envelope(
        id=id,
        source="/police/met",
        time=NOON,
        authority="E09000019",
        mode=mode,
        feed="met",
        entrance="http",
        received_at=NOON,
        event=event or arrest(),
    )


def incoming(record: Record, *, offset: int = 0, partition: int = 0) -> Incoming:
    """A record as it comes back from Kafka."""
    return Incoming(record.topic, partition, offset, NOON.timestamp(), record.key, record.value, dict(record.headers))


def letter(event: Event | None = None, *, offset: int = 0, **about: Any) -> Incoming:
    """An event as the loop takes it."""
    return incoming(event_record(envelope(event, **about), KEYS), offset=offset)


@dataclass
class List:
    """A list of one child: sure with the NHS number, in doubt without."""

    asked: list[str | None] = field(default_factory=list)
    sensitive: bool = False
    version: int = 7

    def decide(
        self, person: Person, door: str | None, *, sensitive: bool = False, without: frozenset[str] = frozenset()
    ) -> Decision:
        self.asked.append(door)
        self.sensitive = sensitive
        if person.family_name != CHILD.family_name or CHILD.child_id in without:
            return Decision(lane=Lane.NONE, model="cast")
        lane = Lane.PAGE if person.nhs_number else Lane.REVIEW
        near = (Candidate(child=CHILD.child_id, weight=20.0, probability=0.99),)
        why = ("nhs_number: the same (+20.0)",)
        return Decision(lane=lane, child=CHILD.child_id, candidates=near, why=why, model="cast")


@dataclass
class Pairs:
    """What was said not to be CHILD: nobody, or everybody."""

    said: bool = False

    def unlike(self, _: Person, decision: Decision) -> frozenset[str]:
        return frozenset(each.child for each in decision.candidates) if self.said else frozenset()


@dataclass
class Originals:
    """The events that changes of identity are about, by (source, id)."""

    known: dict[tuple[str, str], tuple[Fact, datetime]] = field(default_factory=dict)

    async def told(self, fact: Fact) -> tuple[Fact, datetime | None]:
        of = fact.details["of"]
        if (found := self.known.get((of["source"], of["id"]))) is None:
            return fact, None
        original, until = found
        whole = {"type": original.type, "details": {**original.details, "of": of}}
        return fact.model_copy(update=whole), until


@dataclass
class Book:
    """A book that remembers. It opens a child's first moment and joins the rest, like the real one."""

    written: list[Message] = field(default_factory=list)
    problem: Exception | None = None

    async def open_or_join(self, found: MomentFound, *, at: datetime) -> Outcome:
        again = any(isinstance(each, MomentFound) and each.child == found.child for each in self.written)
        self._write(found, at)
        return Outcome.JOINED if again else Outcome.PAGED

    async def ask_review(self, asked: ReviewAsked, *, at: datetime) -> Outcome:
        self._write(asked, at)
        return Outcome.REVIEW

    async def follow_up(self, followed: FollowedUp, *, at: datetime) -> Outcome:
        self._write(followed, at)
        return Outcome.CANCELLED if followed.of else Outcome.NOTED

    def _write(self, message: Message, at: datetime) -> None:
        if self.problem is not None:
            raise self.problem
        assert at == NOON
        self.written.append(message)


@dataclass
class Topics:
    """Kafka that remembers what was published, and refuses what it is told to, by topic."""

    records: list[Record] = field(default_factory=list)
    refuses: dict[str, Exception] = field(default_factory=dict)

    async def publish(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.topic in self.refuses:
                raise self.refuses[record.topic]
        self.records += records

    def messages(self) -> list[Message]:
        """What our own steps have said, opened again."""
        ours = [each for each in self.records if any(name == "nl_kind" for name, _ in each.headers)]
        return [read_message(each.topic, each.value, dict(each.headers), KEYS) for each in ours]

    def pointers(self) -> list[Pointer]:
        buried = [each for each in self.records if each.topic == "nightlight.dead-letters"]
        return [read_pointer(incoming(each), KEYS) for each in buried]


@dataclass
class Shelf:
    """PostgreSQL as the loop sees it."""

    kept: list[Pointer] = field(default_factory=list)
    away: bool = False

    async def keep(self, pointer: Pointer) -> None:
        if self.away:
            raise DatabaseAway("away")
        self.kept.append(pointer)

    async def answers(self) -> bool:
        return not self.away


@dataclass
class House:
    """A loop with every part of it in reach."""

    children: List = field(default_factory=List)
    book: Book = field(default_factory=Book)
    pairs: Pairs = field(default_factory=Pairs)
    originals: Originals = field(default_factory=Originals)
    topics: Topics = field(default_factory=Topics)
    shelf: Shelf = field(default_factory=Shelf)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    progress: Progress = field(default_factory=Progress)

    def loop(self, *, steps: Mapping[type[Any], Any] | None = None, **changes: Any) -> Loop:
        ours = {"children": self.children, "pairs": self.pairs, "book": self.book, "originals": self.originals}
        needs = {**ours, "sealer": KEYS, "clock": noon}
        loop = Loop(
            steps={**bind(needs), **(steps or {})},
            publish=self.topics.publish,
            shelf=self.shelf,
            sealer=KEYS,
            metrics=Metrics.build(self.registry),
            progress=self.progress,
            clock=noon,
            lane=LANE,
        )
        return replace(loop, **changes)

    def ended(self) -> list[Ended]:
        """How events ended, as the outcomes topic says it."""
        return [ended for each in self.topics.messages() if isinstance(each, Decided) for ended in each.ended]

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0
