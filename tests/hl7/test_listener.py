"""A frame is answered AA once Kafka has what it says; and whatever is in it, it is answered."""

import asyncio
import gc
import io
import json
import logging
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.hl7.seen import Seen
from connectors.mllp.framing import Frame
from connectors.mllp.gathering import Together
from connectors.mllp.known import Peer
from connectors.publish import NotPublished
from connectors.visits.known import Visits
from schemas import logs
from schemas.envelope import Envelope
from schemas.envelope import Mode as EventMode
from schemas.events import ChildAdmitted
from schemas.settings import Mode
from tests.hl7.cast import BARTS, NOBODY, PID, ROYAL, DoorKept, fields, message, samples
from tests.hl7.test_triggers import OTHER


@pytest.fixture
def door() -> DoorKept:
    return DoorKept()


async def test_an_arrival_is_in_kafka_before_it_is_answered_aa(door: DoorKept) -> None:
    answer = await door.send(message())

    assert fields(answer) == ["MSA", "AA", "C1"]
    [kept] = door.shelf.kept
    assert isinstance(kept.event, ChildAdmitted)
    assert (kept.source, kept.feed, kept.entrance, kept.mode) == ("barts", "barts", "mllp", EventMode.LIVE)
    assert kept.event.person.family_name == "LAMPWICK"
    assert door.metric("nightlight_events_accepted_total", feed="barts", type=kept.type, door="mllp") == 1
    assert door.metric("nightlight_feed_last_seen_timestamp_seconds", feed="barts") == door.now.timestamp()


async def test_while_kafka_is_away_it_is_ae_and_the_same_again_is_aa_once_it_is_back(door: DoorKept) -> None:
    door.shelf.away = True
    first = await door.send(message())
    door.shelf.away = False
    second = await door.send(message())

    assert fields(first)[1:3] == ["AE", "C1"]
    assert "207" in fields(first, "ERR")[1]
    assert fields(second)[1] == "AA"
    assert len(door.shelf.kept) == 1
    assert door.metric("nightlight_events_refused_total", feed="barts", reason="kafka-away") == 1


async def test_what_was_not_kept_is_not_remembered(door: DoorKept) -> None:
    await door.send(message())
    door.shelf.away = True
    await door.send(message("A11", control_id="C2", at="20261121021000"))
    door.shelf.away = False
    await door.send(message("A11", control_id="C2", at="20261121021000"))

    arrival, cancelled = door.shelf.kept
    assert cancelled.event.of.id == arrival.id  # type: ignore[attr-defined]


async def test_the_same_message_twice_is_aa_twice_and_one_event(door: DoorKept) -> None:
    answers = [await door.send(message()) for _ in range(3)]

    assert [fields(answer)[1] for answer in answers] == ["AA"] * 3
    assert len(door.shelf.kept) == 1
    assert door.metric("nightlight_messages_noted_total", feed="barts", door="mllp", reason="duplicate") == 2


async def test_the_same_control_id_with_another_content_is_another_message_and_a_warning(door: DoorKept) -> None:
    said = io.StringIO()
    logs.start("test", to=said)
    await door.send(message(visit="V1"))
    await door.send(message(visit="V2"))
    await door.send(message(visit="V3"))

    assert len(door.shelf.kept) == 3
    assert door.metric("nightlight_messages_noted_total", feed="barts", door="mllp", reason="control-id-reused") == 2
    [line] = [json.loads(line) for line in said.getvalue().splitlines()]
    assert (line["what"], line["feed"]) == ("control-id-reused", "barts")


async def test_a_late_copy_of_a_cancellation_does_not_cancel_what_was_told_anew(door: DoorKept) -> None:
    cancel = message("A11", control_id="C2", at="20261121021000")
    for data in (message(), cancel, message(control_id="C3", at="20261121021500"), cancel):
        await door.send(data)

    assert [kept.type.split(".")[1] for kept in door.shelf.kept] == ["admission", "cancelled", "admission"]


