"""The line: records are acknowledged in order, once settled, and never one before its predecessor."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.incoming import Incoming
from streams.line import Line


def record(offset: int) -> Incoming:
    return Incoming("nightlight.events.arrests", 0, offset, 0.0, None, b"", {})


class Settling:
    """Settles when told to, and remembers in what batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()

    async def __call__(self, letters: Sequence[Incoming]) -> None:
        self.batches.append([letter.offset for letter in letters])
        await self.go.wait()


async def test_a_record_is_acknowledged_only_once_it_is_settled() -> None:
    settling, acked = Settling(), list[int]()
    line = Line(settling)
    await line.join(record(0), lambda: acked.append(0))
    await asyncio.sleep(0.01)
    assert (settling.batches, acked) == ([[0]], [])

    settling.go.set()
    await asyncio.sleep(0.01)

    assert acked == [0]


async def test_what_comes_while_others_are_settled_goes_together_and_in_order() -> None:
    settling, acked = Settling(), list[int]()
    line = Line(settling)
    for offset in range(4):
        await line.join(record(offset), lambda offset=offset: acked.append(offset))
        await asyncio.sleep(0.001)

    settling.go.set()
    await asyncio.sleep(0.01)

    assert settling.batches == [[0], [1, 2, 3]]
    assert acked == [0, 1, 2, 3]


async def test_a_line_that_stays_a_breath_behind_takes_what_came_meanwhile_along() -> None:
    settling = Settling()
    settling.go.set()
    line = Line(settling, breath=0.05)
    await line.join(record(0), lambda: None)
    await asyncio.sleep(0.01)
    await line.join(record(1), lambda: None)
    assert settling.batches == []

    await asyncio.sleep(0.1)

    assert settling.batches == [[0, 1]]


async def test_a_full_line_waits_for_no_breath() -> None:
    settling, acked, all_in = Settling(), list[int](), asyncio.Event()
    settling.go.set()
    line = Line(settling, at_once=2, breath=30.0)

    def ack(offset: int) -> None:
        acked.append(offset)
        if offset == 5:
            all_in.set()

    async with asyncio.timeout(5):
        for offset in range(6):
            await line.join(record(offset), lambda offset=offset: ack(offset))
        await all_in.wait()

    assert acked == [0, 1, 2, 3, 4, 5]


async def test_under_load_more_are_let_in_before_they_go_and_one_alone_never_waits() -> None:
    settling = Settling()
    settling.go.set()
    line = Line(settling, gather=0.05)
    await line.join(record(0), lambda: None)
    await asyncio.sleep(0.001)
    assert settling.batches == [[0]]

    await line.join(record(1), lambda: None)
    await line.join(record(2), lambda: None)
    await asyncio.sleep(0.001)
    await line.join(record(3), lambda: None)
    await asyncio.sleep(0.1)

    assert settling.batches == [[0], [1, 2, 3]]


async def test_a_full_line_keeps_the_next_one_waiting() -> None:
    settling = Settling()
    line = Line(settling, at_once=1)
    await line.join(record(0), lambda: None)
    await asyncio.sleep(0.001)
    await line.join(record(1), lambda: None)
    third = asyncio.create_task(line.join(record(2), lambda: None))
    await asyncio.sleep(0.01)
    assert not third.done()

    settling.go.set()

    await asyncio.wait_for(third, 1)


async def test_what_is_under_way_when_the_line_closes_is_not_acknowledged() -> None:
    settling, acked = Settling(), list[int]()
    line = Line(settling)
    await line.join(record(0), lambda: acked.append(0))
    await asyncio.sleep(0.001)

    line.close()
    settling.go.set()
    await asyncio.sleep(0.01)

    assert acked == []


async def test_nobody_joins_a_line_that_has_broken() -> None:
    async def breaks(_: Sequence[Incoming]) -> None:
        raise LookupError("a bug of ours")

    line = Line(breaks)
    await line.join(record(0), lambda: None)
    await asyncio.sleep(0.001)

    with pytest.raises(LookupError):
        await line.join(record(1), lambda: None)


@given(pauses=st.lists(st.integers(min_value=0, max_value=3), min_size=1, max_size=40), at_once=st.integers(1, 5))
def test_whatever_the_pace_each_is_settled_once_and_acknowledged_in_order(pauses: list[int], at_once: int) -> None:
    async def play() -> tuple[list[int], list[int]]:
        settled, acked = list[int](), list[int]()

        async def settle(letters: Sequence[Incoming]) -> None:
            assert len(letters) <= at_once
            await asyncio.sleep(0)
            settled.extend(letter.offset for letter in letters)

        line = Line(settle, at_once=at_once)
        for offset, pause in enumerate(pauses):
            await line.join(record(offset), lambda offset=offset: acked.append(offset))
            for _ in range(pause):
                await asyncio.sleep(0)
        while len(acked) < len(pauses):  # noqa: ASYNC110 - the pace is the point
            await asyncio.sleep(0)
        line.close()
        return settled, acked

    settled, acked = asyncio.run(play())

    assert settled == acked == list(range(len(pauses)))
