"""AsyncAPI's own JSON schema, got by npm and kept outside the repository."""

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from tests.once import one_at_a_time

VERSION = "6.11.1"
PACKAGE = f"@asyncapi/specs@{VERSION}"
CACHE = Path("~/.cache/nightlight").expanduser() / f"asyncapi-specs-{VERSION}"
MEMBER = "package/schemas/3.0.0.json"


def missing() -> str | None:
    """Why the schema cannot be had on this machine, in a few words."""
    if (CACHE / "3.0.0.json").exists():
        return None
    if shutil.which("npm") is None:
        return "no npm on PATH; install npm"
    try:
        with one_at_a_time(CACHE):
            if not (CACHE / "3.0.0.json").exists():
                _fetch()
    except (OSError, subprocess.SubprocessError, KeyError, tarfile.TarError):
        return f"npm cannot get {PACKAGE}; mend its registry"
    return None


def load() -> dict[str, Any]:
    """The schema of AsyncAPI 3.0.0, whole, with what it refers to inside it."""
    found: dict[str, Any] = json.loads((CACHE / "3.0.0.json").read_text())
    return found


def _fetch() -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    packing = ["npm", "pack", "--silent", "--pack-destination", str(CACHE), PACKAGE]
    name = subprocess.run(packing, capture_output=True, text=True, check=True, timeout=60).stdout.split()[-1]
    with tarfile.open(CACHE / name) as package:
        member = package.extractfile(MEMBER)
        assert member is not None
        # Written beside and moved into place: a download that was cut short is done again.
        (CACHE / "3.0.0.new").write_bytes(member.read())
    (CACHE / "3.0.0.new").replace(CACHE / "3.0.0.json")
    (CACHE / name).unlink()
