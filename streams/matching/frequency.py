"""How common a name is: in the population, among those of its culture, and on the list itself. The largest of the three counts.

A name that no table knows is not rare: it is taken to be as common as the model's floor, or a Turkish or Romanian surname
would weigh like an identifier.
"""

from collections import Counter
from typing import TypeVar

from streams.matching.folding import Words
from streams.matching.model import Model
from streams.matching.names import Names
from streams.matching.normalise import Entry

T = TypeVar("T")

CULTURE_COUNTS = 0.8
"""A family name tells the culture of most of its bearers, not of all."""

SECOND_NAME = 0.1
"""Of those called Mohammed, how many go by the same second name."""


AT_HOME = 2
"""Others of the list in one postcode who may be of one household, and say nothing of how common the postcode is."""

_CUTS = {0: 8, 2: -2, 3: -3}
"""Level of the postcode's comparison to the part that agreed."""


class Frequencies:
    """Counts of the list are kept as children come and go; a name that nobody on the list has is forgotten."""

    def __init__(self, model: Model, names: Names) -> None:
        self._model = model
        self._names = names
        self._given: Counter[Words] = Counter()
        self._family: Counter[Words] = Counter()
        self._places: Counter[str] = Counter()
        self._listed = 0

    def count(self, entry: Entry, by: int) -> None:
        """`by` is 1 for a child that comes and -1 for one that goes."""
        self._listed += by
        if entry.given:
            _tally(self._given, entry.given[0], by)
        if entry.family:
            _tally(self._family, entry.family[0], by)
        if entry.postcode:
            for cut in _CUTS.values():
                _tally(self._places, entry.postcode[:cut], by)

    def given(self, words: Words, family: Words) -> float:
        """Of those with that family name: Mehmet is rare in England, and not among the bearers of a Turkish name.

        A family name that no table knows is most likely of the given name's own culture.
        """
        first, last = words[0], family[0] if family else ""
        strange = last not in self._names.family
        among = self._names.nearest if strange else self._names.cultures.get(last, {})
        common = max(self._names.given.get(first, 0.0), CULTURE_COUNTS * among.get(first, 0.0))
        if len(words) > 1:
            common *= SECOND_NAME
        least = self._model.least_given_beside_unknown if strange else self._model.least_given
        return max(common, self._on_list(self._given.get(words, 0)), least)

    def given_at_least(self, words: Words) -> float:
        """Whatever the family name: for a bound."""
        common = self._names.given.get(words[0], 0.0) * (SECOND_NAME if len(words) > 1 else 1.0)
        least = min(self._model.least_given, self._model.least_given_beside_unknown)
        return max(common, self._on_list(self._given.get(words, 0)), least)

    def family(self, words: Words) -> float:
        common = self._names.family.get(words[0], 0.0) if len(words) == 1 else 0.0
        return max(common, self._on_list(self._family.get(words, 0)), self._model.least_family)

    def place(self, postcode: str, level: int) -> float:
        """How many of the list share the postcode, its sector or its outcode, brothers and sisters apart.

        In a borough one in twelve shares the outcode; where one code is a whole town it says nothing at all.
        """
        cut = _CUTS.get(level, 0)
        return self._on_list(self._places.get(postcode[:cut], 0) - (AT_HOME if level == 0 else 0)) if cut else 0.0

    def places(self, postcode: str) -> tuple[float, float, float]:
        """`place` at the three levels where something agrees: exact, sector and outcode."""
        return self.place(postcode, 0), self.place(postcode, 2), self.place(postcode, 3)

    def _on_list(self, count: int) -> float:
        """Without the child that is being compared."""
        return max(count - 1, 0) / self._listed if self._listed >= self._model.least_listed else 0.0


def _tally(counter: Counter[T], one: T, by: int) -> None:
    """A count that falls to nothing is forgotten."""
    count = counter.get(one, 0) + by
    if count > 0:
        counter[one] = count
    else:
        counter.pop(one, None)
