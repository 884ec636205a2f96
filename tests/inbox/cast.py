"""An inbox in this process: a folder, a shelf in Kafka's place, three agencies, and one way to drop a file and have it taken."""

import asyncio
import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from connectors.door import Door
from connectors.doorkeeper import Doorkeeper
from connectors.inbox.folder import Dropped, Watch, stamp_of
from connectors.inbox.process import Inbox
from connectors.inbox.take import Take
from connectors.publish import NotPublished
from schemas.envelope import Envelope
from schemas.metrics import Metrics
from schemas.sealing import Keyring
from schemas.settings import Mode
from store.rights import Agency, expand
from tests.gateway import MET, MET_KEY, NOW, SCHOOL, SCHOOL_KEY, key_of, unreachable

MISSING = Agency(
    name="met-missing",
    sources=("met-missing", "urn:nightlight:met-missing"),
    types=expand(["nightlight.missing.v1"]),
    authorities=frozenset({"*"}),
)
MISSING_KEY = "nl_" + "d4" * 20
KEYRING = Keyring.make()

ARRESTS = (
    "id,source,type,time,authority,custody_record,force,suite,family_name,given_name,date_of_birth,nhs_number\n"
    "b-1,met-custody,nightlight.arrest.v1,2026-11-21T02:06:00+00:00,E09000019,01CB/1/26,01,Islington,Lampwick,Robin,2010-03-14,9990000018\n"
    "b-2,met-custody,nightlight.arrest.v1,2026-11-21T02:09:00+00:00,E09000019,01CB/2/26,01,Islington,Wickfield,Marnie,2011-06-02,9990000026\n"
)
"""As contract section 3 has it: one column per field."""


class Shelf:
    """In Kafka's place: remembers what was published, and is away for as many tries as it is told."""

    def __init__(self) -> None:
        self.kept: list[Envelope] = []
        self.away = 0
        self.then: Any = None

    async def publish(self, *envelopes: Envelope) -> None:
        if self.then:
            self.then()
        if self.away:
            self.away -= 1
            raise NotPublished("the shelf is away")
        self.kept += envelopes


class Room:
    """The inbox in a directory of the test's own."""

    def __init__(self, root: Path, engine: AsyncEngine | None = None, mode: Mode = Mode.REHEARSAL) -> None:
        self.root = root
        self.shelf = Shelf()
        self.registry = CollectorRegistry()
        self.metrics = Metrics.build(self.registry)
        self.now = NOW
        self.engine = engine or unreachable()
        doorkeeper = Doorkeeper(self.engine, self.metrics, lambda: self.now, lambda: 0.0)
        doorkeeper.know([key_of(MET_KEY, MET), key_of(SCHOOL_KEY, SCHOOL), key_of(MISSING_KEY, MISSING)])
        self.door = Door(doorkeeper, self.shelf, self.metrics, lambda: self.now, mode, KEYRING)
        self.inbox = Inbox(root, self.door, self.engine, timedelta(days=30))

    def drop(self, name: str, content: str | bytes, *, encoding: str = "utf-8") -> Path:
        """A file, whole at once."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    async def take(self, name: str, content: str | bytes | None = None, *, encoding: str = "utf-8") -> dict[str, Any]:
        """Drop a file if there is content, take it as the inbox would, and return its summary."""
        path = self.root / name if content is None else self.drop(name, content, encoding=encoding)
        stamp = stamp_of(path)
        assert stamp is not None
        agency = path.parent.name if path.parent != self.root else None
        await Take(Dropped(path, agency, stamp), self.door, self.engine, self.door.doorkeeper.agencies).run()
        return self.summary(name)

    def summary(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.beside(name, ".summary.json").read_text("utf-8"))
        return found

    def rejects(self, name: str) -> list[dict[str, str]]:
        """The refused rows, as a spreadsheet would show them."""
        text = self.beside(name, ".rejected.csv").read_text("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text, newline="")))

    def beside(self, name: str, ending: str) -> Path:
        path = self.root / name
        return path.with_name(path.name.removesuffix(".csv") + ending)

    def left(self) -> list[str]:
        """Every file in the inbox, by its path in it."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def table(rows: Iterable[Mapping[str, Any]], **dialect: Any) -> str:
    """Rows as CSV; the columns are those of any row, in the order in which they first come."""
    listed = list(rows)
    columns = list(dict.fromkeys(name for row in listed for name in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, restval="", **dialect)
    writer.writeheader()
    writer.writerows(listed)
    return out.getvalue()


def arrest_row(number: int = 1, **changed: Any) -> dict[str, Any]:
    row = {
        "type": "arrest",
        "time": "2026-11-21T02:06:00+00:00",
        "custody_record": f"01CB/{number}/26",
        "force": "01",
        "suite": "Islington",
        "family_name": "Lampwick",
        "date_of_birth": "2010-03-14",
    }
    return {name: value for name, value in {**row, **changed}.items() if value is not None}


def aged(path: Path, *, days: float) -> None:
    """As if it had last been changed so long ago."""
    then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    os.utime(path, (then, then))


async def until(what: Callable[[], bool]) -> None:
    """Wait for it, twenty seconds at most."""
    for _ in range(400):
        if what():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not within twenty seconds")


__all__ = ["ARRESTS", "KEYRING", "MISSING", "NOW", "Room", "Watch", "aged", "arrest_row", "table", "until"]
