"""Two records side by side: what the agency said of somebody, and what the list says of a child. Without any score."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fastapi import HTTPException
from sqlalchemy.ext.asyncio import AsyncConnection

from desk import words
from desk.tools import Tools
from schemas.child import WatchedChild
from schemas.moments import Candidate
from schemas.person import Person
from store import audit, children, deciding, reviews
from store.reviews import Review
from store.sessions import Session


def _several(field: str) -> Callable[[Any], Sequence[str]]:
    return lambda known: getattr(known, field)


def _one(field: str) -> Callable[[Any], Sequence[str]]:
    return lambda known: [str(value)] if (value := getattr(known, field)) else []


ROWS: Final[dict[str, tuple[str, Callable[[Any], Sequence[str]], str | None]]] = {
    "given_name": ("Given name", _one("given_name"), "former_given_names"),
    "family_name": ("Family name", _one("family_name"), "former_family_names"),
    "other_names": ("Other names", _several("other_names"), None),
    "previous_family_names": ("Previous family names", _several("previous_family_names"), None),
    "date_of_birth": ("Date of birth", _one("date_of_birth"), None),
    "sex": ("Sex", _one("sex"), None),
    "postcode": ("Postcode", _one("postcode"), "former_postcodes"),
    "address_line": ("Address", _one("address_line"), None),
    "nhs_number": ("NHS number", _one("nhs_number"), None),
    "upn": ("UPN", _one("upn"), None),
    "pnc_id": ("PNC id", _one("pnc_id"), None),
    "cro_number": ("CRO number", _one("cro_number"), None),
}
"""What is compared: its heading, its values, and where the list keeps its former ones."""

PLACES: Final = ("postcode", "address_line")
"""Withheld where the sender has marked the record as sensitive (domain page, L13)."""

SHOWED: Final = ["both-records"]


@dataclass(frozen=True)
class Line:
    """One row: what the agency said, and for each child what the list says and how the two stand: same, differs, missing."""

    field: str
    heading: str
    said: str
    listed: list[tuple[str, str]]


@dataclass(frozen=True)
class Compared:
    """A review as its reviewer sees it. The children are in the order of their ids: the likeliest first would be a score.

    `scores` are there on request, or once it is decided.
    """

    review: Review
    children: list[str]
    lines: list[Line]
    where: list[tuple[str, str]]
    scores: dict[str, Candidate]
    why: tuple[str, ...]


async def compare(
    connection: AsyncConnection, tools: Tools, who: Session, event_key: str, *, score: bool, now: datetime
) -> Compared:
    """One review of this person's teams, and the line in the audit chain that says who looks. Raises 404 for another team's.

    Commit before anything is shown.
    """
    review = await reviews.find(connection, tools.sealer, event_key, who.teams)
    if review is None:
        raise HTTPException(404)
    blind = review.about.state == reviews.OPEN and not score
    entries = []
    for child in sorted(await deciding.of_teams(connection, review, who.teams)):
        entry = await children.find(connection, tools.sealer, child, broken=lambda _: None)
        if entry is not None:
            entries.append(entry)
    detail = {
        "reason": "deciding-a-possible-match",
        "showed": SHOWED if blind else [*SHOWED, "score"],
        "children": [entry.child_id for entry in entries],
        "session": who.mark,
    }
    about = f"event/{event_key}"
    await audit.record(connection, audit.What.REVIEW_VIEWED, who=who.person, about=about, at=now, detail=detail)
    sensitive = words.is_sensitive(review.fact.details)
    shown = {entry.child_id for entry in entries}
    return Compared(
        review=review,
        children=[entry.child_id for entry in entries],
        lines=[line for field in ROWS if (line := _line(field, review.person, entries, hidden=sensitive)) is not None],
        where=words.where(review.fact.type, review.fact.details, now),
        scores={} if blind else {each.child: each for each in review.decision.candidates if each.child in shown},
        why=() if blind else review.decision.why,
    )


def _line(field: str, person: Person, entries: Sequence[WatchedChild], *, hidden: bool) -> Line | None:
    """None where neither says anything."""
    heading, values, former = ROWS[field]
    said = values(person)
    listed = []
    for entry in entries:
        now, before = list(values(entry)), list(getattr(entry, former)) if former else []
        text = ", ".join(now) + (f" (before: {', '.join(before)})" if before else "")
        stands = _stands(said, [*now, *before])
        listed.append((words.WITHHELD if hidden and field in PLACES and text else text, stands))
    if not said and not any(text for text, _ in listed):
        return None
    text = words.WITHHELD if hidden and field in PLACES and said else ", ".join(said)
    return Line(field, heading, text, listed)


def _stands(said: Sequence[str], listed: Sequence[str]) -> str:
    if not said or not listed:
        return "missing"
    return "same" if {_plain(each) for each in said} & {_plain(each) for each in listed} else "differs"


def _plain(text: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFKD", text).casefold() if sign.isalnum())
