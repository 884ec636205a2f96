"""What agencies write: each door knows its own fields and errs in its own way. Every event carries the truth."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random

from benchmarks.population import slips
from benchmarks.population.people import Child, Population
from benchmarks.population.rates import Rates
from benchmarks.population.register import child_id
from schemas.person import BirthDateIs, Person, Sex
from streams.matching.names import Names, load


class Door(StrEnum):
    ADMISSION = "admission"
    ARREST = "arrest"
    EXCLUSION = "exclusion"
    MISSING = "missing"


class Kind(StrEnum):
    """Whom the event is about. The first four are natural, the others are stress."""

    LISTED = "listed"
    STRANGER = "stranger"
    NEIGHBOUR = "neighbour"
    SIBLING = "sibling"
    TWIN = "twin"
    PARENT = "parent"
    SAME_NAME = "same-name"
    SAME_NAME_AND_BIRTH = "same-name-and-birth"


@dataclass(frozen=True, slots=True)
class Event:
    """`child` is the id of the listed child that it is about, None for everybody else."""

    kind: Kind
    door: Door
    group: str
    person: Person
    child: str | None


@dataclass(frozen=True, slots=True)
class Fields:
    """How often a door knows a field. Custody has no NHS number; a missing report has little but a name and a birth date."""

    given: float
    postcode: float
    address: float
    nhs_number: float
    upn: float
    pnc_id: float
    sex: float
    alias: float
    birth_slip: float
    claimed: float


DOORS = {
    Door.ADMISSION: (0.45, Fields(0.998, 0.97, 0.9, 0.85, 0.0, 0.0, 0.99, 0.01, 1.0, 0.0)),
    Door.ARREST: (0.15, Fields(0.998, 0.85, 0.8, 0.0, 0.0, 0.45, 0.98, 0.06, 3.0, 0.25)),
    Door.EXCLUSION: (0.25, Fields(1.0, 0.93, 0.6, 0.0, 0.95, 0.0, 0.99, 0.02, 0.5, 0.0)),
    Door.MISSING: (0.15, Fields(0.99, 0.50, 0.4, 0.0, 0.0, 0.05, 0.9, 0.08, 1.2, 0.0)),
}


@dataclass(slots=True)
class Writer:
    """Writes down a child as a door would."""

    random: Random
    rates: Rates
    names: Names = field(default_factory=load)

    def write(self, child: Child, kind: Kind, truth: str | None) -> Event:
        door = self.random.choices(list(DOORS), [share for share, _ in DOORS.values()])[0]
        return Event(kind, door, child.group, self._person(child, DOORS[door][1]), truth)

    def _person(self, child: Child, known: Fields) -> Person:
        given, family = self._given(child, known), self._family(child)
        if given and self._slip("swapped_names"):
            given, family = family, given
        wrong = self._slip("birth_date_slip", known.birth_slip)
        return Person(
            given_name=given if self._has(known.given) else None,
            family_name=family,
            date_of_birth=slips.birth_date(self.random, child.born) if wrong else child.born,
            date_of_birth_is=BirthDateIs.CLAIMED if self._has(known.claimed) else BirthDateIs.RECORDED,
            sex=self._sex(child) if self._has(known.sex) else None,
            postcode=self._typed(child.postcode, "postcode_slip", slips.postcode)
            if self._has(known.postcode)
            else None,
            address_line=child.address if self._has(known.address) else None,
            nhs_number=self._identifier(child.nhs_number, known.nhs_number),
            upn=self._identifier(child.upn, known.upn),
            pnc_id=self._identifier(child.pnc_id, known.pnc_id),
        )

    def _given(self, child: Child, known: Fields) -> str:
        if child.alias and self._has(known.alias):
            return child.alias
        name = child.given
        if " " in name and self._slip("dropped_word"):
            name = name.split()[0]
        error = self.rates.error
        name = slips.other_name(
            self.random, name, self.names, self.rates.nickname * error, self.rates.other_spelling * error
        )
        return self._typed(name, "name_slip", slips.letters)

    def _family(self, child: Child) -> str:
        name = child.family
        if "-" in name and self._slip("dropped_word"):
            name = self.random.choice(name.split("-"))
        if self._slip("surname_changed"):
            name = self.random.choice(
                ("Smith", "Brown", "Ali", "Martin", "Kelly", "Okoro", "Wood", "Hall", "Begum", "Green")
            )
        return self._typed(name, "name_slip", slips.letters)

    def _sex(self, child: Child) -> Sex:
        other = Sex.FEMALE if child.sex == "male" else Sex.MALE
        return other if self._slip("sex_slip") else Sex(child.sex)

    def _identifier(self, value: str, share: float) -> str | None:
        return self._typed(value, "identifier_slip", slips.digits) if value and self._has(share) else None

    def _typed(self, value: str, rate: str, slip: Callable[[Random, str], str]) -> str:
        return slip(self.random, value) if self._slip(rate) else value

    def _slip(self, rate: str, times: float = 1.0) -> bool:
        share: float = getattr(self.rates, rate)
        return self.random.random() < share * self.rates.error * times

    def _has(self, share: float) -> bool:
        return self.random.random() < share


def natural(
    listed: list[Child], families: dict[int, list[Child]], others: Population, rates: Rates, seed: int, count: int
) -> Iterator[Event]:
    """Events in their natural mix. `families`: every household of the listed children; `others` supplies strangers."""
    random = Random(seed)  # noqa: S311
    writer, ids = Writer(random, rates), {child.number for child in listed}
    strangers = others.households()
    for _ in range(count):
        kind, child = random.random(), random.choice(listed)
        if kind < rates.about_listed:
            yield writer.write(child, Kind.LISTED, child_id(child))
            continue
        if kind < rates.about_listed + rates.sibling:
            siblings = [one for one in families[child.household] if one.number not in ids and one.born != child.born]
            if siblings:
                yield writer.write(random.choice(siblings), Kind.SIBLING, None)
                continue
        stranger = random.choice(next(strangers))
        if kind < rates.about_listed + rates.sibling + rates.neighbour:
            yield writer.write(_moved(stranger, child.postcode), Kind.NEIGHBOUR, None)
            continue
        yield writer.write(stranger, Kind.STRANGER, None)


def stress(
    listed: list[Child], families: dict[int, list[Child]], others: Population, rates: Rates, seed: int, count: int
) -> Iterator[Event]:
    """Twins of listed children (as many as there are, written several times over), fathers of the same name, namesakes: `count` of each."""
    random = Random(seed)  # noqa: S311
    writer, ids = Writer(random, rates), {child.number for child in listed}
    twins = [
        one for child in listed for one in families[child.household] if one.born == child.born and one.number not in ids
    ]
    for number in range(count):
        if twins:
            yield writer.write(twins[number % len(twins)], Kind.TWIN, None)
        child = random.choice(listed)
        yield writer.write(others.father(child), Kind.PARENT, None)
        yield writer.write(others.named(child, born=None), Kind.SAME_NAME, None)
        yield writer.write(others.named(child, born=child.born), Kind.SAME_NAME_AND_BIRTH, None)


def _moved(child: Child, postcode: str) -> Child:
    return replace(child, postcode=postcode)
