"""Another hand: a second generator that shares nothing with the first but the shape of an event.

Names come from Faker's locales, with none of our tables; people live in larger, mixed households that move now and then; slips are of
the kinds that census work knows (ink read wrong, keys beside, a cell left blank, a cell copied from somebody else at home, 1 January).
What holds here and in `population` was tuned to the problem and not to a generator.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random
from typing import Final

from faker import Faker

from benchmarks.population.events import Door, Event, Kind
from benchmarks.population.people import nhs_number, pnc_id, upn
from schemas.child import WatchedChild
from schemas.person import Person, Sex

TODAY: Final = date(2026, 11, 21)

LOCALES: Final = {
    "en_GB": 0.60,
    "en_IN": 0.10,
    "en_PK": 0.07,
    "en_IE": 0.04,
    "pl_PL": 0.04,
    "yo_NG": 0.03,
    "tw_GH": 0.03,
    "ro_RO": 0.03,
    "tr_TR": 0.02,
    "es_ES": 0.02,
    "pt_PT": 0.01,
    "sw": 0.01,
}
"""Faker's locale to its share of households."""

_INK: Final = {"m": "rn", "rn": "m", "l": "i", "i": "l", "o": "a", "u": "v", "v": "u", "h": "b", "c": "e", "e": "c"}
_SOUND: Final = {"ph": "f", "f": "ph", "ck": "k", "k": "c", "ee": "ea", "y": "ie", "ie": "y", "z": "s", "ou": "u"}
_KEYS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_LETTERS: Final = "ABDEFGHJLNPQRSTUWXYZ"


@dataclass(frozen=True, slots=True)
class Hands:
    """`slip`: the share of cells that are written wrong; `blank`: left empty though the door has the field; `stale`: of addresses."""

    slip: float = 0.02
    blank: float = 0.03
    stale: float = 0.12
    about_listed: float = 0.05
    about_home: float = 0.05


@dataclass(frozen=True, slots=True)
class Soul:
    """One of a household, child or grown-up."""

    number: int
    home: int
    group: str
    given: str
    middle: str
    family: str
    born: date
    sex: str
    postcode: str
    line: str
    before: tuple[str, str]

    @property
    def child_id(self) -> str:
        return f"K-{self.number}"

    @property
    def grown_up(self) -> bool:
        return (TODAY - self.born).days > 18 * 365.25


@dataclass(slots=True)
class Town:
    """Endless households, from a seed. `outcodes`: how large the place is."""

    seed: int
    outcodes: int
    random: Random = field(init=False)
    fakers: dict[str, Faker] = field(init=False)
    places: list[str] = field(init=False)
    count: int = 1_000_000
    homes: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311
        self.fakers = {locale: Faker(locale, use_weighting=True) for locale in LOCALES}
        for place, faker in enumerate(self.fakers.values()):
            faker.seed_instance(self.seed + place)
        areas = ("B", "M", "LS", "NG", "BS", "SE", "E", "CV", "LE", "S", "WF", "OL", "BB", "CR", "EN", "HA")
        self.places = self.random.sample(
            [f"{area}{n}" for n in range(1, 99) for area in areas], min(self.outcodes, 1500)
        )

    def home(self) -> list[Soul]:
        """Two grown-ups and one to six children, of one surname or two; every fiftieth birth is of twins."""
        random, locale = self.random, self.random.choices(list(LOCALES), list(LOCALES.values()))[0]
        self.homes += 1
        name = self._family(locale)
        others, here, before = self._family(locale), self._address(), self._address()
        souls: list[Soul] = []
        eldest = TODAY - timedelta(days=random.randint(6 * 365, 18 * 365 - 1))
        for turn in range(random.choices((1, 2, 3, 4, 6), (30, 40, 18, 8, 4))[0]):
            born = eldest + timedelta(days=turn * random.randint(310, 1400))
            for _ in range(2 if random.random() < 0.02 else 1):
                family = name if random.random() > 0.1 else others
                taken = {one.given for one in souls}
                souls.append(self._soul(locale, family, born, here, before, taken))
        parents = [
            self._soul(locale, family, eldest - timedelta(days=random.randint(18 * 365, 40 * 365)), here, before, set())
            for family in (name, others)
        ]
        return [one for one in souls if (TODAY - one.born).days > 5 * 365] + parents

    def namesake(self, other: Soul, born: date | None) -> Soul:
        """Somebody elsewhere with the same names; born on the same day if `born` says so."""
        here = self._address()
        day = born or TODAY - timedelta(days=self.random.randint(6 * 365, 18 * 365 - 1))
        stranger = self._soul(other.group, other.family, day, here, here, set())
        return replace(stranger, given=other.given, middle=other.middle, sex=other.sex)

    def junior(self, child: Soul) -> Soul:
        """A parent after whom the child is named."""
        born = child.born - timedelta(days=self.random.randint(18 * 365, 40 * 365))
        return replace(child, number=self._number(), born=born, sex="male")

    def twin(self, child: Soul) -> Soul:
        """At home with the child, born the same day, whether or not the household has one."""
        here = (child.postcode, child.line)
        return replace(
            self._soul(child.group, child.family, child.born, here, child.before, {child.given}), home=child.home
        )

    def _soul(
        self, locale: str, family: str, born: date, here: tuple[str, str], before: tuple[str, str], taken: set[str]
    ) -> Soul:
        sex = self.random.choice(("male", "female"))
        given = self._given(locale, sex)
        while given in taken:
            given = self._given(locale, sex)
        middle = self._given(locale, sex) if self.random.random() < 0.3 else ""
        return Soul(self._number(), self.homes, locale, given, middle, family, born, sex, *here, before)

    def _given(self, locale: str, sex: str) -> str:
        faker = self.fakers[locale]
        return str(faker.first_name_male() if sex == "male" else faker.first_name_female())

    def _family(self, locale: str) -> str:
        return str(self.fakers[locale].last_name())

    def _number(self) -> int:
        self.count += 1
        return self.count

    def _address(self) -> tuple[str, str]:
        random = self.random
        unit = f"{random.randint(1, 9)}{random.choice(_LETTERS)}{random.choice(_LETTERS)}"
        street = f"{self.fakers['en_GB'].last_name()} {random.choice(('Street', 'Road', 'Close', 'Way', 'Court'))}"
        flat = f"Flat {random.randint(1, 40)}, " if random.random() < 0.2 else ""
        return f"{random.choice(self.places)} {unit}", f"{flat}{random.randint(1, 200)} {street}"


