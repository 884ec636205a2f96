"""The clock of a story: it stands where it was put."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NIGHT = datetime(2026, 11, 21, 2, 14, tzinfo=UTC)


@dataclass
class Watch:
    """A clock that stands where it was put."""

    now: datetime = NIGHT

    def __call__(self) -> datetime:
        return self.now

    def later(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now
