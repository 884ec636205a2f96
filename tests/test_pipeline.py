"""The pipeline: what each step makes of what comes in."""

from datetime import date, timedelta

import pytest

from schemas.envelope import Mode
from schemas.events import (
    EVENTS,
    AboutPerson,
    ChildAdmitted,
    ChildDischarged,
    ChildExcluded,
    ChildFound,
    ChildMissing,
    ChildSearched,
    CustodyReleased,
    Event,
    EventCancelled,
    EventName,
    ExclusionKind,
    FeedBeat,
    HearingKind,
    HearingListed,
    IdentityChanged,
    Risk,
    ThreatToLifeWarned,
)
from schemas.moments import (
    MESSAGES,
    Candidate,
    Decision,
    Ended,
    FollowedUp,
    Lane,
    Message,
    MomentFound,
    Outcome,
    ReviewAsked,
)
from schemas.person import Person
from schemas.wire import event_key
from store.pairs import marks
from streams.facts import Result, fact_of
from streams.match import DECEASED, LEFT_OUT
from streams.pipeline import PIPELINE, TOPICS, bind
from tests.streams_cast import (
    CHILD,
    DOUBTFUL,
    KEYS,
    NOON,
    STRANGER,
    WATCHED,
    Book,
    List,
    Originals,
    Pairs,
    arrest,
    envelope,
    noon,
)

EARLIER = EventName(source="/police/met", id="earlier")


def about(person: Person) -> list[AboutPerson]:
    """Every event that says who, about this person."""
    return [
        arrest(person),
        ChildAdmitted(attendance="A1", site="RRV", arrived_at=NOON, person=person),
        ChildExcluded(
            exclusion="X1",
            school_urn="100000",
            kind=ExclusionKind.SUSPENSION,
            starts_on=date(2026, 11, 23),
            decided_at=NOON,
            person=person,
        ),
        ChildMissing(report="M1", force="Met", reported_at=NOON, risk=Risk.HIGH, person=person),
        HearingListed(hearing="H1", court="Made-up", starts_at=NOON, kind=HearingKind.REMAND, person=person),
        ThreatToLifeWarned(warning="T1", force="Met", issued_at=NOON, person=person),
        ChildSearched(encounter="S1", force="Met", at=NOON, outcome="none", person=person),
        IdentityChanged(of=EARLIER, person=person),
    ]


FOLLOW_UPS: list[Event] = [
    CustodyReleased(custody_record="01AB/1/26", force="Met", released_at=NOON),
    ChildDischarged(attendance="A1", site="RRV", left_at=NOON),
    ChildFound(report="M1", force="Met", found_at=NOON),
    EventCancelled(of=EARLIER),
]


async def take(
    what: Event | Message,
    *,
    mode: Mode = Mode.LIVE,
    book: Book | None = None,
    children: List | None = None,
    pairs: Pairs | None = None,
    originals: Originals | None = None,
) -> Result:
    """Run the one step for this, and give the one thing that it led to."""
    ours = {"children": children or List(), "pairs": pairs or Pairs(), "originals": originals or Originals()}
    needs = {**ours, "book": book or Book(), "sealer": KEYS, "clock": noon}
    said = what if isinstance(what, Message) else envelope(what, mode=mode)
    [result] = await bind(needs)[type(what)](said)
    return result


def test_every_event_and_every_message_that_is_listened_to_has_a_step() -> None:
    assert set(PIPELINE) == {*EVENTS.values(), *(kind for kind in MESSAGES.values() if kind.topic in TOPICS)}


def test_a_step_whose_need_is_missing_is_found_at_the_start() -> None:
    with pytest.raises(KeyError, match="children"):
        bind({"sealer": KEYS, "clock": noon, "book": Book()})


@pytest.mark.parametrize("event", about(WATCHED), ids=lambda event: event.type)
async def test_an_event_about_a_watched_child_is_a_moment(event: AboutPerson) -> None:
    found = await take(event)

    assert isinstance(found, MomentFound)
    assert (found.child, found.fact.type, found.fact.occurred_at) == (CHILD.child_id, event.type, NOON)


