"""A row's cells as an event that somebody told: from a feed's own headings and words to the contract's fields."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from connectors.cloudevents import Told
from connectors.inbox.dates import NotADate, Order, read_date, read_instant
from connectors.inbox.fields import (
    NO,
    OURS,
    OWN_TIME,
    PERSONS,
    YES,
    Kind,
    columns_of,
    field_of,
    fold,
    is_about_person,
    required_of,
)
from connectors.inbox.mapping import Mapping_, full_type
from schemas.events import EVENTS
from store.rights import Agency

FORMULA: Final = tuple("=+-@\t\r")
_LIST_ENDS: Final = {"reasons": ";,|", "other_names": ";|", "previous_family_names": ";|"}

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "sex": {"m": "male", "boy": "male", "1": "male", "f": "female", "girl": "female", "2": "female"}
    | dict.fromkeys(("u", "x", "0", "9", "not known", "not specified"), "unknown"),
    "kind": {"susp": "suspension", "fixd": "suspension", "fixed term": "suspension", "fixed period": "suspension"}
    | {"perm": "permanent", "lnch": "lunchtime", "first appearance": "first-appearance"},
    "risk": {"no apparent risk": "no-apparent-risk", "absent": "no-apparent-risk", "very low": "other"},
    "mode": {},
    "date_of_birth_is": {},
}
"""Words that every export uses; a mapping's own come first. In these fields capitals do not matter."""


class BadRow(Exception):
    """This row cannot be taken. The message is for the person who mends it: headings and advice, never a value."""


@dataclass(frozen=True)
class Header:
    """Where each of our fields is in a row. `headings` are as the file has them, `unused` the numbers of columns we do not know."""

    headings: tuple[str, ...]
    places: Mapping[str, int]
    unused: tuple[int, ...] = ()

    def heading(self, name: str) -> str:
        """What the file calls one of our fields."""
        place = self.places.get(name)
        return name if place is None else self.headings[place]


def read_header(cells: Sequence[str], mapping: Mapping_) -> Header:
    """Raises BadRow: no heading is known (so this is no header), or one field is there twice."""
    places: dict[str, int] = {}
    unused = []
    for place, heading in enumerate(cells):
        if not heading.strip() or fold(heading) in OURS:
            continue
        name = mapping.headings.get(fold(heading)) or field_of(heading)
        if name is None:
            unused.append(place + 1)
        elif name in places:
            raise BadRow(f"columns {places[name] + 1} and {place + 1} are both {name}: name one in mapping.toml")
        else:
            places[name] = place
    if not places:
        raise BadRow("the first line has no column that is known here: it must be the header")
    if absent := [ours for ours in mapping.columns if ours not in places]:
        raise BadRow(f"the columns that mapping.toml names for {', '.join(absent)} are not in the header")
    return Header(tuple(cells), places, tuple(unused))


