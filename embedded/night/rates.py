"""How often things happen to children: the domain page's section 4.2, for one local authority of average size."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

HOURS: Final = 24

AANDE: Final = (4, 3, 3, 2, 2, 2, 2, 3, 4, 5, 6, 6, 6, 6, 7, 8, 9, 10, 11, 11, 10, 8, 6, 5)
"""Share of a day's arrivals by hour in London: the evening is two and a half times the mean."""
CUSTODY: Final = (6, 5, 4, 3, 2, 1, 1, 2, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5, 6, 6, 7, 8, 7)
MISSING: Final = (6, 5, 4, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3, 5, 6, 6, 7, 8, 9, 9, 9, 8)
BATCH: Final = tuple(1 if hour == 2 else 0 for hour in range(HOURS))
"""A school's system sends its day in one go, at two in the morning."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`a_day`: events in one local authority. `by_hour`: 24 weights."""

    a_day: float
    by_hour: tuple[int, ...]

    def in_hour(self, hour: int) -> float:
        """The mean number in this hour of the day."""
        return self.a_day * self.by_hour[hour % HOURS] / sum(self.by_hour)


RATES: Final[Mapping[str, Rate]] = {
    "admission": Rate(108.0, AANDE),
    "exclusion": Rate(33.0, BATCH),
    "missing": Rate(3.4, MISSING),
    "arrest": Rate(1.0, CUSTODY),
}
"""By kind of event. Under-18s alone, as a sender that can filter would send them."""

FOLLOWED: Final[Mapping[str, tuple[float, float, float]]] = {
    "arrest": (0.9, 4.0, 12.0),
    "admission": (0.95, 1.0, 4.0),
    "missing": (0.6, 1.0, 24.0),
}
"""Kind → (share that is followed up within the night, from hours, to hours)."""

TWICE: Final = 0.03
"""Share that is sent twice, as systems do that have lost an answer."""

WITHDRAWN: Final = 0.01
MENDED: Final = 0.01
"""Share that is cancelled, and share in which it comes out later who it was."""

HEARTBEAT_SECONDS: Final = 300
