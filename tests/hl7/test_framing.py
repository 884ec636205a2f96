"""Frames are found in a stream of bytes, however it is cut, and whatever lies between them."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mllp.framing import HEAD, Frame, Framer, framed
from tests.hl7.cast import DoorKept, message, samples

BEGIN, END = b"\x0b", b"\x1c\x0d"


def read(*chunks: bytes, largest: int = 1 << 20) -> list[Frame]:
    framer = Framer(largest)
    return [frame for chunk in chunks for frame in framer.feed(chunk)]


def texts(*chunks: bytes, largest: int = 1 << 20) -> list[bytes]:
    return [frame.data for frame in read(*chunks, largest=largest)]


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (b"\x0bA\x1c\r", [b"A"]),
        (b"\x0bA\x1c\r\x0bB\x1c\r", [b"A", b"B"]),
        (b"noise\x0bA\x1c\r\r\n\x00\xffnoise\x1c\r\x0bB\x1c\r", [b"A", b"B"]),
        (b"\x0bhalf\x0bA\x1c\r", [b"A"]),
        (b"\x0b\x0b\x0bA\x1c\r", [b"A"]),
        (b"\x0b\x1c\r", [b""]),
        (b"\x0bA\x1c\n", [b"A"]),
        (b"\x0bA\x1c\x0bB\x1c\r", [b"A", b"B"]),
        (b"\x0bA\x1cB\x1c\r", [b"A\x1cB"]),
        (b"\x0bA\x1c\x1c\r", [b"A\x1c"]),
        (b"\x0bA", []),
        (b"A\x1c\r", []),
        (b"\x0bA\x1c", []),
        (b"", []),
    ],
)
def test_what_is_between_the_marks_is_a_frame(stream: bytes, found: list[bytes]) -> None:
    assert texts(stream) == found
    assert texts(*(stream[place : place + 1] for place in range(len(stream)))) == found


@given(st.lists(st.binary(max_size=40).filter(lambda text: not {0x0B, 0x1C} & set(text)), max_size=6), st.data())
def test_frames_are_the_same_wherever_the_stream_is_cut(contents: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(b"noise\r\n" + BEGIN + content + END for content in contents)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    assert texts(*chunks) == contents


@given(st.binary(max_size=200), st.data())
def test_any_bytes_give_the_same_frames_wherever_they_are_cut(stream: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(stream)))

    assert read(stream[:cut], stream[cut:], largest=50) == read(stream, largest=50)


def test_an_end_mark_before_a_silence_ends_the_frame() -> None:
    framer = Framer()
    assert list(framer.feed(b"\x0bA\x1c")) == []

    assert framer.at_end_mark
    assert framer.silence() == Frame(b"A")
    assert not framer.inside
    assert list(framer.feed(b"\r\x0bB\x1c\r")) == [Frame(b"B")]


def test_a_silence_in_the_middle_of_a_frame_ends_nothing() -> None:
    framer = Framer()
    list(framer.feed(b"\x0bA\x1cB"))

    assert framer.silence() is None
    assert framer.inside


@pytest.mark.parametrize("chunk", [1, 7, 1000, 10**6])
def test_a_message_that_is_too_large_is_one_frame_of_its_beginning(chunk: int) -> None:
    size = 20_000 if chunk == 1 else 300_000
    stream = BEGIN + b"M" * size + END + BEGIN + b"next" + END

    frames = read(*(stream[at : at + chunk] for at in range(0, len(stream), chunk)), largest=10_000)

    assert [(frame.data[:2], frame.too_large) for frame in frames] == [(b"MM", True), (b"ne", False)]
    assert len(frames[0].data) <= HEAD


def test_a_message_of_just_the_largest_size_is_taken() -> None:
    assert read(BEGIN + b"M" * 100 + END, largest=100) == [Frame(b"M" * 100)]
    assert read(BEGIN + b"M" * 101 + END, largest=100)[0].too_large


def test_a_message_without_an_end_takes_no_more_memory_than_the_largest() -> None:
    framer = Framer()
    list(framer.feed(BEGIN))
    chunk = b"M" * 65_536
    tracemalloc.start()

    for _ in range(500):  # 32 MiB
        assert list(framer.feed(chunk)) == []

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 << 20


def test_noise_is_dropped_as_it_comes_and_counted() -> None:
    framer = Framer()
    for _ in range(100):
        list(framer.feed(b"x" * 1000))
    list(framer.feed(b"\x0bhalf\x0bA\x1c\r"))

    assert (framer.noise, framer.halves) == (100_000, 1)


def test_an_answer_holds_no_mark_inside() -> None:
    assert framed(b"MSA|AA|\x0bC\x1c1\r") == b"\x0bMSA|AA|C1\r\x1c\r"


async def test_every_message_of_others_cut_at_every_byte_is_answered_as_the_whole() -> None:
    """The frames are the same, byte for byte, so the answers are; a few are asked for to be sure."""
    for path in samples() or [None]:
        data = path.read_bytes() if path else message()
        stream = framed(data)
        [whole] = read(stream)
        expected = await DoorKept().send(whole.data)

        for cut in range(1, len(stream)):
            assert read(stream[:cut], stream[cut:]) == [whole], (path, cut)

        [again] = read(*(stream[place : place + 1] for place in range(len(stream))))
        assert await DoorKept().send(again.data) == expected
