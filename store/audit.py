"""The audit chain: append-only, each entry holding the hash of the one before (DPA 2018 section 62: who, when, why, whom it reached)."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Column, LargeBinary, Table, Text, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from store.columns import Facts, Instant
from store.database import TABLES

audit = Table(
    "audit",
    TABLES,
    Column("entry", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("what", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("about", Text, nullable=False, index=True),
    Column("detail", Facts, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
)

_HOLD = text("SELECT entry, hash FROM hold_audit()")
_ADD = insert(audit)

BEGINNING = bytes(32)
BATCH = 1000
EXACT = 1e16
"""From here on every float is a whole number, and is written without a point."""


class What(StrEnum):
    """Everything that is written down. Past tense, because it has happened."""

    EVENT_DECIDED = "event-decided"
    PAGE_OPENED = "page-opened"
    FACT_JOINED = "fact-joined"
    PAGE_WITHDRAWN = "page-withdrawn"
    PAGE_EXPIRED = "page-expired"
    PAGE_ACCEPTED = "page-accepted"
    PAGE_PASSED = "page-passed"
    PAGE_STEPPED = "page-stepped"
    PAGE_REOPENED = "page-reopened"
    PAGE_REPEATED = "page-repeated"
    CONTACT_ASKED = "contact-asked"
    TIMELINE_EXPORTED = "timeline-exported"
    CONTACT_MADE = "contact-made"
    PAGE_CLOSED = "page-closed"
    NOBODY_ON_CALL = "nobody-on-call"
    PHONE_STOPPED = "phone-stopped"
    PHONE_STARTED = "phone-started"
    PHONE_CODE_SENT = "phone-code-sent"
    PHONE_VERIFIED = "phone-verified"
    PHONE_TESTED = "phone-tested"
    ROTA_CHANGED = "rota-changed"
    ROTA_CHANGE_UNDONE = "rota-change-undone"
    DUTY_CONFIRMED = "duty-confirmed"
    DUTY_UNCONFIRMED = "duty-unconfirmed"
    DRILL_BEGAN = "drill-began"
    DRILL_ENDED = "drill-ended"
    DRILLS_SCHEDULED = "drills-scheduled"
    CHILD_VIEWED = "child-viewed"
    CHILDREN_IMPORTED = "children-imported"
    CHILD_REMOVED = "child-removed"
    CHILD_ERASED = "child-erased"
    SUBJECT_DISCLOSED = "subject-disclosed"
    CHILD_EXPIRED = "child-expired"
    RESPONDERS_IMPORTED = "responders-imported"
    ROTA_IMPORTED = "rota-imported"
    POLICIES_IMPORTED = "policies-imported"
    AGENCY_ADDED = "agency-added"
    AGENCY_KEY_MADE = "agency-key-made"
    AGENCY_REVOKED = "agency-revoked"
    AGENCY_AGREED = "agency-agreed"
    SENDERS_IMPORTED = "senders-imported"
    SENDER_REMOVED = "sender-removed"
    KEYRING_ROTATED = "keyring-rotated"
    ACCOUNT_MADE = "account-made"
    SIGNED_IN = "signed-in"
    SIGN_IN_REFUSED = "sign-in-refused"
    SIGNED_OUT = "signed-out"
    DEAD_LETTER_REPLAYED = "dead-letter-replayed"
    REVIEW_DECIDED = "review-decided"
    REVIEW_VIEWED = "review-viewed"
    REVIEW_PAGED = "review-paged"
    REVIEW_HANDED_ON = "review-handed-on"
    REVIEW_REOPENED = "review-reopened"
    MATCH_UNDONE = "match-undone"


@dataclass(frozen=True, slots=True)
class Line:
    """What is to be written down. `about` names a page, a moment, an agency or a child by its id, never by a name."""

    what: What
    who: str
    about: str
    at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the chain, as it is hashed."""

    entry: int
    at: datetime
    what: str
    who: str
    about: str
    detail: Mapping[str, Any]

    def hash(self, previous: bytes) -> bytes:
        """SHA-256 over the hash before and the canonical JSON of this entry."""
        said = [self.entry, self.at.astimezone(UTC).isoformat(), self.what, self.who, self.about, self.detail]
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(previous + canonical.encode()).digest()

    def row(self, previous: bytes) -> dict[str, Any]:
        """As it is kept: after this one."""
        said = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**said, "previous": previous, "hash": self.hash(previous)}