@pytest.mark.parametrize("event", about(DOUBTFUL), ids=lambda event: event.type)
async def test_an_event_that_may_be_about_a_watched_child_is_put_before_a_person(event: AboutPerson) -> None:
    asked = await take(event)

    assert isinstance(asked, ReviewAsked)
    assert (asked.person, asked.decision.lane) == (DOUBTFUL, Lane.REVIEW)


@pytest.mark.parametrize("event", about(STRANGER)[:-1], ids=lambda event: event.type)
async def test_of_an_event_about_anybody_else_nothing_is_left_but_its_key_and_type(event: AboutPerson) -> None:
    ended = await take(event)

    assert ended == Ended(event_key=event_key(KEYS, "/police/met", "1"), type=event.type, outcome=Outcome.NOT_WATCHED)


async def test_an_identity_that_changed_to_somebody_unwatched_takes_back_what_was_told() -> None:
    followed = await take(IdentityChanged(of=EARLIER, person=STRANGER))

    assert isinstance(followed, FollowedUp)
    assert followed.of == event_key(KEYS, EARLIER.source, EARLIER.id)


async def test_a_fact_keeps_what_the_event_says_and_nothing_of_who() -> None:
    found = await take(arrest())

    assert isinstance(found, MomentFound)
    assert found.fact.details == {"custody_record": "01AB/1/26", "force": "Met", "suite": "Islington"}


async def test_a_changed_identity_keeps_the_event_that_it_corrects() -> None:
    found = await take(IdentityChanged(of=EARLIER, person=WATCHED))

    assert isinstance(found, MomentFound)
    assert found.fact.details == {"of": {"source": "/police/met", "id": "earlier"}}


@pytest.mark.parametrize(
    ("person", "lane"), [(WATCHED, Lane.REVIEW), (DOUBTFUL, Lane.REVIEW)], ids=["watched", "in doubt"]
)
async def test_nobody_is_paged_to_a_child_who_has_died(person: Person, lane: Lane) -> None:
    asked = await take(ChildAdmitted(attendance="A1", site="RRV", arrived_at=NOON, deceased=True, person=person))

    assert isinstance(asked, ReviewAsked)
    assert asked.decision.lane is lane
    assert (DECEASED in asked.decision.why) is (person is WATCHED)


async def test_a_moment_knows_who_it_was_about_by_keyed_hashes_and_which_list_was_asked() -> None:
    found = await take(arrest())

    assert isinstance(found, MomentFound)
    assert found.marks == marks(KEYS, WATCHED)
    assert found.list_version == List().version


async def test_a_record_that_its_sender_restricts_is_said_to_be_so_to_the_matcher() -> None:
    children = List()

    await take(
        ChildAdmitted(attendance="A1", site="RRV", arrived_at=NOON, sensitive=True, person=WATCHED), children=children
    )

    assert children.sensitive


async def test_somebody_whom_a_person_has_said_not_to_be_the_child_is_nobody_and_it_is_told_why() -> None:
    ended = await take(arrest(), pairs=Pairs(said=True))

    assert isinstance(ended, Ended)
    assert ended.outcome is Outcome.NOT_WATCHED


class Near(List):
    """Everybody is near CHILD, and nobody is CHILD; `weight` in bits."""

    weight = 3.0

    def decide(self, *_: object, **__: object) -> Decision:
        near = (Candidate(child=CHILD.child_id, weight=self.weight, probability=0.001),)
        return Decision(lane=Lane.NONE, candidates=near, why=("postcode: same sector (+3.0)",), model="cast")


async def test_no_is_explained_where_somebody_of_the_list_was_near_and_says_nothing_of_who() -> None:
    ended = await take(arrest(STRANGER), children=Near())

    assert isinstance(ended, Ended)
    assert ended.decision is not None
    assert ended.decision.why == ("postcode: same sector (+3.0)",)
    assert "Nobody" not in ended.model_dump_json()


