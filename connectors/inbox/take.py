"""One file, from its first row to its end: good rows into Kafka, bad ones beside it with a reason, and then the file goes."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from connectors.acceptance import check_events, check_whose
from connectors.cloudevents import Told
from connectors.door import Door, count, count_refused
from connectors.inbox.fields import PLACES
from connectors.inbox.folder import Dropped, named_agency, stamp_of
from connectors.inbox.left import Rejects, Tally, set_aside, sync, write_summary
from connectors.inbox.mapping import Mapping_, load
from connectors.inbox.text import Row, Seen, Unreadable, look, rows
from connectors.inbox.told import BadRow, Header, Reader, read_header
from connectors.problems import Finding, Reason, Refused
from connectors.publish import NotPublished
from schemas.envelope import Envelope
from schemas.logs import logger
from schemas.metrics import UNKNOWN_FEED
from store import inbox
from store.rights import Agency

DOOR: Final = "inbox"
AT_ONCE: Final = 500
"""Rows that are read, sent and confirmed together: all that is in memory of a file."""
PROGRESS: Final = 10_000
AGAIN_SECONDS: Final = 2.0
IDS_REMEMBERED: Final = 200_000


class Changed(Exception):
    """The file is not the one that was read: it has grown, or another has taken its name. It is read again."""


@dataclass(frozen=True, slots=True)
class Good:
    """A row that may go on, in its envelope."""

    envelope: Envelope
    agency: Agency


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that may not, and what to tell whoever mends it."""

    row: Row
    feed: str
    reason: Reason
    says: str


