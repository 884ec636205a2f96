"""The pager's test build: `python -m tests.dying_pager` is the pager, and dies where NIGHTLIGHT_DIE_AT says, as by kill -9."""

import asyncio
import os
import signal

from notifiers.pager import run
from schemas import logs, settings


def die_at(point: str) -> None:
    if point == os.environ.get("NIGHTLIGHT_DIE_AT"):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    logs.start("pager")
    asyncio.run(run(settings.read(), at_point=die_at))
