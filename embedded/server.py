"""A server program that lives no longer than the process that started it."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

STOPPING = (signal.SIGINT, signal.SIGTERM)
HOST = "127.0.0.1"  # nothing embedded is ever reachable from another machine

# Waits for its input to end, which happens when the process that holds the other end is gone, however it went:
# a server left behind by a kill -9 would keep the port and the data from the next start.
LEASH = 'read -r _; kill -"$1" "$2"'


@contextlib.contextmanager
def unbroken() -> Iterator[None]:
    """Being stopped waits until the body is done: a process that has begun and is not on record yet, nobody would stop.

    Blocking the signals instead would block them in the process that is begun, too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals break off the main thread alone
        return
    came: list[int] = []
    handlers = {number: handler for number in STOPPING if (handler := signal.getsignal(number)) is not None}
    for number in handlers:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


class EmbeddedError(RuntimeError):
    """A server could not be started: the message is one sentence that says what is wrong and what to do."""


class Leash:
    """Ends a program when this process is gone, in whatever way it went."""

    def __init__(self, pid: int, goodbye: signal.Signals) -> None:
        self._holder = subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", LEASH, "leash", str(int(goodbye)), str(pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def untie(self) -> None:
        """Only once the program has been waited for: until then its process id cannot be given to another program, so the
        leash can never pull at a stranger."""
        if self._holder.stdin is not None and not self._holder.stdin.closed:
            self._holder.kill()
            self._holder.wait()
            self._holder.stdin.close()


class Running:
    """A server that is up, and how to reach and stop it.

    It stops when `stop()` is called, when the `with` block ends, and when this process ends in any way.
    Calls may block for as long as the server takes to stop; use `asyncio.to_thread` inside an event loop.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        url: str,
        log: Path,
        goodbye: signal.Signals = signal.SIGTERM,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start `command`.

        `log` is new each time, and the one before is kept beside it as `.1`; `goodbye` is the signal that asks this
        server to stop; `environment` is all the program gets, or None for our own: it must not pick up settings that
        were meant for others.
        """
        self.name = name
        self.url = url
        self.log = log
        self._goodbye = goodbye
        if log.exists():
            log.replace(log.with_name(f"{log.name}.1"))
        # A session of its own: Ctrl-C in the terminal is for us, and we stop the servers in our order.
        with unbroken(), log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the program out of our own wheel
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
            )
            self._leash = Leash(self.pid, goodbye)

    @property
    def pid(self) -> int:
        """The process id of the server itself."""
        return self._process.pid

    def alive(self) -> bool:
        """Is the program still there?"""
        if self._process.poll() is None:
            return True
        self._leash.untie()
        return False

    def stop(self, grace: float = 15) -> None:
        """Ask the server to stop, wait `grace` seconds, then kill it. Harmless when it is gone already."""
        if self.alive():
            self._process.send_signal(self._goodbye)
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()
        self._leash.untie()

    def kill(self) -> None:
        """End the server at once, as a power cut would; what it had not written is gone."""
        self._process.kill()
        self._process.wait()
        self._leash.untie()

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Return when `ready()` says so.

        Raises:
            EmbeddedError: the program ended, or was not ready within `seconds`; it has been stopped.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.alive():
                raise EmbeddedError(f"{self.name} stopped as it started ({complaint(self.log)}): see {self.log}.")
            if time.monotonic() > deadline:
                self.stop()
                raise EmbeddedError(f"{self.name} was not ready within {seconds:.0f} s: see {self.log}.")
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def choose_port(name: str, port: int) -> int:
    """`port` if nobody listens on it, or any free one for 0.

    Raises:
        EmbeddedError: somebody has it already.
    """
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still fading away is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise EmbeddedError(
                f"{name} cannot have port {port} on {HOST}, something else is using it: stop that, or choose another."
            ) from None
        return int(probe.getsockname()[1])


def make_private(directory: Path) -> Path:
    """Make a directory that only its owner may enter, and return it, absolute.

    Raises:
        EmbeddedError: it cannot be made or written to.
    """
    directory = directory.absolute()
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as problem:
        raise EmbeddedError(f"{directory} cannot be made ({problem.strerror}): choose another directory.") from None
    if not os.access(directory, os.W_OK | os.X_OK):
        raise EmbeddedError(f"{directory} cannot be written to: choose another directory or change its owner.")
    return directory


def complaint(log: Path) -> str:
    """What a log says went wrong: its first fatal line, or else its last line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL" in line or "rror:" in line]
    return [*fatal[:1], *lines[-1:], "it said nothing"][0][-200:]
