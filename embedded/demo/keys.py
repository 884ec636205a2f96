"""Single keys of a terminal, without Enter; nothing at all where there is no terminal, or it is somebody else's now."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def pressed(call: Callable[[str], None]) -> Iterator[bool]:
    """While the body runs, `call` with each key, in this event loop. Yields whether there are keys to be had."""
    if not _is_ours():
        yield False
        return
    import termios  # not on every system
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    loop = asyncio.get_running_loop()
    tty.setcbreak(terminal)  # Ctrl-C still is Ctrl-C

    def read() -> None:
        try:
            typed = os.read(terminal, 32)
        except OSError:
            typed = b""
        if not typed:  # the terminal has gone
            loop.remove_reader(terminal)
        for key in typed.decode(errors="ignore"):
            call(key)

    loop.add_reader(terminal, read)
    try:
        yield True
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _is_ours() -> bool:
    """Is there a terminal on our input, and are we in its foreground? From the background, asking would stop us."""
    if not sys.stdin or not sys.stdin.isatty():
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # a terminal that is not our own
        return False
