"""Where Nightlight is on this machine: its settings, its keys, whether `up` runs here. Quick to import: every process does."""

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import typer

from schemas.sealing import Keyring, KeyringFile, save
from schemas.settings import BadSettings, Settings, read

WHO = "command line"

PATIENCE = 1.0
"""Seconds to try for the data directory: a command that looks whether it is held holds it itself for a moment."""


def refuse(sentence: str) -> NoReturn:
    """End with exit code 1 and one sentence on stderr: refused, or found wanting."""
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


@contextlib.contextmanager
def quiet(library: str) -> Iterator[None]:
    """For a library that says in thirty lines of log what we then say in one sentence."""
    log = logging.getLogger(library)
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def settings() -> Settings:
    """The settings, or the end of the program with the name of the bad one."""
    try:
        return read()
    except BadSettings as problem:
        refuse(str(problem))


def keyring(given: Settings) -> KeyringFile:
    """The keys of this house. The embedded default makes its own on the first start; a named file must be there."""
    path = given.keyring_path
    if given.keyring_file is None and not path.exists():
        write_keyring(Keyring.make(), path)
    try:
        return KeyringFile(path)
    except (ValueError, OSError) as problem:
        refuse(
            str(problem)
            if isinstance(problem, ValueError)
            else f"{path} cannot be read ({problem.strerror}): mend the path or its permissions."
        )


def write_keyring(made: Keyring, path: Path) -> None:
    """Keep it at `path`, or end with one sentence."""
    try:
        save(made, path)
    except OSError as problem:
        refuse(f"{path} cannot be written ({problem.strerror}): mend the path or its permissions.")


def running_file(data_dir: Path) -> Path:
    """Where `nightlight up` says what it has started."""
    return data_dir / "running.json"


def addresses(data_dir: Path) -> dict[str, str] | None:
    """What `nightlight up` has running on this data directory: `kafka` and `database`; None if it is not running, or not yet."""
    with contextlib.suppress(FileNotFoundError, KeyError, ValueError), _lock_file(data_dir).open() as lock:
        if _take(lock.fileno(), fcntl.LOCK_SH):
            return None  # a file that a killed `up` has left behind
        held = json.loads(running_file(data_dir).read_text())
        return {name: held[name] for name in ("kafka", "database")}
    return None


def started(data_dir: Path) -> dict[str, str]:
    """The processes of `nightlight up` on this data directory, by name, each with its address; none if it is not running."""
    return _written(data_dir, "urls")


def pretended(data_dir: Path) -> dict[str, str]:
    """Environment of the providers that `nightlight up` on this data directory has made up; none if it is not running.

    Whatever is set here is left out: that is an operator's own.
    """
    made_up = _written(data_dir, "pretended")
    own = {name for name in made_up if os.environ.get(name) or os.environ.get(f"{name}_FILE")}
    return {name: value for name, value in made_up.items() if name not in own}


def _written(data_dir: Path, what: str) -> dict[str, str]:
    if addresses(data_dir) is None:
        return {}
    with contextlib.suppress(FileNotFoundError, KeyError, ValueError):
        found: dict[str, str] = json.loads(running_file(data_dir).read_text())[what]
        return found
    return {}


@contextlib.contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Hold a data directory that exists, for one `nightlight up` at a time; or end with one sentence.

    The kernel lets go of it however the holder ends, which a process id in a file would not.
    """
    fd = os.open(_lock_file(data_dir), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _take(fd, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                refuse(f"Nightlight is already running on {data_dir}: stop it first, or choose another --data.")
            time.sleep(0.05)
        yield
    finally:
        os.close(fd)


def _lock_file(data_dir: Path) -> Path:
    return data_dir / "running.lock"


def _take(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
