"""HL7 messages a second through one `nightlight mllp`, each answered after Kafka has it; the answer's p99 at a region's peak; memory.

`python -m benchmarks mllp`; with `--messages N`, that many for the memory (20,000 otherwise; 1,000,000 is the goal).
"""

import asyncio
import contextlib
import math
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from benchmarks import register
from benchmarks.rooms import Rooms, memory, processor_seconds, ready, rooms
from connectors.mllp.framing import framed
from tests.hl7.cast import PID, message
from tests.house import ROOT, eventually, free_ports

CONNECTIONS = 200
SECONDS = 20.0
PEAK = 150.0
MESSAGES = 20_000
GOAL_RATE = 1_000
GOAL_GROWTH = 10  # MiB, after the memory of visits and of control ids is as full as it gets

NUMBER = "@@@"
NHS = "##########"
"""In the template of a message: what makes it another one."""

SENDERS = "sender,agency,application,facility,site\nroyal,barts,PAS,R1H12,R1H12\n"


def figures(options: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """One line for each. `options`: `--messages N`."""
    messages = int(options[1]) if options else MESSAGES
    with tempfile.TemporaryDirectory() as directory, rooms(Path(directory)) as made:
        made.command("agencies", "add", "barts", "--types", "admission", "--authorities", "*")
        table = made.data / "senders.csv"
        table.write_text(SENDERS)
        made.command("feeds", "import", str(table))
        on = {"broker": "Apache Kafka" if made.real else "embedded", "connections": CONNECTIONS}
        with door(made) as (port, pid):
            asyncio.run(flood(port, 2_000, first=0))  # connections, caches and the broker's log are warm
            before, own, began = processor_seconds(pid), time.process_time(), time.perf_counter()
            count = asyncio.run(flood(port, None, first=10_000, seconds=SECONDS))
            took = time.perf_counter() - began
            used = 1e6 * (processor_seconds(pid) - before) / count
            sender = 1e6 * (time.process_time() - own) / count
            figure: dict[str, Any] = {"rate": round(count / took), "goal": GOAL_RATE}
            figure |= {"processor_us": round(used), "sender_us": round(sender)}
            yield {"figure": "HL7 messages a second, each answered after Kafka has it", **figure, **on}

            waits = sorted(asyncio.run(paced(port, PEAK, SECONDS, first=1_000_000)))
            p50, p99 = (round(1000 * waits[math.ceil(len(waits) * share) - 1], 1) for share in (0.5, 0.99))
            figure = {"rate": PEAK, "p50_ms": p50, "p99_ms": p99, "worst_ms": round(1000 * waits[-1], 1)}
            yield {"figure": "the answer at a region's peak", **figure, **on}

            points = [memory(pid)]
            for part in range(10):
                asyncio.run(flood(port, messages // 10, first=2_000_000 + part * messages))
                points.append(memory(pid))
            yield {"figure": "memory, MiB, before and after each tenth", "messages": messages, "mib": points, **on}


@contextlib.contextmanager
def door(made: Rooms) -> Iterator[tuple[int, int]]:
    """One `nightlight mllp`. Its HL7 port and its process id."""
    port = free_ports(2)
    environment = {
        **made.environment,
        "NIGHTLIGHT_LISTEN": f"127.0.0.1:{port}",
        "NIGHTLIGHT_MLLP_LISTEN": f"127.0.0.1:{port + 1}",
    }
    with (
        (made.data / "mllp.log").open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-m", "nightlight", "mllp"], cwd=ROOT, env=environment, stderr=log
        ) as process,
    ):
        try:
            eventually(lambda: ready(f"http://127.0.0.1:{port}"), within=60)
            yield port + 1, process.pid
        finally:
            process.terminate()


def _template() -> bytes:
    pid = PID.replace("T100", f"T{NUMBER}").replace("ROBIN", f"ROBIN{NUMBER}").replace("9990000018", NHS)
    return framed(message(control_id=f"C{NUMBER}", visit=f"V{NUMBER}", pid=pid))


TEMPLATE = _template()


def registration(number: int) -> bytes:
    """One arrival of a child of its own. Made from a template: what the sender costs is taken from the same two cores."""
    nhs = register.nhs_number(number % 1_000_000) or "9990000018"
    return TEMPLATE.replace(NUMBER.encode(), b"%d" % number).replace(NHS.encode(), nhs.encode())


class Line(asyncio.Protocol):
    """One connection, on which one message at a time waits for its answer. `heard` is called when it has it; `over` fails if
    it is another one than AA, or if the connection ends before `over` is done."""

    def __init__(self, heard: Callable[["Line"], None], over: "asyncio.Future[None]") -> None:
        self._heard = heard
        self._over = over
        self._answer = b""
        self.asked = 0.0

    @classmethod
    async def to(cls, port: int, heard: Callable[["Line"], None], over: "asyncio.Future[None]") -> "Line":
        _, line = await asyncio.get_running_loop().create_connection(lambda: cls(heard, over), "127.0.0.1", port)
        return line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._fail("the connection has ended")

    def ask(self, number: int, *, due: float) -> None:
        """Send a message that was to be sent at `due`, by `time.perf_counter`."""
        self.asked = due
        self._transport.write(registration(number))

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._answer.endswith(b"\x1c\r"):
            return None
        if b"\rMSA|AA|" not in self._answer:
            return self._fail(f"not accepted: {self._answer!r}")
        self._answer = b""
        return self._heard(self)

    def _fail(self, why: str) -> None:
        if not self._over.done():
            self._over.set_exception(RuntimeError(why))

    def close(self) -> None:
        self._transport.close()


async def flood(port: int, count: int | None, *, first: int, seconds: float = math.inf) -> int:
    """Messages as fast as they are answered, on every connection one at a time. How many were answered AA."""
    numbers = iter(range(first, first + (count or 10_000_000)))
    until = time.perf_counter() + seconds
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    busy = CONNECTIONS
    answered = -CONNECTIONS  # each begins without an answer

    def go_on(line: Line) -> None:
        nonlocal answered, busy
        answered += 1
        now = time.perf_counter()
        number = next(numbers, None) if now < until else None
        if number is not None:
            line.ask(number, due=now)
            return
        busy -= 1
        if not busy:
            over.set_result(None)

    lines = [await Line.to(port, go_on, over) for _ in range(CONNECTIONS)]
    for line in lines:
        go_on(line)
    await over
    for line in lines:
        line.close()
    return answered


async def paced(port: int, rate: float, seconds: float, *, first: int) -> list[float]:
    """Messages at a rate, each on a connection that is free. The seconds from when each was due until it was answered."""
    waits: list[float] = []
    free: deque[Line] = deque()
    due: deque[tuple[int, float]] = deque()
    count = int(rate * seconds)
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def send() -> None:
        while free and due:
            number, at = due.popleft()
            free.popleft().ask(number, due=at)

    def heard(line: Line) -> None:
        waits.append(time.perf_counter() - line.asked)
        free.append(line)
        send()
        if len(waits) == count:
            over.set_result(None)

    lines = [await Line.to(port, heard, over) for _ in range(CONNECTIONS)]
    free.extend(lines)
    began = time.perf_counter()
    for place in range(count):
        at = began + place / rate
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        due.append((first + place, at))
        send()
    await over
    for line in lines:
        line.close()
    return waits
