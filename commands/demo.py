"""`nightlight demo`: `up` with made-up data, the phone on the screen, and the story told line by line."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from commands.house import refuse, settings
from commands.up import FIRST_PORT, Up, everything, stopped_by_signals
from connectors.topics import connection
from embedded.demo.story import clock
from schemas.base import utc_now
from schemas.settings import PREFIX, BadSettings, Mode, Settings, read

KEPT = frozenset({"DATA_DIR"})
"""All that the demo takes from the environment: an operator's providers, broker and database are not its own."""

NAMED = ("KAFKA", "DATABASE_URL", "KEYRING_FILE")
"""What begins so is taken as well with `--here`: compose's demo plays on the broker and database beside it."""

LAST_WORDS = 5  # lines of the processes' log that are shown when one of them could not start

KEYS = (
    "Enter or 1: accept · 2: nobody answers · 3: the text fails · 4: a feed falls silent · 5: kill a worker · q: quit"
)


def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="play one moment of each kind; exit 0 only if all were accepted")
    ] = False,
    data: Annotated[Path | None, typer.Option(help="keep what the demo makes in this directory")] = None,
    ports_from: Annotated[int, typer.Option(help="the first of ten ports", min=1024, max=65_000)] = FIRST_PORT,
    here: Annotated[bool, typer.Option("--here", help="use the Kafka and database named in the environment")] = False,
) -> None:
    """Everything on this machine, in rehearsal: made-up children, a pretend phone, one page that says what to click."""
    if is_live(os.environ):
        refuse("The demo is a rehearsal and does not run with NIGHTLIGHT_MODE=live: unset it first.")
    scrub(os.environ, here=here)
    given = settings()
    say = Teller()
    # Until the watching begins: being stopped unwinds what has been started, whichever signal it is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _home(given, data) as home:
        log = home / "demo.log"
        try:
            with everything(
                given.model_copy(update={"data_dir": home}), ports_from, tell=say.progress, without={"phone"}, log=log
            ) as house:
                failed = _play(house, say, headless=headless)
        except typer.Exit:
            _last_words(log)
            raise
    say.progress("stopped" if data else "stopped, and what it made is deleted")
    if failed:
        refuse("\n".join(failed))


def is_live(environment: Mapping[str, str]) -> bool:
    """Is this a machine where real people are paged? Nothing else of the environment is looked at: none of it is used."""
    try:
        return (
            read({name: value for name, value in environment.items() if name.startswith(f"{PREFIX}MODE")}).mode
            is Mode.LIVE
        )
    except BadSettings as problem:
        refuse(str(problem))


def scrub(environment: MutableMapping[str, str], *, here: bool = False) -> None:
    """Take every setting out of the environment that is not the demo's: it cannot reach a phone that it does not know of."""
    for name in [name for name in environment if name.startswith(PREFIX)]:
        setting = name.removeprefix(PREFIX)
        if setting not in KEPT and not (here and setting.startswith(NAMED)):
            del environment[name]


class Teller:
    """Lines on the terminal: progress while things start, each with its time, and then the story."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._playing = False

    def progress(self, sentence: str) -> None:
        """Something has started, or, once the play is on, something has happened to a process."""
        sentence = re.sub(r" \([0-9.]+ s\)$", "", sentence)  # the supervisor counts from its own start
        if self._playing:
            self.line(f"{clock(utc_now())}  {sentence}")
            return
        typer.echo(f" ✓ {sentence} ({time.monotonic() - self._began:.1f} s)")

    def line(self, line: object) -> None:
        """A line of the story."""
        self._playing = True
        typer.echo(f" {line}")


def _play(house: Up, say: Teller, *, headless: bool) -> list[str]:
    """Host the screen and the phone in a thread while this one watches the processes. Returns what was missing, headless."""
    # Here, because every process of ours imports this module, and only this one needs the screen.
    from embedded.demo.host import Ask, CannotPlay, Place, host
    from embedded.demo.load import NotOurs

    place = Place(
        settings=house.given.model_copy(update={"listen": house.urls["phone"].removeprefix("http://")}),
        kafka=connection(house.given),
        urls=house.urls,
        processes=house.supervisor,
    )
    ask = Ask(say=say.line, progress=say.progress, headless=headless, keys=None if headless else KEYS)

    def end(_: "Future[list[str]]") -> None:
        house.supervisor.stopping = True

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="demo") as pool, stopped_by_signals(house.supervisor):
        playing = pool.submit(lambda: asyncio.run(host(place, ask)))
        playing.add_done_callback(end)
        house.supervisor.watch()
        ask.stop()
        try:
            return playing.result()
        except (CannotPlay, NotOurs) as problem:
            refuse(str(problem))


@contextlib.contextmanager
def _home(given: Settings, data: Path | None) -> Iterator[Path]:
    """A directory of the demo's own: no `up` ever has it, and it is deleted at the end unless it was named."""
    if data is not None:
        yield data
        return
    room = given.data_dir.absolute() / "demo"
    _forget_the_dead(room)
    home = room / f"run-{os.getpid()}"
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _forget_the_dead(room: Path) -> None:
    """Delete what demos left that were killed before they could."""
    for left in room.glob("run-*"):
        number = left.name.removeprefix("run-")
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (ValueError, PermissionError):  # not one of ours
            continue


def _last_words(log: Path) -> None:
    if log.exists() and (lines := log.read_text(errors="replace").splitlines()[-LAST_WORDS:]):
        sys.stderr.write("\n".join(["The last lines of the processes' log:", *lines, ""]))
