"""Worker start to ready, and memory, with the list of the design case and with every child in need in England."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.rooms import memory, ready, rooms, worker

LISTS = (34_000, 400_000)


def figures() -> Iterator[dict[str, Any]]:
    """Seconds to import, seconds from the worker's start to ready (Python's own start included), and MiB when ready."""
    for listed in LISTS:
        with tempfile.TemporaryDirectory() as directory, rooms(Path(directory)) as made:
            imported = made.list_children(listed)
            began = time.perf_counter()
            with worker(made) as (url, process):
                while not ready(url):
                    if process.poll() is not None or time.perf_counter() - began > 300:
                        raise RuntimeError(f"the worker was not ready: see {made.data}/worker.log")
                    time.sleep(0.05)
                seconds = time.perf_counter() - began
                mebibytes = memory(process.pid)
            yield {"figure": "children import", "listed": listed, "seconds": round(imported, 1)}
            yield {"figure": "worker start to ready", "listed": listed, "seconds": round(seconds, 1)}
            yield {"figure": "worker memory when ready", "listed": listed, "mebibytes": mebibytes}
