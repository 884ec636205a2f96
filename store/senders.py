"""HL7 senders: whose messages they are, how they are recognised, and what an arrival at A&E looks like in theirs. A CSV, and a table."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ForeignKey, Table, Text, UniqueConstraint, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.identifiers import authority_code
from store import agencies, audit, csvs
from store.columns import Instant, Words
from store.csvs import Check, Findings, Refused
from store.database import TABLES, lock
from store.rights import Agency

hl7_senders = Table(
    "hl7_senders",
    TABLES,
    Column("sender", Text, primary_key=True),
    Column("agency", Text, ForeignKey("agencies.agency"), nullable=False, index=True),
    Column("application", Text, nullable=False),
    Column("facility", Text, nullable=False),
    Column("certificate", Text, nullable=False),
    Column("addresses", Words, nullable=False),
    Column("source", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("site_name", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("classes", Words, nullable=False),
    Column("locations", Words, nullable=False),
    Column("treatment_functions", Words, nullable=False),
    Column("admission_methods", Words, nullable=False),
    Column("changed_at", Instant, nullable=False, server_default=func.now()),
    UniqueConstraint("application", "facility", "certificate"),
)


@dataclass(frozen=True, slots=True)
class Sender:
    """One sender. An empty text or tuple is "not said".

    `application` and `facility` are MSH-3 and MSH-4 (their first components; an empty one fits any). `certificate` is how
    its client certificate is known: a DNS name in it, or the SHA-256 of the whole in hex; with one, a message counts only
    over TLS with that certificate. Without one it counts only from `addresses` (networks as 10.1.0.0/24; none: from this
    machine alone). `source` is one of the agency's, and `authority` where the hospital is. The last four are the rule.
    """

    sender: str
    agency: str
    application: str = ""
    facility: str = ""
    certificate: str = ""
    addresses: tuple[str, ...] = ()
    source: str = ""
    site: str = ""
    site_name: str = ""
    authority: str = ""
    classes: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    treatment_functions: tuple[str, ...] = ()
    admission_methods: tuple[str, ...] = ()

    def says(self, application: str, facility: str) -> bool:
        """Whether a message with these in MSH-3 and MSH-4 can be this sender's."""
        theirs = ((self.application, application), (self.facility, facility))
        return all(not own or own.casefold() == said.casefold() for own, said in theirs)


_NAME = r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*"
_SHORT = csvs.text(100, required=False)


def _empty(check: Check) -> Check:
    return lambda cell: check(cell) or ""


def _network(cell: str) -> str:
    try:
        return str(ipaddress.ip_network(cell, strict=False))
    except ValueError:
        raise Refused("is not an address or a network such as 10.1.0.0/24") from None


def _certificate(cell: str) -> str:
    plain = cell.replace(":", "").lower()
    if re.fullmatch("[0-9a-f]{64}", plain):
        return plain
    if cell and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", cell):
        raise Refused("write a DNS name that is in the certificate, or its SHA-256 in hex")
    return cell.lower()


def _authority(cell: str) -> str:
    if cell and authority_code(cell).canonical != cell:
        raise Refused("is not the GSS code of a local authority, such as E09000019")
    return cell


COLUMNS: Mapping[str, Check] = {
    "sender": csvs.shaped(_NAME, "use letters, digits, dots, hyphens and underscores, as in royal-london"),
    "agency": csvs.text(60),
    "application": _empty(_SHORT),
    "facility": _empty(_SHORT),
    "certificate": _certificate,
    "addresses": csvs.several(_network),
    "source": _empty(csvs.text(500, required=False)),
    "site": _empty(_SHORT),
    "site_name": _empty(csvs.text(200, required=False)),
    "authority": _authority,
    "classes": csvs.several(csvs.text(100)),
    "locations": csvs.several(csvs.text(100), most=200),
    "treatment_functions": csvs.several(csvs.text(100)),
    "admission_methods": csvs.several(csvs.text(100)),
}
OPTIONAL = tuple(column for column in COLUMNS if column not in ("sender", "agency"))