@pytest.mark.parametrize("processing", ["T", "D"])
async def test_a_message_for_testing_is_an_event_for_testing(door: DoorKept, processing: str) -> None:
    await door.send(message(processing=processing))

    assert door.shelf.kept[0].mode is EventMode.TEST


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (message("A28"), "type-not-wanted"),
        (message("A31", patient_class="", visit=""), "no-open-visit"),
        (message(patient_class="O"), "not-an-arrival"),
        (message(pid=NOBODY), "nobody-named"),
        (message(pid=PID.replace("LAMPWICK", "ZZZTEST")), "test-patient"),
        (message().replace(b"ADT^A04", b"ORU^R01"), "type-not-wanted"),
        (message().replace(b"ADT^A04", b"ACK"), "type-not-wanted"),
    ],
)
async def test_what_is_not_wanted_is_aa_and_counted(door: DoorKept, data: bytes, reason: str) -> None:
    assert fields(await door.send(data))[1] == "AA"
    assert door.shelf.kept == []
    assert door.metric("nightlight_messages_noted_total", feed="barts", door="mllp", reason=reason) == 1


@pytest.mark.parametrize(
    ("data", "code", "condition", "control_id"),
    [
        (b"", "AR", "100", ""),
        (b"hello", "AR", "100", ""),
        (b"\xff\x00\x1c\x0d", "AR", "100", ""),
        (b"MSH|^~\\&", "AR", "204", ""),
        (b"PID|1\r" + message(), "AR", "100", "C1"),
        (message() + message(control_id="C2"), "AR", "100", "C1"),
        (message(processing="X"), "AR", "202", "C1"),
        (message(processing=""), "AE", "101", "C1"),
        (message(version="2.9"), "AR", "203", "C1"),
        (message(control_id=""), "AE", "101", ""),
        (message().replace(b"ADT^A04", b""), "AE", "101", "C1"),
        (message(""), "AE", "101", "C1"),
        (message(sender="LAB|RXX"), "AR", "204", "C1"),
        (message(pid=PID.replace("9990000018", "4010232137")), "AE", "103", "C1"),  # a real child's, in a rehearsal
    ],
)
async def test_what_cannot_be_taken_is_answered_with_an_err_segment(
    door: DoorKept, data: bytes, code: str, condition: str, control_id: str
) -> None:
    answer = await door.send(data)

    assert fields(answer)[1:3] == [code, control_id]
    assert condition in fields(answer, "ERR")[1]
    assert door.shelf.kept == []


async def test_a_message_that_is_too_large_is_answered_with_its_control_id(door: DoorKept) -> None:
    answer = (await door.listener.answer(Frame(message(), too_large=True), Peer("127.0.0.1"))).text

    assert fields(answer)[1:3] == ["AR", "C1"]
    assert door.metric("nightlight_events_refused_total", feed="unknown", reason="too-large") == 1


async def test_before_the_senders_are_known_nobody_is_told_that_they_are_strangers() -> None:
    door = DoorKept()
    door.senders._entries = None

    assert fields(await door.send(message()))[1] == "AE"


async def test_a_revoked_sender_is_a_stranger_at_once(door: DoorKept) -> None:
    await door.send(message())
    door.senders.know([])

    assert fields(await door.send(message(control_id="C2")))[1] == "AR"


async def test_a_sender_never_goes_beyond_its_agencys_rights() -> None:
    elsewhere = DoorKept(sender=replace(ROYAL, authority="E09000019"))
    arrests_alone = DoorKept(agency=replace(BARTS, types=frozenset({"nightlight.arrest.v1"})))
    not_agreed = DoorKept(agency=replace(BARTS, agreed=False))

    for door, reason in ((elsewhere, "not-yours"), (arrests_alone, "not-yours"), (not_agreed, "not-agreed")):
        assert fields(await door.send(message()))[1] == "AR"
        assert door.metric("nightlight_events_refused_total", feed="barts", reason=reason) == 1


async def test_in_live_mode_a_real_number_is_taken() -> None:
    door = DoorKept(mode=Mode.LIVE)

    assert fields(await door.send(message(pid=PID.replace("9990000018", "4010232137"))))[1] == "AA"


