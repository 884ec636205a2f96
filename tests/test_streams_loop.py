"""The loop: every record is published, buried as a pointer, or stayed on. Never passed by."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from schemas.envelope import pack
from schemas.moments import MOMENTS, OUTCOMES, Decided, Ended, Message, MomentFound, Outcome
from schemas.sealing import Keyring
from schemas.wire import Record, event_key, event_record, message_record
from streams.facts import Result
from streams.incoming import Incoming
from streams.line import AT_ONCE
from streams.loop import DatabaseAway, NotPublished
from streams.pointers import Pointer, Reason, pointer_record
from tests.streams_cast import KEYS, LANE, NOON, STRANGER, House, arrest, envelope, incoming, letter

DEAD_LETTERS = "nightlight.dead-letters"


def sealed(payload: bytes) -> Incoming:
    """A record that opens, and holds this."""
    good = letter()
    place = "\n".join((good.topic, "/police/met", "1"))
    return replace(good, value=KEYS.seal(payload, place=place))


def moved() -> Incoming:
    """One event's ciphertext under another event's headers."""
    other = letter(arrest(STRANGER), id="2")
    return replace(letter(), value=other.value)


def with_a_strange_key() -> Incoming:
    return incoming(event_record(envelope(), Keyring(current="k9", keys={"k9": bytes(32)}, marking=bytes(32))))


POISON: dict[str, tuple[Callable[[], Incoming], Reason]] = {
    "undecodable": (lambda: sealed(b"\xff\xfe"), Reason.MALFORMED),
    "empty": (lambda: replace(letter(), value=b""), Reason.UNSEALED),
    "a tombstone": (lambda: replace(letter(), value=None), Reason.MALFORMED),
    "not a number": (lambda: sealed(pack(envelope()).replace(b'"Islington"', b"NaN")), Reason.MALFORMED),
    "a list": (lambda: sealed(b"[]"), Reason.MALFORMED),
    "100,000 deep": (lambda: sealed(b"[" * 100_000), Reason.MALFORMED),
    "sealed with a key we do not hold": (with_a_strange_key, Reason.UNSEALED),
    "moved from another event": (moved, Reason.UNSEALED),
    "1 MB of noise": (lambda: replace(letter(), value=b"\x01\x02k1" + b"x" * 1_000_000), Reason.UNSEALED),
    "without headers": (lambda: replace(letter(), headers={}), Reason.UNSEALED),
    "of a type nobody knows": (lambda: sealed(b'{"type": "nightlight.unknown.v1"}'), Reason.MALFORMED),
    "a message that no step takes": (
        lambda: incoming(replace(message_record(outcome(), KEYS), topic=OUTCOMES)),
        Reason.FAILED,
    ),
}


def outcome() -> Message:
    ended = Ended(event_key="0" * 64, type="nightlight.heartbeat.v1", outcome=Outcome.NOTED)
    return Decided(ended=(ended,), worker_lane=LANE, decided_at=NOON)


@pytest.mark.parametrize(("poison", "reason"), POISON.values(), ids=POISON.keys())
async def test_what_cannot_be_handled_is_buried_as_a_pointer_and_its_neighbour_goes_on(
    poison: Callable[[], Incoming], reason: Reason
) -> None:
    house = House()
    loop = house.loop()
    bad = replace(poison(), offset=7)

    await loop.settle([bad])
    await loop.settle([letter(offset=8)])

    [pointer] = house.topics.pointers()
    assert (pointer.topic, pointer.partition, pointer.offset, pointer.reason) == (bad.topic, 0, 7, reason)
    assert isinstance(house.topics.messages()[-1], MomentFound)
    assert house.count("nightlight_dead_letters_total", topic=bad.topic, reason=reason.value) == 1


async def test_an_event_that_cannot_be_handled_ends_as_a_dead_letter_under_its_own_key() -> None:
    house = House()

    await house.loop().settle([moved()])

    key = event_key(KEYS, "/police/met", "1")
    assert house.ended() == [Ended(event_key=key, type="nightlight.arrest.v1", outcome=Outcome.DEAD_LETTER)]


async def test_a_record_without_a_name_has_a_pointer_and_no_outcome() -> None:
    house = House()

    await house.loop().settle([replace(letter(), headers={})])

    assert [record.topic for record in house.topics.records] == [DEAD_LETTERS]


async def test_a_type_in_a_header_that_nobody_knows_is_not_repeated() -> None:
    house = House()
    bad = replace(moved(), headers={**moved().headers, "ce_type": b"Upp Made"})

    await house.loop().settle([bad])

    assert "Upp" not in house.topics.messages()[0].model_dump_json()


def test_a_pointer_is_at_most_one_kib_whatever_it_points_to() -> None:
    error = type("E" * 5000, (Exception,), {})("words that quote a record")
    big = Incoming("nightlight.events." + "x" * 200, 2**31 - 1, 2**63 - 1, 0.0, None, b"x" * 2_000_000, {})

    pointer = Pointer.to(big, error, reason=Reason.FAILED, lane=LANE, at=NOON)

    assert len(pointer_record(pointer, KEYS).value) <= 1024
    assert b"quote" not in pointer.model_dump_json().encode()


async def test_a_step_that_breaks_is_buried_by_its_type_and_not_by_its_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def broken(_: Any) -> list[Message]:
        raise LookupError("Upp Made, born 2011-02-03")

    house = House()
    loop = house.loop(steps={type(arrest()): broken})

    await loop.settle([letter()])

    [pointer] = house.topics.pointers()
    assert (pointer.reason, pointer.error) == (Reason.FAILED, "LookupError")
    said = capsys.readouterr()
    assert "Upp" not in said.out + said.err + pointer.model_dump_json()


async def test_a_step_that_hangs_beside_a_working_database_is_buried() -> None:
    async def hangs(_: Any) -> list[Message]:
        await asyncio.sleep(60)
        return []

    house = House()

    await house.loop(steps={type(arrest()): hangs}, limit=0.01).settle([letter()])

    assert [pointer.reason for pointer in house.topics.pointers()] == [Reason.TOO_SLOW]


async def test_a_step_that_hangs_because_the_database_is_away_is_stayed_on() -> None:
    async def hangs(_: Any) -> list[Message]:
        await asyncio.sleep(60)
        return []

    house = House()
    house.shelf.away = True

    settled = await house.loop(steps={type(arrest()): hangs}, limit=0.01).settled(letter())

    assert not settled
    assert house.topics.records == []


async def test_a_database_outage_buries_nothing_and_the_message_goes_through_when_it_is_over() -> None:
    house = House()
    loop = house.loop()
    await loop.settle([letter()])
    found = incoming(house.topics.records.pop())
    house.book.problem = DatabaseAway("gone")
    staying = asyncio.create_task(loop.settle([found]))
    await asyncio.sleep(0.2)
    assert house.topics.records == []
    assert not staying.done()

    house.book.problem = None
    await asyncio.wait_for(staying, 2)

    assert [ended.outcome for ended in house.ended()] == [Outcome.PAGED]


async def test_staying_on_a_message_is_known_to_the_watchdog_as_waiting_and_not_as_settled() -> None:
    now = [0.0]
    house = House()
    house.progress.now = lambda: now[0]
    house.topics.refuses[MOMENTS] = NotPublished("away")
    staying = asyncio.create_task(house.loop().settle([letter(offset=3)]))
    now[0] = 5.0

    await asyncio.sleep(0.1)

    place = (letter().topic, 0)
    assert house.progress.moved_at[place] == 5.0
    assert place not in house.progress.next_offset
    staying.cancel()


async def test_an_outage_of_kafka_is_stayed_on() -> None:
    house = House()
    house.topics.refuses[MOMENTS] = NotPublished("away")

    assert not await house.loop().settled(letter())
    assert house.topics.records == []


async def test_what_will_never_fit_into_kafka_is_buried() -> None:
    house = House()
    house.topics.refuses[MOMENTS] = NotPublished("too large", permanent=True)

    assert await house.loop().settled(letter())
    assert [pointer.reason for pointer in house.topics.pointers()] == [Reason.TOO_LARGE]


async def test_a_pointer_that_kafka_refuses_is_kept_in_postgresql() -> None:
    house = House()
    house.topics.refuses[DEAD_LETTERS] = NotPublished("refused")

    assert await house.loop().settled(moved())

    assert [pointer.reason for pointer in house.shelf.kept] == [Reason.UNSEALED]
    assert [message.kind for message in house.topics.messages()] == ["decided"]


async def test_if_kafka_and_postgresql_refuse_the_pointer_the_loop_stays() -> None:
    house = House()
    house.topics.refuses[DEAD_LETTERS] = NotPublished("refused")
    house.shelf.away = True

    assert not await house.loop().settled(moved())


async def test_a_pointer_is_never_acknowledged_without_its_outcome() -> None:
    house = House()
    house.topics.refuses[OUTCOMES] = NotPublished("refused")

    assert not await house.loop().settled(moved())


async def test_a_break_in_the_burial_itself_is_stayed_on() -> None:
    house = House()
    house.topics.refuses[DEAD_LETTERS] = LookupError("a bug of ours")

    assert not await house.loop().settled(moved())


async def test_a_message_of_the_other_lane_is_left_alone() -> None:
    house = House()
    loop = house.loop()
    await loop.settle([letter()])
    ours: Record = house.topics.records.pop()
    theirs = replace(incoming(ours), headers={**dict(ours.headers), "nl_lane": b"b"})

    assert await loop.settled(theirs)

    assert house.book.written == []
    assert house.topics.records == []


async def test_a_message_of_our_own_carries_our_lane() -> None:
    house = House()

    await house.loop().settle([letter()])

    assert dict(house.topics.records[0].headers)["nl_lane"] == LANE.encode()


async def test_a_decision_is_counted_and_timed_once() -> None:
    house = House()
    loop = house.loop()

    await loop.settle([letter()])
    await loop.settle([letter(arrest(STRANGER), id="2")])

    counted = {
        lane: house.count("nightlight_events_decided_total", type="nightlight.arrest.v1", lane=lane)
        for lane in ("page", "review", "none")
    }
    assert counted == {"page": 1, "review": 0, "none": 1}
    assert house.count("nightlight_received_to_matched_seconds_count", type="nightlight.arrest.v1") == 2


async def test_what_ends_together_is_told_in_one_record_that_fits_whatever_the_line_holds() -> None:
    house = House()
    letters = [letter(arrest(STRANGER), id="x" * 300 + str(number), offset=number) for number in range(AT_ONCE)]

    await house.loop().settle(letters)

    [record] = house.topics.records
    assert len({ended.event_key for ended in house.ended()}) == AT_ONCE
    assert {ended.outcome for ended in house.ended()} == {Outcome.NOT_WATCHED}
    assert len(record.value) < 200 * 1024


async def test_what_is_found_among_many_has_a_record_of_its_own() -> None:
    house = House()

    await house.loop().settle([letter(arrest(STRANGER)), letter(id="2"), letter(arrest(STRANGER), id="3")])

    assert [message.kind for message in house.topics.messages()] == ["moment-found", "decided"]
    assert len(house.ended()) == 2


async def test_each_message_has_the_whole_limit_however_many_there_are() -> None:
    async def slow(said: Any) -> list[Result]:
        await asyncio.sleep(0.06)
        return [Ended(event_key=said.event_key, type=said.fact.type, outcome=Outcome.PAGED)]

    house = House()
    loop = house.loop(steps={MomentFound: slow}, limit=0.15)
    await loop.settle([letter(offset=offset, id=str(offset)) for offset in range(4)])
    found = [incoming(record, offset=offset) for offset, record in enumerate(house.topics.records)]
    house.topics.records.clear()

    await loop.settle(found)

    assert len(house.topics.records) == 1
    assert [ended.outcome for ended in house.ended()] == [Outcome.PAGED] * 4


async def test_one_that_hangs_among_others_is_buried_alone() -> None:
    async def hangs(said: Any) -> list[Result]:
        if said.id == "2":
            await asyncio.sleep(60)
        return [Ended(event_key="0" * 64, type=said.type, outcome=Outcome.NOTED)]

    house = House()

    await house.loop(steps={type(arrest()): hangs}, limit=0.01).settle([letter(), letter(id="2"), letter(id="3")])

    assert [pointer.reason for pointer in house.topics.pointers()] == [Reason.TOO_SLOW]
    assert [ended.outcome for ended in house.ended()] == [Outcome.NOTED, Outcome.DEAD_LETTER, Outcome.NOTED]


async def test_a_stop_in_the_middle_of_a_step_is_not_mistaken_for_an_end() -> None:
    async def hangs(_: Any) -> list[Message]:
        await asyncio.sleep(60)
        return []

    house = House()
    staying = asyncio.create_task(house.loop(steps={type(arrest()): hangs}).settle([letter()]))
    await asyncio.sleep(0)

    staying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await staying

    assert house.topics.records == []
    assert house.progress.next_offset == {}