def read(data: bytes) -> list[Sender]:
    """Every row, or BadFile with every line and column that is wrong."""
    findings = Findings()
    found: list[Sender] = []
    names: set[str] = set()
    said: set[tuple[str, ...]] = set()
    for row in csvs.read(data, tuple(COLUMNS), findings, optional=OPTIONAL):
        values = row.checked(COLUMNS, findings)
        if values is None:
            continue
        sender = Sender(**values)
        if sender.sender in names:
            findings.add(row.line, "sender", "is in the file twice")
        if not (sender.application or sender.facility or sender.certificate):
            findings.add(
                row.line, "application", "say MSH-3, MSH-4 or a certificate: else nobody can be told from anybody"
            )
        how = (sender.application.casefold(), sender.facility.casefold(), sender.certificate)
        if how in said:
            findings.add(row.line, "facility", "another line has the same MSH-3, MSH-4 and certificate")
        names.add(sender.sender)
        said.add(how)
        found.append(sender)
    findings.stop()
    return found


class SenderRefused(Exception):
    """It cannot be registered, or removed. The message is one sentence that says why and what to do."""


async def apply(connection: AsyncConnection, senders: Sequence[Sender], *, at: datetime, who: str) -> None:
    """Add these senders or change them; the others stay. Raises SenderRefused.

    The agency must be there; a sender never widens its rights: source and authority must be the agency's already.
    """
    await lock(connection, "senders", "all")
    known = {row.name: row for row in await agencies.listing(connection, at=at)}
    for sender in senders:
        if sender.agency not in known:
            raise SenderRefused(f"There is no agency '{sender.agency}': add it first, with 'nightlight agencies add'.")
        listed = known[sender.agency]
        agency = Agency(listed.name, listed.sources, frozenset(), frozenset(listed.authorities))
        if sender.source and not agency.owns(sender.source):
            raise SenderRefused(f"The source of {sender.sender} is not one of {sender.agency}'s.")
        if not agency.covers(sender.authority or None):
            raise SenderRefused(f"The authority of {sender.sender} is not one of {sender.agency}'s.")
    named = {sender.sender for sender in senders}
    taken = {(s.application.casefold(), s.facility.casefold(), s.certificate): s.sender for s in senders}
    for other in await listing(connection):
        twin = taken.get((other.application.casefold(), other.facility.casefold(), other.certificate))
        if other.sender not in named and twin:
            raise SenderRefused(f"{twin} has the same MSH-3, MSH-4 and certificate as {other.sender}.")
    rows = [
        {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(sender).items()}
        for sender in senders
    ]
    statement = upsert(hl7_senders)
    changed = {
        name: statement.excluded[name] for name in (*Sender.__dataclass_fields__, "changed_at") if name != "sender"
    }
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["sender"], set_=changed),
        [{**row, "changed_at": at} for row in rows],
    )
    detail = {"count": len(senders), "senders": sorted(named)}
    await audit.record(connection, audit.What.SENDERS_IMPORTED, who=who, about="senders", at=at, detail=detail)


async def remove(connection: AsyncConnection, sender: str, *, at: datetime, who: str) -> None:
    """Take one off the table. Raises SenderRefused: there is none of this name."""
    await lock(connection, "senders", "all")
    gone = await connection.execute(delete(hl7_senders).where(hl7_senders.c.sender == sender))
    if not gone.rowcount:
        raise SenderRefused(f"There is no sender '{sender}': 'nightlight feeds list' names those there are.")
    await audit.record(connection, audit.What.SENDER_REMOVED, who=who, about=f"sender/{sender}", at=at, detail={})


async def listing(connection: AsyncConnection) -> list[Sender]:
    """Every sender by name, whether its agency may send now or not."""
    rows = await connection.execute(select(hl7_senders).order_by(hl7_senders.c.sender))
    return [_sender(row) for row in rows.mappings()]


def _sender(row: Mapping[Any, Any]) -> Sender:
    values = {name: row[name] for name in Sender.__dataclass_fields__}
    given: dict[str, Any] = {name: tuple(held) if isinstance(held, list) else held for name, held in values.items()}
    return Sender(**given)
