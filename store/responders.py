"""The CSV of people who can be on call (contract section 6): who they are, and how a page reaches them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import phonenumbers
from sqlalchemy import ColumnElement, case, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.settings import Mode
from store import audit, csvs
from store.csvs import Check, Findings, Refused
from store.database import lock
from store.people import responders

PERSON = csvs.shaped(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", "write letters, digits and . _ @ - only, 64 at most")
TEAM = csvs.text(60)

MOBILE = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_DRAMA = re.compile(r"\+447700900[0-9]{3}")  # Ofcom keeps these for film and television: nobody has one
_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\"]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One person as the file has them."""

    line: int
    person: str
    name: str = field(repr=False)
    mobile: str = field(repr=False)
    email: str | None = field(repr=False)
    teams: tuple[str, ...]


def phone(mode: Mode) -> Check:
    """A mobile in E.164; spaces are passed over. In rehearsal Ofcom's drama numbers and no other, live never those."""

    def check(cell: str) -> str:
        number = cell.replace(" ", "")
        if not number:
            raise Refused("is empty")
        if not _E164.fullmatch(number):
            raise Refused("write it as E.164: + and the country, for example +447700900123")
        if mode is Mode.REHEARSAL and not _DRAMA.fullmatch(number):
            raise Refused("could be a real phone, and this is a rehearsal: use +447700900000 to +447700900999")
        if mode is Mode.LIVE and _DRAMA.fullmatch(number):
            raise Refused("is kept by Ofcom for film and television: nobody has this phone")
        if mode is Mode.LIVE and not _is_mobile(number):
            raise Refused("is not a mobile phone's number")
        return number

    return check


def _is_mobile(number: str) -> bool:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(parsed) and phonenumbers.number_type(parsed) in MOBILE


def email(cell: str) -> str | None:
    if not cell:
        return None
    if len(cell) > 254 or not _EMAIL.fullmatch(cell):
        raise Refused("is not an email address")
    return cell


def read(data: bytes, *, mode: Mode) -> list[Entry]:
    """Every row, or BadFile with every line and column that is wrong. Somebody without a team is kept, and is never paged."""
    checks: Mapping[str, Check] = {
        "person": PERSON,
        "name": csvs.text(200),
        "mobile": phone(mode),
        "email": email,
        "teams": csvs.several(TEAM, most=500),
    }
    findings = Findings()
    entries: list[Entry] = []
    for row in csvs.read(data, tuple(checks), findings):
        values = row.checked(checks, findings)
        if values is not None:
            entries.append(Entry(row.line, **values))
    for column in ("person", "mobile"):
        first: dict[str, int] = {}
        for entry in entries:
            line = first.setdefault(getattr(entry, column), entry.line)
            if line != entry.line:
                findings.add(entry.line, column, f"is on line {line} as well")
    findings.stop()
    return entries


async def apply(connection: AsyncConnection, entries: Sequence[Entry], *, at: datetime, who: str) -> None:
    """Add these people or bring them up to date; who is not in the file stays as they are. Raises BadFile: somebody else's phone.

    A new phone has not opted out of our texts, so it starts afresh.
    """
    await lock(connection, "people", "all")
    findings = Findings()
    named = {entry.person for entry in entries}
    taken = {row.mobile for row in await connection.execute(select(responders)) if row.person not in named}
    for entry in entries:
        if entry.mobile in taken:
            findings.add(entry.line, "mobile", "is the phone of somebody who is not in this file")
    findings.stop()
    statement = upsert(responders)
    new = statement.excluded
    columns: dict[str, ColumnElement[Any]] = {
        name: new[name] for name in ("name", "mobile", "email", "teams", "changed_at")
    }
    columns["stopped_at"] = case((responders.c.mobile == new.mobile, responders.c.stopped_at))
    columns["mobile_since"] = case((responders.c.mobile == new.mobile, responders.c.mobile_since), else_=new.changed_at)
    rows = [{name: value for name, value in asdict(entry).items() if name != "line"} for entry in entries]
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["person"], set_=columns),
        [{**row, "teams": list(row["teams"]), "changed_at": at} for row in rows],
    )
    detail = {"count": len(entries), "people": sorted(named)}
    await audit.record(connection, audit.What.RESPONDERS_IMPORTED, who=who, about="responders", at=at, detail=detail)