async def test_somebody_for_whom_less_speaks_than_against_is_no_candidate() -> None:
    far = Near()
    far.weight = -0.5

    ended = await take(arrest(STRANGER), children=far)

    assert isinstance(ended, Ended)
    assert ended.decision is None


async def test_a_pair_that_is_left_out_is_named_as_a_reason_where_another_child_remains() -> None:
    class Twins(List):
        def decide(self, *_: object, without: frozenset[str] = frozenset(), **__: object) -> Decision:
            left = [each for each in (CHILD.child_id, "C2") if each not in without]
            near = tuple(Candidate(child=each, weight=20.0, probability=0.9) for each in left)
            return Decision(lane=Lane.PAGE, child=left[0], candidates=near, why=(), model="cast")

    class NotTheFirst(Pairs):
        def unlike(self, *_: object) -> frozenset[str]:
            return frozenset({CHILD.child_id})

    found = await take(arrest(), children=Twins(), pairs=NotTheFirst())

    assert isinstance(found, MomentFound)
    assert (found.child, found.decision.why) == ("C2", (LEFT_OUT,))


@pytest.mark.parametrize("person", [WATCHED, DOUBTFUL], ids=["moment", "review"])
async def test_a_changed_identity_is_told_at_the_place_of_the_event_that_it_corrects(person: Person) -> None:
    first, until, book = fact_of(envelope(arrest(STRANGER)), sealer=KEYS, at=NOON), NOON + timedelta(hours=3), Book()
    message = await take(IdentityChanged(of=EARLIER, person=person))
    assert isinstance(message, Message)

    ended = await take(message, book=book, originals=Originals({("/police/met", "earlier"): (first, until)}))

    [written] = book.written
    assert isinstance(written, MomentFound | ReviewAsked)
    assert (written.fact.type, written.fact.details["suite"], written.until) == (
        "nightlight.arrest.v1",
        "Islington",
        until,
    )
    assert isinstance(ended, Ended)
    assert ended.type == IdentityChanged.type


@pytest.mark.parametrize("event", FOLLOW_UPS, ids=lambda event: event.type)
async def test_a_follow_up_is_handed_on_with_what_it_follows(event: Event) -> None:
    followed = await take(event)

    assert isinstance(followed, FollowedUp)
    assert followed.fact.subject_key == KEYS.mark("subject", event.subject)
    assert followed.of == (event_key(KEYS, EARLIER.source, EARLIER.id) if isinstance(event, EventCancelled) else None)


async def test_a_release_names_the_custody_record_of_its_arrest() -> None:
    first, later = await take(arrest()), await take(FOLLOW_UPS[0])

    assert isinstance(first, MomentFound)
    assert isinstance(later, FollowedUp)
    assert later.fact.subject_key == first.fact.subject_key


async def test_a_heartbeat_is_noted() -> None:
    beat = await take(FeedBeat())

    assert isinstance(beat, Ended)
    assert beat.outcome is Outcome.NOTED


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (arrest(), Outcome.PAGED),
        (arrest(DOUBTFUL), Outcome.REVIEW),
        (FOLLOW_UPS[0], Outcome.NOTED),
        (FOLLOW_UPS[3], Outcome.CANCELLED),
    ],
    ids=["moment", "review", "release", "cancelled"],
)
async def test_what_was_found_is_written_in_the_book_and_ends_as_the_book_says(event: Event, outcome: Outcome) -> None:
    book = Book()
    message = await take(event)
    assert isinstance(message, Message)

    ended = await take(message, book=book)

    assert book.written == [message]
    assert ended == Ended(event_key=event_key(KEYS, "/police/met", "1"), type=event.type, outcome=outcome)


@pytest.mark.parametrize("event", [arrest(), arrest(DOUBTFUL), FOLLOW_UPS[0]], ids=["moment", "review", "release"])
async def test_an_event_in_mode_test_goes_the_whole_way_and_nothing_is_written(event: Event) -> None:
    book = Book()
    message = await take(event, mode=Mode.TEST)
    assert isinstance(message, Message)

    ended = await take(message, book=book)

    assert book.written == []
    assert isinstance(ended, Ended)
    assert ended.outcome is Outcome.TEST
