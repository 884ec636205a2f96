"""What is got from elsewhere is got once: the processes of a test run begin together, and all miss it at the same time."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def one_at_a_time(place: Path) -> Iterator[None]:
    """While the body runs, whoever asks for the same place waits, and should look then whether it is there.

    The lock is a file beside `place`, and goes with the process that holds it, however that ends.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
