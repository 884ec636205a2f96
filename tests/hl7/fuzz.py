"""The door under atheris, coverage-guided: `python -m tests.hl7.fuzz -max_total_time=600`. Needs `pip install atheris`, which the
project does not: the tests do the same with hypothesis (test_fuzz.py), in less time and less deep."""

import asyncio
import sys

import atheris

with atheris.instrument_imports(include=["connectors.hl7", "connectors.mllp"]):
    from connectors.mllp.framing import Framer
    from tests.hl7.cast import DoorKept, message
    from tests.hl7.test_fuzz import ANSWER

PREFIX = message().split(b"\r")[0] + b"\r"


def once(data: bytes) -> None:
    """Bytes as a stream, as a frame, and as what comes after a good MSH: each frame has one answer in the shape of one."""
    door = DoorKept()
    framer = Framer(largest=4_096)
    frames = [frame.data for frame in framer.feed(data)]
    for frame in (*frames, data, PREFIX + data):
        answer = asyncio.run(door.send(frame))
        if not ANSWER.fullmatch(answer):
            raise AssertionError("not an answer")


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
