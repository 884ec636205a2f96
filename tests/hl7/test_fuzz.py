"""Whatever comes, the door answers each frame once, in the shape of an answer, and goes on."""

import asyncio
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from connectors.mllp.framing import Framer, framed
from schemas.envelope import Envelope, pack, unpack
from tests.hl7.cast import DoorKept, message, samples
from tests.hl7.test_triggers import OTHER

ANSWER = re.compile(r"MSH.[^\r]*\rMSA.[AC][AER].[^\r]*\r(ERR[^\r]*\r)?", re.DOTALL)
BASES = [message(event) for event in ("A04", "A08", "A03", "A11", "A40")] + [
    path.read_bytes() for path in samples()[::6]
]

MARKS = [b"|", b"^", b"~", b"\\", b"&", b"\r", b"\n", b'""', b"\x00", b"\xff", b"\xc3", b"\xef\xbb\xbf"]
WORDS = [b"MSH|", b"PID|", b"|" * 200, b"9" * 300, b"2" * 14, b"\\X0D\\", b"\\X", b"\\.br\\", b"\\C2842\\"]
PIECES = st.sampled_from([*MARKS, *WORDS])


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A message with pieces put in, cut out, and turned round."""
    data = draw(st.sampled_from(BASES))
    for _ in range(draw(st.integers(0, 6))):
        start, end = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, min(len(data), 2000)))))
        data = data[:start] + draw(PIECES | st.binary(max_size=5)) + data[end if draw(st.booleans()) else start :]
    return data


def check(door: DoorKept, data: bytes) -> None:
    answer = asyncio.run(door.send(data))
    assert ANSWER.fullmatch(answer), answer
    assert framed(answer.encode()).count(b"\x0b") == 1
    for kept in door.shelf.kept:
        assert isinstance(unpack(pack(kept)), Envelope)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400) | mangled())
def test_any_frame_is_answered_once(data: bytes) -> None:
    check(DoorKept(), data)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(mangled(), min_size=1, max_size=5))
def test_frames_after_one_another_are_each_answered(frames: list[bytes]) -> None:
    door = DoorKept()
    for data in frames:
        check(door, data)


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=60), max_size=10))
def test_the_framer_takes_any_chunks(chunks: list[bytes]) -> None:
    framer = Framer(largest=40)
    for chunk in chunks:
        list(framer.feed(chunk))
    framer.silence()


class ANight(RuleBasedStateMachine):
    """Messages of three visits in any order, each perhaps twice, and Kafka away now and then."""

    @initialize()
    def open(self) -> None:
        self.door = DoorKept()
        self.sent = 0
        self.codes: list[str] = []

    @rule(
        event=st.sampled_from(["A01", "A02", "A03", "A04", "A08", "A11", "A12", "A13", "A31", "A40", "A45"]),
        visit=st.sampled_from(["V1", "V2", ""]),
        minute=st.integers(0, 59),
        other=st.booleans(),
        twice=st.booleans(),
    )
    def send(self, event: str, visit: str, minute: int, other: bool, twice: bool) -> None:
        self.sent += 1
        pid = {"pid": OTHER} if other else {}
        at = f"2026112102{minute:02}00"
        data = message(event, visit=visit, at=at, control_id=f"C{self.sent}", more=["MRG|T100||||V1"], **pid)
        for _ in range(2 if twice else 1):
            answer = asyncio.run(self.door.send(data))
            self.codes.append(answer.split("\rMSA|")[1][:2])

    @rule(away=st.booleans())
    def kafka(self, away: bool) -> None:
        self.door.shelf.away = away

    @invariant()
    def every_answer_is_one_of_two(self) -> None:
        assert set(self.codes) <= {"AA", "AE"}

    @invariant()
    def what_is_taken_back_was_told_in_the_same_source(self) -> None:
        assert {kept.source for kept in self.door.shelf.kept} <= {"barts"}

    @invariant()
    def an_id_is_never_two_types_of_event(self) -> None:
        kinds: dict[str, set[str]] = {}
        for kept in self.door.shelf.kept:
            kinds.setdefault(kept.id, set()).add(kept.type)
        assert all(len(types) == 1 for types in kinds.values())


TestANight = ANight.TestCase
TestANight.settings = settings(max_examples=40, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow])
