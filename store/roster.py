"""The CSV of watched children (contract section 5): every rule that an entry must keep before anybody is watched (domain page, L1)."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import chain
from typing import Any

from pydantic import ValidationError

from schemas.child import WatchedChild
from schemas.identifiers import Checked, authority_code, is_synthetic_nhs_number, postcode
from schemas.person import IDENTIFIERS, Person, Sex
from schemas.settings import Mode
from store.csvs import Check, Findings, Refused, Row, iso_date, one_of, several, shaped, text
from store.csvs import read as read_csv

LONGEST_REVIEW = timedelta(days=90)
"""From the day of the import, not from `starts_on`: a start in the far future would buy an entry that nobody looks at."""

OLDEST = 26
"""Years. Care leavers and young people with a plan are supported until their 25th birthday is over."""


class Action(StrEnum):
    ADD = "add"
    UPDATE = "update"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Change:
    """One row that can be taken: `child` is the whole entry as it shall be, None for a removal."""

    line: int
    action: Action
    child_id: str
    child: WatchedChild | None


def _usable(check: Any, says: str, *, required: bool = False) -> Check:
    """An identifier in canonical form. The list is ours, so one that cannot be right is an error here, not set aside."""

    def checked(cell: str) -> str | None:
        if not cell:
            if required:
                raise Refused("is empty")
            return None
        answer: Checked = check(cell)
        if not answer.usable:
            raise Refused(f"is not {says} ({answer.problem})")
        return answer.canonical

    return checked


NAMES = {"nhs_number": "an NHS number", "upn": "a UPN", "pnc_id": "a PNC id", "cro_number": "a CRO number"}

KEY: Mapping[str, Check] = {
    "child_id": shaped(
        r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}",
        "write letters, digits and . _ / - only, 64 at most, a letter or digit first",
    ),
    "action": one_of(Action),
}

ENTRY: Mapping[str, Check] = {
    "authority": _usable(authority_code, "a local authority's GSS code", required=True),
    "team": text(60),
    "family_name": text(200, required=False),
    "given_name": text(200, required=False),
    "other_names": several(text(200)),
    "previous_family_names": several(text(200)),
    "date_of_birth": iso_date(required=False),
    "sex": one_of(Sex, required=False),
    "postcode": _usable(postcode, "a postcode"),
    "address_line": text(200, required=False),
    **{field: _usable(check, NAMES[field]) for field, check in IDENTIFIERS.items()},
    "reason": text(500),
    "legal_basis": text(500),
    "decided_by": text(200),
    "starts_on": iso_date(),
    "review_on": iso_date(),
    "expires_on": iso_date(),
    "approach": text(2000, required=False),
}

COLUMNS = (*KEY, *ENTRY)

OPTIONAL = frozenset(Person.model_fields) & frozenset(COLUMNS) | {"approach"}
"""Columns that a file may leave out whole. That a child can be recognised by what is left is checked row by row."""


def read(data: bytes, *, mode: Mode, today: date, listed: Collection[str] | None = None) -> list[Change]:
    """Every row as a change, or BadFile with every line and column that is wrong. Needs no database; `today` is London's date.

    `listed` are the ids on the list now, if they are known: rows that do not fit it are then named with all the others.
    """
    findings = Findings()
    changes: list[Change] = []
    first_line: dict[str, int] = {}
    for row in read_csv(data, COLUMNS, findings, optional=OPTIONAL):
        change = _change(row, findings, mode, today)
        if change is None:
            continue
        if before := first_line.get(change.child_id):
            findings.add(row.line, "child_id", f"is on line {before} as well: one row for each child")
        first_line.setdefault(change.child_id, row.line)
        if listed is not None and (wrong := misplaced(change, listed)):
            findings.add(row.line, *wrong)
        changes.append(change)
    findings.stop()
    return changes


def misplaced(change: Change, listed: Collection[str]) -> tuple[str, str] | None:
    """The column and what is wrong with it, of a row that adds who is on the list already, or changes who is not."""
    if change.action is Action.ADD and change.child_id in listed:
        return "action", "this child is on the list: write update"
    if change.action is not Action.ADD and change.child_id not in listed:
        return "child_id", f"is not on the list: there is nothing to {change.action}"
    return None


def _change(row: Row, findings: Findings, mode: Mode, today: date) -> Change | None:
    key = row.checked(KEY, findings)
    if key is not None and key["action"] is Action.REMOVE:
        return Change(row.line, Action.REMOVE, key["child_id"], None)
    entry = row.checked(ENTRY, findings)
    if key is None or entry is None:
        return None
    wrong = list(chain(_dates(entry, today), _person(entry, mode)))
    for column, says in wrong:
        findings.add(row.line, column, says)
    if wrong:
        return None
    given = {column: value for column, value in entry.items() if value is not None}
    try:
        child = WatchedChild(child_id=key["child_id"], **given)
        child.person()
    except ValidationError as problem:  # a rule that the shapes have and this page has not: still named, still no value
        for error in problem.errors(include_input=False, include_url=False):
            findings.add(row.line, str(error["loc"][0]) if error["loc"] else "family_name", error["msg"])
        return None
    return Change(row.line, key["action"], key["child_id"], child)


def _dates(entry: Mapping[str, Any], today: date) -> Iterator[tuple[str, str]]:
    starts, review, expires, born = (
        entry[column] for column in ("starts_on", "review_on", "expires_on", "date_of_birth")
    )
    if born is not None and born > today:
        yield "date_of_birth", "is in the future"
    if born is not None and today.year - born.year > OLDEST:
        yield "date_of_birth", f"is more than {OLDEST} years ago"
    if review < today:
        yield "review_on", "has passed: the entry would never match"
    if review > today + LONGEST_REVIEW:
        yield "review_on", f"is more than {LONGEST_REVIEW.days} days from today, the day of this import"
    if review < starts:
        yield "review_on", "is before starts_on: the entry would never match"
    if expires < review:
        yield "expires_on", "is before review_on"


def _person(entry: Mapping[str, Any], mode: Mode) -> Iterator[tuple[str, str]]:
    number = entry["nhs_number"]
    if mode is Mode.REHEARSAL and number is not None and not is_synthetic_nhs_number(number):
        yield (
            "nhs_number",
            "could be a real person's, and this is a rehearsal: use a synthetic one (999 000 0000 and up)",
        )
    if any(entry[field] for field in IDENTIFIERS) or (entry["family_name"] and entry["date_of_birth"]):
        return
    yield "family_name", "nothing to recognise the child by: give one identifier, or family_name with date_of_birth"