@dataclass(slots=True)
class Scribe:
    """Writes people down, badly. `at_home` gives the others of a household, whose cells are copied by mistake."""

    random: Random
    hands: Hands
    at_home: dict[int, list[Soul]]

    def listed(self, child: Soul) -> WatchedChild:
        postcode, line = child.before if self.random.random() < self.hands.stale else (child.postcode, child.line)
        return WatchedChild(
            child_id=child.child_id,
            authority="E09000019",
            team="islington",
            family_name=child.family,
            given_name=f"{child.given} {child.middle}".strip() if self.random.random() < 0.7 else child.given,
            date_of_birth=child.born,
            sex=Sex(child.sex),
            postcode=postcode,
            address_line=line if self.random.random() < 0.8 else None,
            nhs_number=self._maybe(0.85, nhs_number(child.number)),
            upn=self._maybe(0.75, upn(child.number, child.born)),
            pnc_id=self._maybe(0.10, pnc_id(child.number, child.born)),
        )

    def write(self, soul: Soul, kind: Kind, truth: str | None) -> Event:
        random = self.random
        door = random.choices(list(Door), (50, 15, 20, 15))[0]
        few = door is Door.MISSING
        family, given = self._name(soul.family, soul, "family"), self._name(soul.given, soul, "given")
        if soul.middle and random.random() < 0.3:
            given = f"{given} {soul.middle}"
        return Event(
            kind,
            door,
            soul.group,
            Person(
                family_name=family,
                given_name=None if self._blank() else given,
                date_of_birth=self._born(soul),
                sex=None if self._blank() else Sex(soul.sex),
                postcode=self._maybe(0.5 if few else 0.93, self._typed(soul.postcode)),
                address_line=self._maybe(0.3 if few else 0.7, self._typed(soul.line)),
                nhs_number=self._maybe(0.8 if door is Door.ADMISSION else 0, self._digits(nhs_number(soul.number))),
                upn=self._maybe(0.9 if door is Door.EXCLUSION else 0, self._digits(upn(soul.number, soul.born))),
                pnc_id=self._maybe(0.4 if door is Door.ARREST else 0, self._digits(pnc_id(soul.number, soul.born))),
            ),
            truth,
        )

    def _name(self, name: str, soul: Soul, part: str) -> str:
        """Most slips keep the sound; one in six is a cell of somebody else at home, or another name altogether."""
        if not self._slips():
            return name
        kind = self.random.random()
        if kind < 0.1:
            others = self.at_home.get(soul.home, [soul])
            return str(getattr(self.random.choice(others), part))
        if kind < 0.17:
            return name[0]
        if kind < 0.3:
            return _swap(name, self.random, _SOUND)
        if kind < 0.5:
            return _swap(name, self.random, _INK)
        return _key(name, self.random)

    def _born(self, soul: Soul) -> date:
        """Never blank, as the contract wants one with a name. A slip in three changes day and month over."""
        if not self._slips():
            return soul.born
        random, born = self.random, soul.born
        kind = random.random()
        if kind < 0.33 and born.day <= 12:
            return born.replace(month=born.day, day=born.month)
        if kind < 0.45:
            return random.choice(self.at_home.get(soul.home, [soul])).born
        if kind < 0.6:
            return born.replace(month=1, day=1)
        if kind < 0.8:
            return born + timedelta(days=random.choice((-10, -1, 1, 10)))
        return born.replace(year=born.year + random.choice((-2, -1, 1)), day=min(born.day, 28))

    def _typed(self, text: str) -> str:
        return _key(text, self.random) if self._slips() else text

    def _digits(self, text: str) -> str:
        if not self._slips():
            return text
        at = self.random.randrange(1, len(text) - 1)
        return text[:at] + self.random.choice("0123456789") + text[at + 1 :]

    def _maybe(self, share: float, text: str) -> str | None:
        return text if self.random.random() < share and not self._blank() else None

    def _slips(self) -> bool:
        return self.random.random() < self.hands.slip

    def _blank(self) -> bool:
        return self.random.random() < self.hands.blank


