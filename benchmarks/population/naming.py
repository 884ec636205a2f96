"""Names by culture, in the shares of the shipped tables, with a tail of made-up names that no table knows."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from random import Random

from streams.matching.names import SHIPPED

_ONSETS = {
    "british": "b br c cl d f g h j l m n p r s st t th w wh",
    "muslim-south-asian": "a b f g h j k kh m n q r s sh t w z",
    "hindu-sikh": "a b bh ch d g h j k m n p r s sh t v",
    "african-christian": "a ad b ch d e f k kw m n o ok s t w y",
    "african-arab-muslim": "a b d f g h j kh l m n r s sh w y z",
    "polish": "b c cz d g j k kr m p r s sz t w z",
    "romanian": "a b c d f g i l m n p r s st t v",
    "turkish": "a b c d e g h k m o s t u y z",
    "portuguese-spanish": "a b c d f g j l m n p r s t v",
    "chinese": "b ch d f g h j l m n q s sh t w x y zh",
}
_ENDS = {
    "british": "er ton ley ham worth well man field by son",
    "polish": "ski cki wicz czyk ak ek",
    "romanian": "escu eanu aru oiu",
    "turkish": "oglu er can dag soy",
    "african-christian": "wu ola ye eze ah ong",
    "hindu-sikh": "al ani esh wal ar",
}
_PLAIN_ENDS = "n r m l s d"


@dataclass(frozen=True, slots=True)
class Culture:
    """One group's lists. `listed` is the share of its people whose name is in the list; the others' are made up."""

    name: str
    given: dict[str, tuple[list[str], list[float]]]
    family: tuple[list[str], list[float]]
    listed_given: float
    listed_family: float


@dataclass(slots=True)
class Naming:
    """Draws names. `tail` makes up to so many different unlisted names a culture."""

    random: Random
    tail: int = 4000
    cultures: list[Culture] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cultures = _cultures()
        self.shares = [float(row["share"]) for row in _rows("groups.csv")]

    def culture(self) -> Culture:
        return self.random.choices(self.cultures, self.shares)[0]

    def given(self, culture: Culture, sex: str) -> str:
        """With a middle name in one of five."""
        name = self._one(culture.given[sex[0]], culture.listed_given, culture.name, "")
        return (
            f"{name} {self._one(culture.given[sex[0]], 1.0, culture.name, '')}" if self.random.random() < 0.2 else name
        )

    def family(self, culture: Culture) -> str:
        """Hyphened in one of twenty-five."""
        name = self._one(culture.family, culture.listed_family, culture.name, "end")
        return f"{name}-{self._one(culture.family, 1.0, culture.name, '')}" if self.random.random() < 0.04 else name

    def _one(self, names: tuple[list[str], list[float]], listed: float, culture: str, end: str) -> str:
        if self.random.random() < listed:
            return self.random.choices(names[0], cum_weights=names[1])[0].title()
        return _made_up(culture, int(self.tail * self.random.random() ** 2), end)


def _made_up(culture: str, number: int, end: str) -> str:
    """The same number is the same name; low numbers are commoner."""
    random = Random(f"{culture}{number}{end}")  # noqa: S311
    onsets = _ONSETS.get(culture, _ONSETS["british"]).split()
    word = "".join(random.choice(onsets) + random.choice("aeiou") for _ in range(random.choice((1, 2, 2, 3))))
    ends = _ENDS.get(culture, _PLAIN_ENDS).split() if end else ["n", "r", "", "l", "a"]
    tail = random.choice(ends)
    return (word + tail).title()


def _rows(name: str) -> list[dict[str, str]]:
    with (Path(SHIPPED) / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def _cultures() -> list[Culture]:
    given, family = _rows("given.csv"), _rows("family.csv")
    return [
        Culture(
            name=group["group"],
            given={
                sex: _weighted(row for row in given if (row["group"], row["sex"]) == (group["group"], sex))
                for sex in "mf"
            },
            family=_weighted(row for row in family if row["group"] == group["group"]),
            listed_given=float(group["given_listed"]),
            listed_family=float(group["family_listed"]),
        )
        for group in _rows("groups.csv")
    ]


def _weighted(rows: Iterable[dict[str, str]]) -> tuple[list[str], list[float]]:
    chosen = list(rows)
    return [row["name"] for row in chosen], list(accumulate(float(row["per_100k"]) for row in chosen))
