"""The watched folder: which files in it are whole, whose they are, and what lies beside them.

inbox/AGENCY/anything.csv      the agency is the folder's
inbox/anything.csv             the agency is told by a column `source`, by the file's name, or is the only one
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from connectors.inbox.mapping import full_type
from schemas.events import EVENTS

SETTLED_SECONDS: Final = 1.0
"""A file that has not changed for so long is whole."""
UNENDED_SECONDS: Final = 5.0
"""The same for a file whose last line has no end: it may be half a line, or written by hand."""

REJECTED: Final = ".rejected.csv"
SUMMARY: Final = ".summary.json"
_UNFINISHED: Final = (".part", ".partial", ".filepart", ".tmp", ".temp", ".writing", ".upload")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one state of a file from another."""

    size: int
    changed: int
    inode: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file to be taken. `agency` is the name of its folder, None for the inbox itself."""

    path: Path
    agency: str | None
    stamp: Stamp

    @property
    def stem(self) -> str:
        return self.path.name[: -len(".csv")]

    def beside(self, ending: str) -> Path:
        return self.path.with_name(self.stem + ending)

    @property
    def words(self) -> str:
        """The file's name as words are looked for in it."""
        return self.stem.lower().replace("_", "-").replace(" ", "-")

    def named_type(self) -> str | None:
        """The type that the file's name says, as in `arrests-2026-11-21.csv`: the longest, if there are two."""
        short = sorted((name.split(".")[1] for name in EVENTS), key=len, reverse=True)
        said = next((name for name in short if f"-{name}" in f"-{self.words}"), None)
        return full_type(said) if said else None


def stamp_of(path: Path) -> Stamp | None:
    """Of a plain file; None for anything else: a link may lead out of the folder, and a pipe never ends."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ino) if stat.S_ISREG(found.st_mode) else None


@dataclass
class Watch:
    """Looks at the folder again and again. A file is given out once it has not changed for a second."""

    root: Path
    _seen: dict[Path, tuple[Stamp, float]] = field(default_factory=dict)

    def look(self, now: float) -> list[Dropped]:
        """The files that are whole, the oldest first. `now` is of a monotonic clock. Raises OSError if the inbox is gone."""
        seen: dict[Path, tuple[Stamp, float]] = {}
        ready: list[Dropped] = []
        for path, agency in _candidates(self.root):
            if (stamp := stamp_of(path)) is None:
                continue
            before = self._seen.get(path)
            since = before[1] if before and before[0] == stamp else now
            seen[path] = (stamp, since)
            if before and now - since >= (SETTLED_SECONDS if _ended(path) else UNENDED_SECONDS):
                ready.append(Dropped(path, agency, stamp))
        self._seen = seen
        return sorted(ready, key=lambda file: (file.stamp.changed, file.path))

    def forget(self, path: Path) -> None:
        """It has changed while it was read: it is waited for anew."""
        self._seen.pop(path, None)


def _candidates(root: Path) -> Iterator[tuple[Path, str | None]]:
    for entry in _entries(root):
        if entry.is_dir(follow_symlinks=False):
            yield from ((Path(below.path), entry.name) for below in _entries(entry.path, quiet=True) if _is_csv(below))
        elif _is_csv(entry):
            yield Path(entry.path), None


def _entries(path: str | Path, *, quiet: bool = False) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(path) as entries:
            return sorted(
                (each for each in entries if not each.name.startswith((".", "~"))), key=lambda each: each.name
            )
    except OSError:
        if quiet:  # gone, or not ours to read: the others go on
            return []
        raise


def _is_csv(entry: "os.DirEntry[str]") -> bool:
    name = entry.name.lower()
    whole = name.endswith(".csv") and not name.endswith(REJECTED)
    return whole and not name.removesuffix(".csv").endswith(_UNFINISHED)


def _ended(path: Path) -> bool:
    """Whether the last line is complete."""
    try:
        with path.open("rb") as file:
            file.seek(-min(2, path.stat().st_size), os.SEEK_END)
            return file.read().rstrip(b"\0").endswith((b"\n", b"\r"))
    except (OSError, ValueError):
        return False


def named_agency(words: str, agencies: Mapping[str, object]) -> str | None:
    """The agency whose name the file's name begins with: the longest, if there are several."""
    fits = [name for name in agencies if f"{words}-".startswith(f"{name.lower().replace('_', '-')}-")]
    return max(fits, key=len, default=None)