def _swap(name: str, random: Random, table: dict[str, str]) -> str:
    found = [part for part in table if part in name.lower()[1:]]
    if not found:
        return _key(name, random)
    part = random.choice(found)
    return name[0] + name[1:].replace(part, table[part], 1)


def _key(text: str, random: Random) -> str:
    """A key beside the right one, a letter too few or two changed over."""
    if len(text) < 3:
        return text
    at, kind = random.randrange(1, len(text)), random.random()
    if kind < 0.35:
        return text[:at] + text[at + 1 :]
    if kind < 0.6:
        return text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]
    row = next((row for row in _KEYS if text[at].lower() in row), "qwertyuiop")
    near = row[min(max(row.find(text[at].lower()) + random.choice((-1, 1)), 0), len(row) - 1)]
    return text[:at] + near + text[at + 1 :]


def scene(
    listed: int, outcodes: int, hands: Hands, seed: int, natural: int, stress: int
) -> tuple[list[WatchedChild], Iterator[Event], Iterator[Event]]:
    """The list, the natural events and `stress` events of each kind of stress, all from one seed."""
    town = Town(seed, outcodes)
    random = Random(seed + 1)  # noqa: S311
    at_home: dict[int, list[Soul]] = {}
    chosen: list[Soul] = []
    while len(chosen) < listed:
        souls = town.home()
        children = [one for one in souls if not one.grown_up]
        at_home[town.homes] = souls
        chosen += children[: 2 if random.random() < 0.1 else 1]
    chosen = chosen[:listed]
    scribe = Scribe(random, hands, at_home)
    rows = [scribe.listed(child) for child in chosen]
    return rows, _natural(chosen, town, scribe, natural), _stress(chosen, town, scribe, stress)


def _natural(chosen: list[Soul], town: Town, scribe: Scribe, count: int) -> Iterator[Event]:
    """One in twenty is about a listed child, one in twenty about somebody else at such a home, a grown-up often; a few are next door."""
    random, hands, ids = scribe.random, scribe.hands, {child.number for child in chosen}
    for _ in range(count):
        turn, child = random.random(), random.choice(chosen)
        if turn < hands.about_listed:
            yield scribe.write(child, Kind.LISTED, child.child_id)
            continue
        others = [one for one in scribe.at_home[child.home] if one.number not in ids and one.born != child.born]
        if turn < hands.about_listed + hands.about_home and others:
            yield scribe.write(random.choice(others), Kind.SIBLING, None)
            continue
        stranger = random.choice(town.home())
        if turn < hands.about_listed + 2 * hands.about_home:
            yield scribe.write(replace(stranger, postcode=child.postcode), Kind.NEIGHBOUR, None)
            continue
        yield scribe.write(stranger, Kind.STRANGER, None)


def _stress(chosen: list[Soul], town: Town, scribe: Scribe, count: int) -> Iterator[Event]:
    for _ in range(count):
        child = scribe.random.choice(chosen)
        yield scribe.write(town.twin(child), Kind.TWIN, None)
        yield scribe.write(town.junior(child), Kind.PARENT, None)
        yield scribe.write(town.namesake(child, None), Kind.SAME_NAME, None)
        yield scribe.write(town.namesake(child, child.born), Kind.SAME_NAME_AND_BIRTH, None)
