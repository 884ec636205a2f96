"""A real worker for tests that kill it: `python -m tests.streams_worker LANE`, settings from the environment.

Its list is a fake, so that one event can hang it: what a person is called says what happens. Made-up arguments:
`--unassigned S`, `--stalled S` are the watchdog's limits, `--held FILE` says that the database is away for "Held" while
FILE exists.
"""

import argparse
import ctypes
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from schemas import settings
from schemas.child import WatchedChild
from schemas.moments import Decision, Lane
from schemas.person import Person
from streams.loop import DatabaseAway
from streams.matching import Question
from streams.watchdog import Limits
from streams.worker import run


class List:
    """Nobody is watched; a few names do harm."""

    def __init__(self, held: Path | None) -> None:
        self._held = held

    def __len__(self) -> int:
        return 0

    def load(self, children: Iterable[WatchedChild]) -> None:
        list(children)

    def put(self, child: WatchedChild) -> None: ...

    def remove(self, child_id: str) -> None: ...

    def decide_all(self, questions: Sequence[Question], **_: object) -> list[Decision]:
        return [self._decide(question.person, question.door) for question in questions]

    def _decide(self, person: Person, door: str | None) -> Decision:
        match person.family_name if door == "arrest" else None:
            case "Slow":
                time.sleep(0.05)
            case "Blocks":
                time.sleep(600)
            case "Kills the consumer":
                _raise_in_the_thread_of_the_consumer()
            case "Held" if self._held and self._held.exists():
                raise DatabaseAway("held by the test")
        return Decision(lane=Lane.NONE, model="none")


def _raise_in_the_thread_of_the_consumer() -> None:
    for thread in threading.enumerate():
        if type(getattr(thread, "service", None)).__name__ == "AIOKafkaConsumerThread":
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("lane")
    arguments.add_argument("--unassigned", type=float, default=45)
    arguments.add_argument("--stalled", type=float, default=60)
    arguments.add_argument("--held", type=Path)
    given = arguments.parse_args()
    limits = Limits(unassigned=given.unassigned, stalled=given.stalled, tick=0.2, ask_again=0.5)
    run(settings.read(), given.lane, limits=limits, index=List(given.held))


if __name__ == "__main__":
    main()