async def test_a_mistake_of_ours_is_ae_and_the_next_frame_is_taken(
    door: DoorKept, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        async def publish(self, *_: Envelope) -> None:
            raise ZeroDivisionError("LAMPWICK")

    said = io.StringIO()
    logs.start("test", to=said)
    good, door.listener.door.__dict__["publisher"] = door.listener.door.publisher, Broken()
    first = await door.send(message())
    door.listener.door.__dict__["publisher"] = good
    second = await door.send(message(control_id="C2"))

    assert fields(first)[1:3] == ["AE", "C1"]
    assert fields(second)[1] == "AA"
    assert "ZeroDivisionError" in said.getvalue()
    assert "LAMPWICK" not in said.getvalue() + first + caplog.text


async def test_no_personal_value_is_in_a_log_an_answer_or_a_metric(door: DoorKept) -> None:
    said = io.StringIO()
    logs.start("test", to=said, level=logging.DEBUG)
    answers = ""
    for number, event in enumerate(("A04", "A08", "A02", "A40", "A03", "A13", "A11", "A99", "")):
        for pid in (PID, OTHER, NOBODY):
            answers += await door.send(message(event, pid=pid, control_id=f"C{number}", more=["MRG|T100"]))
    answers += await door.send(message(pid=PID.replace("9990000018", "4010232137")))
    metrics = str(list(door.registry.collect()))

    for word in ("LAMPWICK", "ROBIN", "TALLOW", "9990000018", "4010232137", "20100314", "N1 9GU", "T100", "V77"):
        assert word not in said.getvalue() + answers + metrics


async def test_the_senders_clock_decides_nothing_but_order(door: DoorKept) -> None:
    """A clock that is a day slow: the arrival is taken, and its delay shows."""
    door.now += timedelta(days=1)

    assert fields(await door.send(message()))[1] == "AA"
    late = door.metric("nightlight_occurred_to_received_seconds_sum", feed="barts", type="nightlight.admission.v1")
    assert late == 86_400 + 330


async def test_every_message_of_others_gets_one_answer_with_its_control_id(door: DoorKept) -> None:
    for path in samples():
        data = path.read_bytes()
        control_id = (data.split(b"\r")[0].split(b"|") + [b""] * 10)[9].decode()

        answer = await door.send(data)

        assert fields(answer)[2] == control_id, path.name


async def test_memory_is_flat_once_what_is_remembered_is_full(door: DoorKept) -> None:
    door.listener.visits, door.listener.seen = Visits(most=100), Seen(most=100)

    async def send(first: int) -> int:
        for number in range(first, first + 300):
            pid = PID.replace("T100", f"T{number}")
            await door.send(message(control_id=f"C{number}", visit=f"V{number}", pid=pid))
        door.shelf.kept.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    points = [await send(number) for number in range(0, 1500, 300)]
    tracemalloc.stop()

    assert len(door.listener.visits) == 100
    # A visit is 1.7 KB. What pydantic keeps of short texts, which has an end of its own, is 150 bytes a message.
    assert points[-1] - points[1] < 900 * 300


class Slow:
    """A publisher that is told when to go on."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.go = asyncio.Event()
        self.fails = False

    async def publish(self, *envelopes: Envelope) -> None:
        self.calls.append([envelope.id for envelope in envelopes])
        await self.go.wait()
        if self.fails:
            raise NotPublished("away")


def envelope(name: str) -> Any:
    return Envelope.model_construct(id=name)


async def test_those_who_wait_together_go_to_kafka_together_and_in_order() -> None:
    slow = Slow()
    together = Together(slow)
    waiting = [asyncio.create_task(together.publish(envelope(str(number)))) for number in range(10)]
    await asyncio.sleep(0.01)
    slow.go.set()
    await asyncio.gather(*waiting)

    assert [name for call in slow.calls for name in call] == [str(number) for number in range(10)]
    assert len(slow.calls) < 10


async def test_a_failure_is_told_to_everybody_in_it_and_to_nobody_after_it() -> None:
    slow = Slow()
    slow.fails = True
    slow.go.set()
    together = Together(slow)

    results = await asyncio.gather(*(together.publish(envelope(str(n))) for n in range(5)), return_exceptions=True)
    slow.fails = False
    await together.publish(envelope("later"))

    assert all(isinstance(result, NotPublished) for result in results)


async def test_somebody_who_has_gone_holds_up_nobody() -> None:
    slow = Slow()
    together = Together(slow)
    gone, stays = (asyncio.create_task(together.publish(envelope(name))) for name in ("gone", "stays"))
    await asyncio.sleep(0.01)
    gone.cancel()
    slow.go.set()

    await stays
    assert gone.cancelled() or gone.cancelling()