@dataclass
class Reader:
    """Reads the rows of one file. `named` is the type that the file's name says, if it says one."""

    header: Header
    mapping: Mapping_
    named: str | None = None
    zone: ZoneInfo = field(init=False)

    def __post_init__(self) -> None:
        self.zone = ZoneInfo(self.mapping.zone)

    def cells(self, cells: Sequence[str]) -> dict[str, str]:
        """What a row says, by our names and in our words, without the empty ones. Raises BadRow for a wrong number of cells."""
        if len(cells) != len(self.header.headings):
            raise BadRow(f"has {len(cells)} cells where the header has {len(self.header.headings)}")
        said = dict(self.mapping.fixed)
        for name, place in self.header.places.items():
            text = unguarded(cells[place]).strip()
            if "\n" in text or "\r" in text:
                raise BadRow(f"{self.header.heading(name)}: holds a line break")
            if text:
                said[name] = self.mapping.word(name, text)
        return said

    def told(self, said: Mapping[str, str], agency: Agency) -> Told:
        """The event, with every value that the contract does not know left as it is, for the door to refuse. Raises BadRow."""
        type_ = self._type(said, agency)
        attributes = {name: said[name] for name in ("id", "source", "authority") if name in said}
        attributes |= {"specversion": "1.0", "type": type_, "source": attributes.get("source", agency.sources[0])}
        if "mode" in said:
            attributes["mode"] = _word("mode", said["mode"])
        data = self._data(type_, said)
        attributes["time"] = self._time(type_, said, data)
        return Told("", attributes, data)

    def _type(self, said: Mapping[str, str], agency: Agency) -> str:
        """The row's own word, else the mapping's, else the file name's, else the one type whose columns are all there."""
        if "type" in said:
            try:
                return full_type(said["type"])
            except ValueError as problem:
                raise BadRow(f"{self.header.heading('type')}: {problem}") from None
        if chosen := self.mapping.type or self.named:
            return chosen
        possible = [type_ for type_ in sorted(agency.types) if _could_be(type_, said)]
        most = max((len(required_of(type_)) for type_ in possible), default=0)
        fullest = [type_ for type_ in possible if len(required_of(type_)) == most]
        if len(fullest) != 1:
            raise BadRow("which type of event is this? add a column `type`, or say it in mapping.toml")
        return fullest[0]

    def _data(self, type_: str, said: Mapping[str, str]) -> dict[str, Any]:
        data: dict[str, Any] = {"person": {}} if is_about_person(type_) else {}
        columns = columns_of(type_)
        for name, text in said.items():
            if (column := columns.get(name)) is None:
                continue  # a column of another type: one file may hold several
            below = data
            for part in column.place[:-1]:
                below = below.setdefault(part, {})
            below[column.place[-1]] = self._value(name, column.kind, text)
        own = OWN_TIME.get(EVENTS[type_], ("",))[0]
        if own in required_of(type_) and own not in data and "time" in said:
            data[own] = self._value("time", Kind.INSTANT, said["time"])
        return data

    def _time(self, type_: str, said: Mapping[str, str], data: Mapping[str, Any]) -> str:
        if "time" in said:
            return str(self._value("time", Kind.INSTANT, said["time"]))
        own = next((name for name in OWN_TIME.get(EVENTS[type_], ()) if name in data), None)
        if own is None:
            raise BadRow("time: is required, when it happened")
        return str(data[own])

    def _value(self, name: str, kind: Kind, text: str) -> Any:
        try:
            return READ[kind](name, text, self.mapping.dates, self.zone)
        except NotADate as problem:
            raise BadRow(f"{self.header.heading(name)}: {problem}") from None


def unguarded(cell: str) -> str:
    """A cell of a `.rejected.csv` without the apostrophe that keeps a spreadsheet from running it."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _could_be(type_: str, said: Mapping[str, str]) -> bool:
    """Whether a row has all that a type requires, and somebody in it exactly if the type is about somebody.

    `time` may stand in for the type's own, but not where that is what tells a release from an arrest.
    """
    about = is_about_person(type_)
    stands_in = OWN_TIME.get(EVENTS[type_], ("",))[0] if about and "time" in said else ""
    has_person = bool(PERSONS & said.keys())
    return bool(required_of(type_)) and required_of(type_) - {stands_in} <= said.keys() and has_person == about


def _word(name: str, text: str) -> str:
    if name not in WORDS:
        return text
    return WORDS[name].get(text.lower(), text.lower())


def _list(name: str, text: str, _: Order, __: ZoneInfo) -> list[str]:
    for sign in _LIST_ENDS.get(name, ";")[1:]:
        text = text.replace(sign, ";")
    return [part.strip() for part in text.split(";") if part.strip()]


def _yes_or_no(_: str, text: str, __: Order, ___: ZoneInfo) -> bool:
    if text.lower() in YES | NO:
        return text.lower() in YES
    raise NotADate("write yes or no")


def _date(_: str, text: str, order: Order, __: ZoneInfo) -> str:
    return read_date(text, order).isoformat()


def _instant(_: str, text: str, order: Order, zone: ZoneInfo) -> str:
    at: datetime = read_instant(text, order, zone)
    return at.isoformat()


READ: Final[Mapping[Kind, Callable[[str, str, Order, ZoneInfo], Any]]] = {
    Kind.TEXT: lambda name, text, _, __: _word(name, text),
    Kind.LIST: _list,
    Kind.DATE: _date,
    Kind.INSTANT: _instant,
    Kind.YES_OR_NO: _yes_or_no,
}
