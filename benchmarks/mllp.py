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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

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
            before, began = processor_seconds(pid), time.perf_counter()
            count = asyncio.run(flood(port, None, first=10_000, seconds=SECONDS))
            took = time.perf_counter() - began
            used = 1e6 * (processor_seconds(pid) - before) / count
            figure = {"rate": round(count / took), "goal": GOAL_RATE, "processor_us": round(used)}
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


def registration(number: int) -> bytes:
    """One arrival of a child of its own."""
    pid = PID.replace("T100", f"T{number}").replace("ROBIN", f"ROBIN{number}")
    return framed(message(control_id=f"C{number}", visit=f"V{number}", pid=pid))


async def flood(port: int, count: int | None, *, first: int, seconds: float = math.inf) -> int:
    """Messages as fast as they are answered, on every connection one at a time. How many were answered AA."""
    numbers = iter(range(first, first + count)) if count is not None else iter(range(first, first + 10_000_000))
    until = time.perf_counter() + seconds
    answered = 0

    async def one() -> None:
        nonlocal answered
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            if time.perf_counter() > until:
                break
            writer.write(registration(number))
            await accepted(reader)
            answered += 1
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return answered


async def paced(port: int, rate: float, seconds: float, *, first: int) -> list[float]:
    """Messages at a rate, each on a connection that is free. The seconds that each waited for its answer."""
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    waits: list[float] = []

    async def one(number: int) -> None:
        began = time.perf_counter()
        reader, writer = await free.get()
        writer.write(registration(number))
        await accepted(reader)
        waits.append(time.perf_counter() - began)
        free.put_nowait((reader, writer))

    began, tasks = time.perf_counter(), []
    for place in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + place / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one(first + place)))
    await asyncio.gather(*tasks)
    while not free.empty():
        free.get_nowait()[1].close()
    return waits


async def accepted(reader: asyncio.StreamReader) -> None:
    answer = await reader.readuntil(b"\x1c\r")
    if b"\rMSA|AA|" not in answer:
        raise RuntimeError(f"not accepted: {answer!r}")
