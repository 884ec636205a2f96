"""Children in households: brothers and sisters, twins, a father who may bear the same name, neighbours in the same postcode."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random

from benchmarks.population.naming import Culture, Naming
from benchmarks.population.rates import Rates

_AREAS = (
    "N E SE SW NW W B M L LS BN BS CB CR CV DE DN EN GL HA HD HU IG IP KT LE LN LU ME MK NE NG NN NR OL OX PE PL PO RG RM S SA SL SN "
    "SO SR SS ST TN TS TW UB WA WD WF WN WR WS WV YO"
)
_STREETS = "High Street,Station Road,Church Lane,Victoria Road,Green Lane,Park Road,Mill Lane,Queens Road,The Crescent,Albert Road"
_UNIT = "ABDEFGHJLNPQRSTUWXYZ"


@dataclass(frozen=True, slots=True)
class Child:
    """The truth about one child. `twin`: another of the household has the same birth date."""

    number: int
    household: int
    group: str
    given: str
    family: str
    born: date
    sex: str
    postcode: str
    old_postcode: str
    address: str
    old_address: str
    nhs_number: str
    upn: str
    pnc_id: str
    alias: str
    twin: bool = False


@dataclass(slots=True)
class Population:
    """An endless supply of households. `outcodes`: how many post towns they live in (12 is a borough, 2,500 the country)."""

    seed: int
    rates: Rates = field(default_factory=Rates)
    outcodes: int = 12
    today: date = date(2026, 11, 21)
    ages: tuple[int, int] = (5, 18)
    _random: Random = field(init=False)
    _naming: Naming = field(init=False)
    _places: list[str] = field(init=False)
    _children: int = 0
    _households: int = 0

    def __post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311
        self._naming = Naming(self._random)
        places = [f"{area}{number}" for number in range(1, 45) for area in _AREAS.split()]
        self._places = self._random.sample(places, min(self.outcodes, len(places)))

    def households(self) -> Iterator[list[Child]]:
        """Endless. The children of a household, eldest first; twins have one birth date."""
        while True:
            yield self._household()

    def named(self, other: Child, *, born: date | None) -> Child:
        """A stranger of the same name and sex elsewhere; with the same birth date if `born` is that."""
        culture = self._naming.culture()
        self._households += 1
        stranger = self._child(culture, other.family, born or self._born(), self._place(), self._address())
        return replace(stranger, given=other.given, sex=other.sex, group=other.group)

    def father(self, child: Child) -> Child:
        """Of the same name, at the same address, 20 to 40 years older."""
        self._children += 1
        born = child.born - timedelta(days=self._random.randint(20 * 365, 40 * 365))
        return replace(
            child,
            number=self._children,
            born=born,
            nhs_number=nhs_number(self._children),
            upn="",
            pnc_id="",
            alias="",
            sex="male",
        )

    def _household(self) -> list[Child]:
        random, culture = self._random, self._naming.culture()
        family, place, address = self._naming.family(culture), self._place(), self._address()
        old_place, old_address = self._old_place(place), self._address()
        self._households += 1
        size = random.choices((1, 2, 3, 4, 5), (0.42, 0.37, 0.14, 0.05, 0.02))[0]
        children: list[Child] = []
        while len(children) < size:
            own = family if random.random() > self.rates.other_surname_at_home / 2 else self._naming.family(culture)
            born = self._born()
            litter = 2 if random.random() < self.rates.twins else 1
            for _ in range(litter):
                child = self._child(culture, own, born, place, address)
                while any(child.given.split()[0] == other.given.split()[0] for other in children):
                    child = replace(child, given=self._naming.given(culture, child.sex))
                children.append(replace(child, old_postcode=old_place, old_address=old_address, twin=litter == 2))
        return children

    def _child(self, culture: Culture, family: str, born: date, place: str, address: str) -> Child:
        random = self._random
        self._children += 1
        number, sex = self._children, random.choice(("male", "female"))
        return Child(
            number=number,
            household=self._households,
            group=culture.name,
            given=self._naming.given(culture, sex),
            family=family,
            born=born,
            sex=sex,
            postcode=place,
            old_postcode=place,
            address=address,
            old_address=address,
            nhs_number=nhs_number(number),
            upn=upn(number, born),
            pnc_id=pnc_id(number, born),
            alias=self._naming.given(culture, sex).split()[0] if random.random() < self.rates.listed_alias else "",
        )

    def _born(self) -> date:
        """One in two hundred is 1 January, as offices write it."""
        youngest, eldest = self.ages
        born = self.today - timedelta(days=self._random.randint(youngest * 365, eldest * 365))
        return born.replace(month=1, day=1) if self._random.random() < 0.005 else born

    def _place(self) -> str:
        random = self._random
        return f"{random.choice(self._places)} {random.randint(1, 9)}{random.choice(_UNIT)}{random.choice(_UNIT)}"

    def _old_place(self, place: str) -> str:
        """Two of three moves stay in the post town."""
        fresh = self._place()
        return f"{place[:-4]} {fresh[-3:]}" if self._random.random() < 0.66 else fresh

    def _address(self) -> str:
        return f"{self._random.randint(1, 150)} {self._random.choice(_STREETS.split(','))}"


def nhs_number(number: int) -> str:
    """Of the synthetic 999 range, or 99 and 90-98 once that is used up, with its check digit; the same number, the same person."""
    while True:
        nine = f"{999_000_000 - (number * 7919) % 99_000_000:09d}"
        check = (11 - sum(int(digit) * weight for digit, weight in zip(nine, range(10, 1, -1), strict=True)) % 11) % 11
        if check < 10 and len({*nine, str(check)}) > 1:
            return f"{nine}{check}"
        number += 50_000_017


def upn(number: int, born: date) -> str:
    letters = "ABCDEFGHJKLMNPQRTUVWXYZ"
    twelve = f"{200 + number % 150:03d}{4000 + number % 37:04d}{(born.year + 5) % 100:02d}{number // 5550 % 1000:03d}"
    return letters[sum(int(digit) * place for place, digit in enumerate(twelve, start=2)) % 23] + twelve


def pnc_id(number: int, born: date) -> str:
    year, serial = born.year + 13, f"{number % 9_999_999 + 1:07d}"
    return f"{year}/{serial}{'ZABCDEFGHJKLMNPQRTUVWXY'[int(f'{year % 100:02d}{serial}') % 23]}"
