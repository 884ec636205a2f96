"""Files fetched from an agency's own SFTP server into its folder: `sftp.toml` beside its `mapping.toml` says from where.

They are then files like any other. A file is removed over there only once it is safe here, so a crash fetches it again, and
the same file again changes nothing.
"""

import asyncio
import os
import re
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Annotated, Final

import asyncssh
from pydantic import Field, StringConstraints, ValidationError

from connectors.findings import findings
from connectors.inbox.left import sync
from connectors.inbox.text import LARGEST
from schemas.base import Shape
from schemas.logs import logger

FILE: Final = "sftp.toml"
DELETE: Final = "delete"
STILL_SECONDS: Final = 1.0
PATIENCE: Final = 20.0
"""Seconds for connecting; a transfer has as long as it goes on."""

_NAME: Final = re.compile(r"[^\x00-\x1f/\\.~][^\x00-\x1f/\\]{0,200}\.csv", re.IGNORECASE)
_NOT_YET: Final = re.compile(r"\.(part|partial|filepart|tmp|temp|writing|upload|rejected)\.csv$", re.IGNORECASE)


class CannotFetch(Exception):
    """One sentence. It is tried again."""


Word = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class Place(Shape):
    """One agency's server. Its host key is required: whoever else answered there could feed us children, or read names."""

    host: Word
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    user: Word
    key_file: Path
    host_key: Word
    path: Word = "."
    every_seconds: Annotated[float, Field(ge=1, le=86_400)] = 30
    afterwards: Word = DELETE
    """`delete`, or a folder over there into which a fetched file is moved."""


@dataclass
class Fetches:
    """All of the inbox's servers, each asked in its own time."""

    root: Path
    _due: dict[Path, float] = field(default_factory=dict)
    _running: dict[Path, "asyncio.Task[None]"] = field(default_factory=dict)
    _said: dict[Path, str] = field(default_factory=dict)

    async def keep(self) -> None:
        """Fetch again and again, until cancelled."""
        try:
            while True:
                for path in sorted(self.root.glob(f"*/{FILE}")):
                    running = self._running.get(path)
                    if (running is None or running.done()) and monotonic() >= self._due.get(path, 0.0):
                        self._running[path] = asyncio.create_task(self._fetch(path))
                await asyncio.sleep(1)
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _fetch(self, path: Path) -> None:
        self._due[path] = monotonic() + 30
        feed = path.parent.name
        try:
            place = load(path)
            self._due[path] = monotonic() + place.every_seconds
            if count := await fetch(place, path.parent):
                logger().info("files-fetched", feed=feed, count=count)
            self._said.pop(path, None)
        except CannotFetch as problem:
            if self._said.get(path) != str(problem):
                logger().error("files-not-fetched", feed=feed, reason=str(problem))
            self._said[path] = str(problem)


def load(path: Path) -> Place:
    """Raises CannotFetch."""
    try:
        return Place.model_validate(tomllib.loads(path.read_text("utf-8-sig")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise CannotFetch(f"{FILE} cannot be read ({type(problem).__name__})") from None
    except ValidationError as problem:
        first = findings(problem, Place, "")[0]
        raise CannotFetch(f"{FILE}: {first.path or 'it'} {first.message}") from None


async def fetch(place: Place, folder: Path) -> int:
    """Fetch every whole CSV file that is there now, and return how many. Raises CannotFetch."""
    try:
        known = asyncssh.import_known_hosts(f"{_known_as(place)} {place.host_key}")
        async with (
            asyncssh.connect(
                place.host,
                place.port,
                username=place.user,
                client_keys=[str(place.key_file)],
                known_hosts=known,
                agent_path=None,
                config=None,
                connect_timeout=PATIENCE,
                login_timeout=PATIENCE,
                keepalive_interval=10,
            ) as connection,
            connection.start_sftp_client() as sftp,
        ):
            fetched = 0
            for name in await _whole(sftp, place.path):
                fetched += await _take(sftp, place, name, folder)
            return fetched
    except (asyncssh.Error, ValueError, OSError) as problem:
        # Its own words may hold a name of a file over there.
        raise CannotFetch(f"{type(problem).__name__}: look at {FILE}, the key and the server") from None


async def _whole(sftp: asyncssh.SFTPClient, path: str) -> list[str]:
    """The names of the files that stand still: the same size and time twice, a second apart."""
    before = await _listing(sftp, path)
    if not before:
        return []
    await asyncio.sleep(STILL_SECONDS)
    after = await _listing(sftp, path)
    return sorted(name for name, state in after.items() if before.get(name) == state)


async def _listing(sftp: asyncssh.SFTPClient, path: str) -> dict[str, tuple[int | None, int | None]]:
    found = {}
    for entry in await sftp.readdir(path):
        name, attributes = str(entry.filename), entry.attrs
        plain = attributes.permissions is None or stat.S_ISREG(attributes.permissions)
        if plain and _NAME.fullmatch(name) and not _NOT_YET.search(name):
            found[name] = (attributes.size, attributes.mtime)
    return found


async def _take(sftp: asyncssh.SFTPClient, place: Place, name: str, folder: Path) -> int:
    """One file: here under another name, safe on disk, in its place, and only then gone over there."""
    target, draft = folder / name, folder / f".{name}.part"
    if target.exists():  # the one before it of the same name is not taken yet
        return 0
    source = f"{place.path}/{name}"
    async with sftp.open(source, "rb") as remote:
        await _copy(remote, draft)
    draft.rename(target)
    sync(folder)
    if place.afterwards == DELETE:
        await sftp.remove(source)
        return 1
    done = f"{place.path}/{place.afterwards}"
    await sftp.makedirs(done, exist_ok=True)
    await sftp.posix_rename(source, f"{done}/{name}")
    return 1


async def _copy(remote: asyncssh.SFTPClientFile, draft: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW  # a draft of a run that was cut off is written over
    descriptor = os.open(draft, flags, 0o600)
    with os.fdopen(descriptor, "wb") as local:
        size = 0
        while chunk := await remote.read(1 << 18):
            size += len(chunk)
            if size > LARGEST:
                raise ValueError("too large")
            await asyncio.to_thread(local.write, chunk)  # type: ignore[arg-type]  # opened as "rb" it reads bytes
        local.flush()
        await asyncio.to_thread(os.fsync, local.fileno())


def _known_as(place: Place) -> str:
    return place.host if place.port == 22 else f"[{place.host}]:{place.port}"