async def record(
    connection: AsyncConnection,
    what: What,
    *,
    who: str,
    about: str,
    at: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add one entry: `record_all` of one."""
    await record_all(connection, [Line(what, who, about, at, detail or {})])


async def record_all(connection: AsyncConnection, lines: Sequence[Line]) -> None:
    """Add an entry for each line, in order, in the caller's transaction: what happened and its entry stand or fall together.

    The chain is locked until the transaction ends, so call it last, and once. No lines: nothing is locked.
    """
    if not lines:
        return
    last = (await connection.execute(_HOLD)).first()
    first, previous = (last.entry + 1, bytes(last.hash)) if last else (1, BEGINNING)
    rows = []
    for number, line in enumerate(lines, start=first):
        entry = Entry(number, line.at.astimezone(UTC), line.what.value, line.who, line.about, _as_kept(line.detail))
        rows.append(entry.row(previous))
        previous = rows[-1]["hash"]
    await connection.execute(_ADD, rows)


async def verify(connection: AsyncConnection) -> str | None:
    """Check the whole chain, in order, without ever holding more than a batch of it. One sentence, as `first_broken`; None if it holds.

    A chain that was cut at its end looks whole: compare the last hash with one that was kept elsewhere (`audit export`).
    """
    last: Any = None
    query = select(audit).order_by(audit.c.entry)
    async with connection.stream(query, execution_options={"yield_per": BATCH}) as result:
        async for rows in result.partitions():
            if broken := first_broken(rows, after=last):
                return broken
            last = rows[-1]
    return None


async def export(connection: AsyncConnection, from_: datetime, to: datetime) -> AsyncIterator[dict[str, Any]]:
    """Every entry from `from_` up to but not with `to`, in order, ready for JSON; hashes as hex, so that the links can be checked."""
    query = select(audit).where((audit.c.at >= from_) & (audit.c.at < to)).order_by(audit.c.entry)
    async with connection.stream(query, execution_options={"yield_per": BATCH}) as result:
        async for row in result.mappings():
            yield {
                **row,
                "at": row["at"].astimezone(UTC).isoformat(),
                "previous": bytes(row["previous"]).hex(),
                "hash": bytes(row["hash"]).hex(),
            }


def first_broken(rows: Iterable[Any], *, after: Any = None) -> str | None:
    """One sentence that names the first entry that is missing, moved or changed; None if the chain holds.

    `rows` in order of entry, from the first one, or from the one that follows the row `after`.
    """
    expected, previous = (after.entry + 1, bytes(after.hash)) if after else (1, BEGINNING)
    for row in rows:
        if row.entry != expected:
            return f"entry {expected} is missing: the next one found is {row.entry}"
        if bytes(row.previous) != previous:
            return f"entry {row.entry} does not follow entry {row.entry - 1}: one of them was changed"
        entry = Entry(row.entry, row.at, row.what, row.who, row.about, row.detail)
        if entry.hash(previous) != bytes(row.hash):
            return f"entry {row.entry} ({row.what}) was changed after it was written"
        expected, previous = expected + 1, bytes(row.hash)
    return None


def _as_kept(value: Any) -> Any:
    """The detail as PostgreSQL will give it back: its numbers know no minus zero, no float without a fraction from 1e16 on,
    and its objects only text for keys. The hash is of this."""
    if isinstance(value, Mapping):
        return {str(key): _as_kept(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_kept(each) for each in value]
    if isinstance(value, float):
        return int(value) if abs(value) >= EXACT else value + 0.0
    return value