@dataclass
class Take:
    """One file being taken. Made anew for each try: after a crash, or a change of the file, it begins at the first row again,
    and every event has the id that it had before."""

    file: Dropped
    door: Door
    engine: AsyncEngine
    agencies: Mapping[str, Agency]
    tally: Tally = field(default_factory=Tally)
    ids: dict[int, int] = field(default_factory=dict)

    async def run(self) -> None:
        """To the end of the file.

        Raises:
            BadMapping: the folder's mapping cannot be used; the file waits.
            Changed: the file has changed meanwhile; it waits until it is whole.
            OSError: it is gone, or cannot be read.
        """
        began = self.door.clock()
        mapping = await asyncio.to_thread(load, self.file.path.parent)
        try:
            seen = await asyncio.to_thread(look, self.file.path, encoding=mapping.encoding)
            await self._read(seen, mapping, began)
        except Unreadable as problem:
            self._check_same()
            self.tally.problem = f"The file {problem}."
            feed = self.file.agency if self.file.agency in self.agencies else None
            count_refused(feed or UNKNOWN_FEED, Reason.MALFORMED, self.door)
            await asyncio.to_thread(set_aside, self.file)
            await asyncio.to_thread(write_summary, self.file, self._summary(began))
        logger().info(
            "file-read",
            feed=self.file.agency,
            count=self.tally.rows,
            outcome="refused" if self.tally.problem else "rejects" if self.tally.refused else "taken",
        )

    async def _read(self, seen: Seen, mapping: Mapping_, began: datetime) -> None:
        name = self.door.sealer.mark("inbox/file", self.file.agency or "", seen.digest)
        self.tally.seen_before = await self._asked(name)
        with self.file.path.open(encoding=seen.encoding, errors="strict") as text:
            lines = rows(text, mapping.delimiter)
            header = await asyncio.to_thread(self._header, lines, mapping)
            with Rejects(self.file, header.headings) as rejects:
                if not self.tally.seen_before:
                    await self._all(lines, Reader(header, mapping, self.file.named_type()), rejects)
                self._check_same()
                await asyncio.to_thread(rejects.keep)
                await asyncio.to_thread(write_summary, self.file, self._summary(began))
        if not self.tally.seen_before:
            await self._remember(name)
        await asyncio.to_thread(self._remove)

    def _header(self, lines: Iterator[Row], mapping: Mapping_) -> Header:
        first = next(lines, None)
        if first is None or first.cells is None:
            raise Unreadable("has no header: its first line names the columns")
        try:
            header = read_header(first.cells, mapping)
        except BadRow as problem:
            raise Unreadable(f"cannot be read: {problem}") from None
        self.tally.unused = header.unused
        return header

    async def _all(self, lines: Iterator[Row], reader: Reader, rejects: Rejects) -> None:
        while True:
            try:
                good, bad = await asyncio.to_thread(self._chunk, lines, reader)
            except UnicodeError:  # every byte of it had been read before
                raise Changed from None
            if not good and not bad:
                return
            await self._publish([one.envelope for one in good])
            for agency, those in groupby(good, key=lambda one: one.agency):
                count([one.envelope for one in those], agency, self.door)
            for one in bad:
                await asyncio.to_thread(rejects.add, one.row, one.says)
            self._count_refused(bad)
            self.tally.types.update(one.envelope.type for one in good)
            self.tally.taken += len(good)
            before, self.tally.rows = self.tally.rows, self.tally.rows + len(good) + len(bad)
            if self.tally.rows // PROGRESS > before // PROGRESS:
                logger().info("file-read-so-far", feed=self.file.agency, count=self.tally.rows)

    def _chunk(self, lines: Iterator[Row], reader: Reader) -> tuple[list[Good], list[Bad]]:
        """The next rows, in a thread of their own: checking them keeps a processor busy."""
        good: list[Good] = []
        bad: list[Bad] = []
        for row in islice(lines, AT_ONCE):
            found = self._row(row, reader)
            good.append(found) if isinstance(found, Good) else bad.append(found)
        return good, bad

    def _row(self, row: Row, reader: Reader) -> Good | Bad:
        feed = UNKNOWN_FEED
        if row.cells is None:
            return Bad(row, feed, Reason.MALFORMED, row.problem)
        try:
            said = reader.cells(row.cells)
            agency = whose(self.file, said, self.agencies)
            feed = agency.name
            told = self._named(reader.told(said, agency), agency)
            known = check_whose([told], agency)
            [envelope] = check_events(known, agency, entrance=DOOR, mode=self.door.mode, received_at=self.door.clock())
        except BadRow as problem:
            return Bad(row, feed, Reason.INVALID, str(problem))
        except Refused as refusal:
            return Bad(row, feed, refusal.reason, _says(refusal, reader.header))
        return Good(envelope, agency)

    def _named(self, told: Told, agency: Agency) -> Told:
        """With an id, if the row has none: the same row is the same event, in whatever file it comes.

        A row whose id another row of this file has used for something else is refused: the second would count as the first.
        """
        content = json.dumps([told.attributes, told.data], sort_keys=True)
        if "id" not in told.attributes:
            mark = self.door.sealer.mark("inbox/row", agency.name, content)
            return Told(told.where, {**told.attributes, "id": mark[:32]}, told.data)
        key = hash((told.attributes["source"], told.attributes["id"]))
        if len(self.ids) < IDS_REMEMBERED and self.ids.setdefault(key, hash(content)) != hash(content):
            raise BadRow("id: is that of another row, which says something else: give each event an id of its own")
        return told

    async def _publish(self, envelopes: Sequence[Envelope]) -> None:
        """Until Kafka has them: the file can wait, and what arrives twice counts once."""
        while envelopes:
            try:
                await self.door.publisher.publish(*envelopes)
            except NotPublished:
                logger().warning("file-waits", feed=self.file.agency, reason=Reason.KAFKA_AWAY)
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            return

    def _count_refused(self, bad: Sequence[Bad]) -> None:
        for one in bad:
            count_refused(one.feed, one.reason, self.door)
            self.tally.refuse(one.says)

    def _check_same(self) -> None:
        if stamp_of(self.file.path) != self.file.stamp:
            raise Changed

    def _remove(self) -> None:
        """Take the file away, if it is still the one that was read."""
        last = self.file.path.with_name(f".{self.file.path.name}.taken")
        self.file.path.rename(last)
        if stamp_of(last) != self.file.stamp:
            last.rename(self.file.path)
            raise Changed
        last.unlink()
        sync(last.parent)

    async def _asked(self, name: str) -> bool:
        async def ask() -> bool:
            async with self.engine.connect() as connection:
                return await inbox.taken_whole(connection, name)

        return bool(await self._of_database(ask))

    async def _remember(self, name: str) -> None:
        async def write() -> None:
            async with self.engine.begin() as connection:
                counts = {"taken": self.tally.taken, "refused": self.tally.refused}
                await inbox.remember(connection, name, **counts, at=self.door.clock())

        await self._of_database(write)

    async def _of_database(self, ask: Any) -> Any:
        """What the database says; nothing while it is away. An arrest must go on then too, and twice is harmless."""
        try:
            async with asyncio.timeout(AGAIN_SECONDS):
                return await ask()
        except (SQLAlchemyError, OSError, TimeoutError) as problem:
            logger().warning("file-not-remembered", error=type(problem).__name__)
            return None

    def _summary(self, began: datetime) -> Mapping[str, Any]:
        times = {"began": began.isoformat(timespec="seconds")}
        ended = {"ended": self.door.clock().isoformat(timespec="seconds")}
        return self.tally.summary(file=self.file.path.name, agency=self.file.agency, **times, **ended)


def whose(file: Dropped, said: Mapping[str, str], agencies: Mapping[str, Agency]) -> Agency:
    """The agency that a row is from: its folder's; or, without a folder, its source's, the file name's, or the only one.

    Raises BadRow. `agencies` are those with a key in force: one that was revoked may send no files either.
    """
    if file.agency is not None:
        if found := agencies.get(file.agency):
            return found
        raise BadRow("no agency of this folder's name has a key in force: the operator adds one")
    if "source" in said:
        owners = [agency for agency in agencies.values() if agency.owns(said["source"])]
        if len(owners) == 1:
            return owners[0]
        raise BadRow("source: is not registered for an agency with a key in force")
    if name := named_agency(file.words, agencies):
        return agencies[name]
    if len(agencies) == 1:
        return next(iter(agencies.values()))
    raise BadRow("whose is this? put the file into a folder with the agency's name, or add a column `source`")


def _says(refusal: Refused, header: Header) -> str:
    """The refusal in the words of the file's own headings."""
    if not refusal.errors:
        return refusal.detail
    return "; ".join(f"{_heading(finding, header)}: {finding.message}" for finding in refusal.errors)


def _heading(finding: Finding, header: Header) -> str:
    place = tuple(part.partition("[")[0] for part in finding.path.removeprefix("data.").split("."))
    return header.heading(PLACES.get(place, place[-1]))
