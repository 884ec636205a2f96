"""Too many tries from one address: kept in memory, because a restart is rare and an attacker cannot cause one."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass
class Throttle:
    """Counts failures by address. Holds `remembered` addresses at the most: the longest silent is forgotten first."""

    tries: int = 20
    within: timedelta = timedelta(minutes=5)
    remembered: int = 10_000
    _failed: OrderedDict[str, deque[datetime]] = field(default_factory=OrderedDict)

    def wait(self, address: str, now: datetime) -> timedelta:
        """How long this address must wait before it may try again; nothing if it may."""
        failed = self._failed.get(address)
        if not failed or len(failed) < self.tries:
            return timedelta(0)
        return max(failed[0] + self.within - now, timedelta(0))

    def failed(self, address: str, now: datetime) -> None:
        """It has failed once more."""
        failed = self._failed.setdefault(address, deque(maxlen=self.tries))
        failed.append(now)
        self._failed.move_to_end(address)
        if len(self._failed) > self.remembered:
            self._failed.popitem(last=False)
