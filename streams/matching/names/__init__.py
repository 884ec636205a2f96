"""What is known of names: how common they are, which spellings are one name, which go by a shorter one. Data files and their loader.

Each CSV says its source and date in the `#` lines at its top. To use other figures, give `load` another folder with the same columns.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from streams.matching.folding import SHORT_FORMS_END

SHIPPED = Path(__file__).parent

Sets = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Names:
    """Keys are folded names (one word). Frequencies are shares of children, given names within their sex.

    `cultures` maps a family name to the given names of the culture it mostly belongs to: Mohammed is not one boy in 60
    among the Khans, and a table that takes first and last names as independent is surest where it should doubt.
    `nearest` is the share of a given name in the culture where it is commonest: what to reckon with where the family name is
    one that no table knows.
    """

    given: Mapping[str, float]
    family: Mapping[str, float]
    cultures: Mapping[str, Mapping[str, float]]
    nearest: Mapping[str, float]
    spellings: Sets
    nicknames: Sets

    def same(self, one: str, other: str) -> bool:
        """Whether two different words are spellings of one name, or a name and its short form."""
        spelt = self.spellings.get(one)
        if spelt and not spelt.isdisjoint(self.spellings.get(other, ())):
            return True
        return other in self.nicknames.get(one, ())

    def known(self, word: str) -> bool:
        """Whether it is a name in its own right, not a slip of the finger."""
        return word in self.given or word in self.family or word in self.nicknames or word in self.spellings


def load(folder: Path = SHIPPED) -> Names:
    """Reads the five files. Raises OSError, KeyError or ValueError if one is missing or has not its columns."""
    shares = {row["group"]: float(row["share"]) for row in _rows(folder / "groups.csv")}
    given = _by_culture(folder / "given.csv")
    family = _by_culture(folder / "family.csv")
    return Names(
        given=_overall(given, shares),
        family=_overall(family, shares),
        cultures={name: given[group] for name, group in _mostly(family, shares).items()},
        nearest=_largest(given),
        spellings=_spellings(folder / "spellings.csv"),
        nicknames=_nicknames(folder / "nicknames.csv"),
    )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


def _by_culture(path: Path) -> dict[str, dict[str, float]]:
    """Culture to name to share. A name of both sexes counts with the sex in which it is commoner."""
    tables: dict[str, dict[str, float]] = defaultdict(dict)
    for row in _rows(path):
        table, share = tables[row["group"]], float(row["per_100k"]) / 100_000
        table[row["name"]] = max(share, table.get(row["name"], 0.0))
    return dict(tables)


def _overall(tables: dict[str, dict[str, float]], shares: dict[str, float]) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for group, table in tables.items():
        for name, share in table.items():
            total[name] += shares[group] * share
    return dict(total)


def _largest(tables: dict[str, dict[str, float]]) -> dict[str, float]:
    shares: dict[str, float] = defaultdict(float)
    for table in tables.values():
        for name, share in table.items():
            shares[name] = max(share, shares[name])
    return dict(shares)


def _mostly(tables: dict[str, dict[str, float]], shares: dict[str, float]) -> dict[str, str]:
    """The culture to which more than half of a family name's bearers belong, for the cultures that are not the largest."""
    total = _overall(tables, shares)
    largest = max(shares, key=lambda group: shares[group])
    return {
        name: group
        for group, table in tables.items()
        for name, share in table.items()
        if group != largest and shares[group] * share > total[name] / 2
    }


def _spellings(path: Path) -> dict[str, frozenset[str]]:
    families: dict[str, set[str]] = defaultdict(set)
    for row in _rows(path):
        families[row["spelling"]].add(row["family"])
    return {spelling: frozenset(names) for spelling, names in families.items()}


def _nicknames(path: Path) -> dict[str, frozenset[str]]:
    """Both ways: bill to william, william to bill. Ollie is Olly and Olley as well, whichever of them the table has."""
    pairs: dict[str, set[str]] = defaultdict(set)
    for row in _rows(path):
        for nickname in _as_written(row["nickname"]):
            if nickname != row["name"]:
                pairs[row["name"]].add(nickname)
                pairs[nickname].add(row["name"])
    return {name: frozenset(others) for name, others in pairs.items()}


def _as_written(nickname: str) -> set[str]:
    stem = next((nickname.removesuffix(end) for end in SHORT_FORMS_END if nickname.endswith(end)), "")
    return {nickname, *(stem + end for end in SHORT_FORMS_END)} if len(stem) > 1 else {nickname}
