"""Several processes in one terminal: started in order, watched, begun again when one dies, stopped together within ten seconds."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from embedded.server import EmbeddedError, Leash, unbroken

READY_WITHIN = 60  # seconds: 8 on two idle cores
GRACE = 6  # seconds from being asked to stop until being killed; all of it within the contract's ten
PAUSES = (0.5, 1, 2, 5)  # seconds before a dead process is begun again, growing while it keeps dying


@dataclass(frozen=True)
class Program:
    """One process of ours: `arguments` of the nightlight command, and the address on which it says that it is ready."""

    name: str
    arguments: tuple[str, ...]
    url: str
    environment: Mapping[str, str] = field(default_factory=dict)


Tell = Callable[[str], None]


class _Life:
    """A program that runs, and a leash on it: should we be killed, it ends too, or it would keep its port from the next start."""

    def __init__(self, program: Program, log: Path | None) -> None:
        self.program = program
        self.deaths = 0
        self.again_at: float | None = None
        self.begin(log)

    def begin(self, log: Path | None) -> None:
        self.process = _spawn(self.program, log)
        self._leash = Leash(self.process.pid, signal.SIGTERM)

    def alive(self) -> bool:
        if self.process.poll() is None:
            return True
        self._leash.untie()
        return False

    def end(self, deadline: float) -> None:
        """Wait for it until `deadline`, then kill it."""
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._leash.untie()


class Supervisor:
    """Keeps programs alive until `stop`. `tell` gets one sentence for each thing that a person at the terminal should know.

    What the programs write goes to our own stderr, or to the file `log`.
    """

    def __init__(self, programs: Sequence[Program], *, tell: Tell, log: Path | None = None) -> None:
        self._programs = programs
        self._tell = tell
        self._log = log
        self._lives: dict[str, _Life] = {}
        self._lock = threading.Lock()
        self.stopping = False  # set by a signal handler, so it is no more than a flag

    def start(self) -> None:
        """Start them all and return once every one is ready. Raises EmbeddedError naming the one that is not."""
        began = time.monotonic()
        for program in self._programs:
            with unbroken():
                self._lives[program.name] = _Life(program, self._log)
        for program in self._programs:
            self._wait_for(program, until=began + READY_WITHIN)
            self._tell(f"{program.name} is ready ({time.monotonic() - began:.1f} s)")

    def watch(self, *, every: float = 0.25) -> None:
        """Begin dead processes again, until `stop`. Blocks: call it from the main thread."""
        while not self.stopping:
            with self._lock:
                for life in self._lives.values():
                    self._look_at(life)
            time.sleep(every)

    def kill(self, name: str) -> int:
        """Kill one at once, as a power cut would: `watch` begins it again. Returns its process id."""
        process = self._lives[name].process
        process.kill()
        return process.pid

    def pids(self) -> dict[str, int]:
        return {name: life.process.pid for name, life in self._lives.items()}

    def alive(self, name: str) -> bool:
        """Does it run now? Between its death and its next beginning it does not."""
        return self._lives[name].alive()

    def stop(self) -> None:
        """Ask all of them to stop, and kill after the grace what has not."""
        self.stopping = True
        with self._lock:
            alive = [life for life in self._lives.values() if life.alive()]
            for life in alive:
                life.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + GRACE
            for life in alive:
                life.end(deadline)

    def _look_at(self, life: _Life) -> None:
        if self.stopping or life.alive():
            return
        if life.again_at is None:
            life.again_at = time.monotonic() + PAUSES[min(life.deaths, len(PAUSES) - 1)]
            life.deaths += 1
            self._tell(f"{life.program.name} ended with code {life.process.returncode}; it is begun again")
            return
        if time.monotonic() >= life.again_at:
            life.again_at = None
            life.begin(self._log)

    def _wait_for(self, program: Program, *, until: float) -> None:
        life = self._lives[program.name]
        while not _answers(program.url):
            if not life.alive():
                raise EmbeddedError(
                    f"{program.name} ended as it started (code {life.process.returncode}): the line above says why."
                )
            if time.monotonic() > until:
                raise EmbeddedError(f"{program.name} was not ready within {READY_WITHIN} s: {_why_not(program.url)}.")
            time.sleep(0.1)


def _spawn(program: Program, log: Path | None) -> subprocess.Popen[bytes]:
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(log.open("ab")) if log else None
        # A session of its own: Ctrl-C in the terminal is for us, and we stop them in our own time.
        return subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "nightlight", *program.arguments],
            env={**os.environ, **program.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def _why_not(url: str) -> str:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2):  # noqa: S310
            return "it became ready just now; try again"
    except urllib.error.HTTPError as answer:
        return answer.read(500).decode(errors="replace")
    except OSError:
        return "nothing answers there"
