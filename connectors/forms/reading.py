"""A filled-in form as the event that it tells, or what to say beside which field."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from connectors.cloudevents import Told
from connectors.forms import references
from connectors.forms.fields import Field, Kind, Page
from connectors.problems import Finding
from schemas.events import ChildExcluded, EventCancelled
from schemas.london import LONDON
from schemas.person import IDENTIFIERS
from schemas.wire import Sealer
from store.rights import ANYWHERE, Agency

Answers = Mapping[str, Sequence[str]]
"""Every value by the name of its box, as a browser sends them."""

SOON: Final = timedelta(minutes=5)
"""By how much the clock on their wall may be ahead of ours."""

NOBODY: Final = "Give the family name and the date of birth, or a number"

_TIME: Final = re.compile(r"(?P<h>[0-9]{1,2})[:.]?(?P<m>[0-9]{2})? ?(?P<half>[ap]m?)?", re.IGNORECASE)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class _Wrong(ValueError):
    """What to say beside the field."""


@dataclass(slots=True)
class Filled:
    """One form as it came. `problems` by the name of the field; the event is whole if there are none.

    `doubted`: the numbers that cannot be right. They are asked about once; sent again they are taken as they stand, because
    a number never keeps an event out (contract section 3).
    """

    page: Page
    answers: Answers
    now: datetime
    sealer: Sealer
    data: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    doubted: list[str] = field(default_factory=list)

    def told(self, agency: Agency, id_: str) -> Told:
        """The event, in the agency's own name, and its problems noted here."""
        person: dict[str, Any] = {}
        for each in (*self.page.place, *self.page.who):
            self._read(each, person if each.person else self.data)
        if self.page.who:
            self.data["person"] = person
            self._doubt(person)
            if not (any(name in person for name in IDENTIFIERS) or {"family_name", "date_of_birth"} <= person.keys()):
                self.problems.setdefault("family_name", NOBODY)
        source = agency.sources[0]
        if self.page.type == EventCancelled.type:
            self.data = {"of": {"source": source, "id": self._reference()}}
        if self.page.type == ChildExcluded.type:
            self.data.setdefault("exclusion", id_)  # a school office may have no reference of its own
        own = [code for code in agency.authorities if code != ANYWHERE]
        attributes = {
            "specversion": "1.0",
            "id": id_,
            "source": source,
            "type": self.page.type,
            "time": self.data.get(self.page.at, self.now.isoformat()),
            **({"authority": own[0]} if len(own) == len(agency.authorities) == 1 else {}),
            **({"mode": "test"} if self.one("trial") else {}),
        }
        return Told("", attributes, self.data)

    def note(self, findings: Sequence[Finding]) -> None:
        """What the door found wrong, beside the field that it is about; `form` is for what is about none of them."""
        names = {each.name for each in (*self.page.place, *self.page.who)}
        for finding in findings:
            name = finding.path.rpartition(".")[2].partition("[")[0]
            if finding.path.startswith("data.of"):
                name = "of"
            said = finding.message
            if finding.path == "data.person":
                name, said = "family_name", NOBODY
            self.problems.setdefault(name if name in names else "form", said)

    def _doubt(self, person: Mapping[str, Any]) -> None:
        known = self.answers.get("doubted", ())
        for name, check in IDENTIFIERS.items():
            if (typed := person.get(name)) and not check(typed).usable:
                self.doubted.append(name)
                if name not in known:
                    self.problems.setdefault(
                        name, "This cannot be right. Look again; if that is what it says, send it so"
                    )

    def _reference(self) -> str:
        found = references.read(self.sealer, self.one("of"))
        if found is None:
            self.problems["of"] = "There is no such reference. It is on the page that said Received"
        return found or ""

    def one(self, name: str) -> str:
        return self.answers.get(name, [""])[0].strip()

    def _read(self, asked: Field, into: dict[str, Any]) -> None:
        try:
            value = self._value(asked)
        except _Wrong as problem:
            self.problems[asked.name] = str(problem)
            return
        if asked.kind is Kind.TICK:
            into.update(asked.ticked if value else ())
            return
        if value in (None, "", []):
            if asked.required:
                self.problems[asked.name] = "Choose one" if asked.kind is Kind.ONE_OF else "Fill this in"
            return
        into[asked.name] = value

    def _value(self, asked: Field) -> Any:
        match asked.kind:
            case Kind.TEXT:
                return self.one(asked.name)
            case Kind.NAMES:
                return [part for name in re.split("[,;]", self.one(asked.name)) if (part := name.strip())]
            case Kind.DATE:
                day = self._date(asked)
                return day.isoformat() if day else None
            case Kind.WHEN:
                at = self._when(asked)
                return at.isoformat() if at else None
            case Kind.TICK:
                return bool(self.one(asked.name))
            case Kind.ONE_OF | Kind.SOME_OF:
                return self._chosen(asked)

    def _chosen(self, asked: Field) -> Any:
        allowed = {value for value, _ in asked.choices}
        chosen = [value for value in self.answers.get(asked.name, []) if value]
        if not set(chosen) <= allowed:
            raise _Wrong("Choose from what is offered")
        if asked.kind is Kind.ONE_OF:
            return chosen[0] if chosen else None
        return chosen

    def _date(self, asked: Field) -> date | None:
        day, month, year = (self.one(f"{asked.name}-{part}") for part in ("day", "month", "year"))
        if not (day or month or year):
            return None
        if not (day and month and year):
            raise _Wrong("Give the day, the month and the year")
        if not re.fullmatch("[0-9]{4}", year):
            raise _Wrong("Write the year with four digits")
        try:
            found = date(int(year), _month(month), int(day) if re.fullmatch("[0-9]{1,2}", day) else 0)
        except ValueError:
            raise _Wrong("There is no such date") from None
        if found.year < 1900:
            raise _Wrong("There is no such date")
        if asked.person and found > self.now.astimezone(LONDON).date():
            raise _Wrong("This is in the future")
        return found

    def _when(self, asked: Field) -> datetime | None:
        day, time = self._date(asked), self.one(f"{asked.name}-time")
        if day is None or not time:
            # The day alone is what the page came with: it is no answer.
            if time or (day is None and asked.required):
                raise _Wrong("Give the date and the time")
            if asked.required:
                raise _Wrong("Give the time of day, for example 02:06 or 2:06pm")
            return None
        at = _at(day, time, self.now)
        if asked.past and at > self.now + SOON:
            raise _Wrong("This is in the future")
        return at


def _month(text: str) -> int:
    if re.fullmatch("[0-9]{1,2}", text):
        return int(text)
    return _MONTHS.index(text[:3].lower()) + 1


def _at(day: date, time: str, now: datetime) -> datetime:
    found = _TIME.fullmatch(time)
    if found is None or not (found["m"] or found["half"]):
        raise _Wrong("Write the time as 02:06 or 2:06pm")
    hour, minute, half = int(found["h"]), int(found["m"] or 0), (found["half"] or "").lower()[:1]
    if half and not 1 <= hour <= 12:
        raise _Wrong("There is no such time")
    hour = hour % 12 + 12 * (half == "p") if half else hour
    try:
        wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=LONDON)
    except ValueError:
        raise _Wrong("There is no such time") from None
    later = wall.replace(fold=1).astimezone(UTC)
    # In the hour that comes twice in October: the second, unless that is still to come (as connectors/hl7/times.py).
    return later if later <= now + SOON else wall.replace(fold=0).astimezone(UTC)
