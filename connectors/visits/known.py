"""What must be remembered of a visit between its messages: how often it was cancelled, who, where, and what has been told.

In memory, so that no answer waits for the database; written behind, so that a restart and a second process know it too.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

MOST_VISITS: Final = 50_000
"""In memory: two days of a region's A&E departments three times over, some 80 MB. The longest unheard-of goes first."""

MOST_TOLD: Final = 50


@dataclass(frozen=True, slots=True)
class Known:
    """One visit. Its times are when the sender wrote things down (`Visit.recorded_at`).

    `keys` are the numbers it goes by, each with whose it is, the first that of `attendance`; `patients` those of whom it is
    of. `cancelled` and `returned` are when it was cancelled, and when a discharge was: what was written down after the first
    belongs to the visit told anew. `said_at` is when the newest word of who and where was. `told` are the ids of events
    beside the arrival itself. `person` is a hash of who, `place` where. `ours`: it was a visit to A&E when it was told of;
    others are known by a cancellation or a new number alone.
    """

    site: str
    attendance: str
    keys: tuple[str, ...]
    heard_at: datetime
    patients: frozenset[str] = frozenset()
    cancelled: frozenset[datetime] = frozenset()
    returned: frozenset[datetime] = frozenset()
    left_at: datetime | None = None
    said_at: datetime | None = None
    arrived_at: datetime | None = None
    person: str | None = None
    place: str | None = None
    site_name: str | None = None
    told: tuple[str, ...] = ()
    ours: bool = False

    def cancellations(self, recorded_at: datetime) -> int:
        """How often it had been cancelled when something was written down; at the same second it had been already, for a
        child who is there after all must not be lost to a coarse clock."""
        return sum(at <= recorded_at for at in self.cancelled)

    def returns(self, recorded_at: datetime) -> int:
        return sum(at <= recorded_at for at in self.returned)

    @property
    def has_left(self) -> bool:
        return self.left_at is not None

    def lacks(self, other: Self) -> bool:
        """Whether the other, of the same visit, holds something that would be in the two joined and is not in this one."""
        tells = len(other.cancelled) >= len(self.cancelled) and len(self.told) < MOST_TOLD
        pairs = (
            (other.keys, self.keys),
            (other.patients, self.patients),
            (other.cancelled, self.cancelled),
            (other.returned, self.returned),
            (other.told if tells else (), self.told),
        )
        return any(set(theirs) - set(ours) for theirs, ours in pairs) or (other.ours and not self.ours)

    def missed(self, other: Self) -> tuple[str, ...]:
        """What the other had told before this one was cancelled, perhaps without knowing of it: the cancellation, said once
        more, takes it back; what was taken back already is then taken back twice, which is once."""
        if len(self.cancelled) <= len(other.cancelled) or len(self.told) >= MOST_TOLD:
            return ()
        return tuple(each for each in other.told if each not in self.told)

    def joined(self, other: Self) -> Self:
        """This one with what another message said meanwhile."""
        taken_back = len(self.cancelled) > len(other.cancelled)
        told = self.told if taken_back else tuple(dict.fromkeys((*other.told, *self.told)))[-MOST_TOLD:]
        return replace(
            self,
            keys=tuple(dict.fromkeys((*self.keys, *other.keys))),
            patients=self.patients | other.patients,
            cancelled=self.cancelled | other.cancelled,
            returned=self.returned | other.returned,
            said_at=max(filter(None, (self.said_at, other.said_at)), default=None),
            told=told,
            ours=self.ours or other.ours,
        )


class Visits:
    """The visits of the last two days. Not for threads: it lives in one event loop."""

    def __init__(self, most: int = MOST_VISITS) -> None:
        self._most = most
        self._by_first: OrderedDict[str, Known] = OrderedDict()
        self._first: dict[str, str] = {}  # any key → the first one
        self._of_patient: dict[str, set[str]] = {}
        self.unwritten: dict[str, Known] = {}

    def __len__(self) -> int:
        return len(self._by_first)

    def find(self, key: str) -> Known | None:
        return self._by_first.get(self._first.get(key, key))

    def of_patients(self, marks: Iterable[str]) -> list[Known]:
        """The visits of patients under any of these marks, whose patient has not left; in the order they were heard of."""
        firsts = {first for mark in marks for first in self._of_patient.get(mark, ())}
        found = [self._by_first[first] for first in firsts]
        return sorted(
            (known for known in found if known.ours and not known.has_left),
            key=lambda known: (known.heard_at, known.keys),
        )

    def keep(self, known: Known) -> None:
        """From now on this is what is known. It is written down at the next opportunity."""
        kept = self._put(known)
        self.unwritten[kept.keys[0]] = kept

    def learn(self, known: Known) -> None:
        """What another process, or this one before its restart, has written down. The newer holds where both know it, with
        what only the older one knows: the next message of a visit may come to another process than the last."""
        ours = self.find(self._first_of(known))
        if ours is None:
            self._put(known)
        elif ours.heard_at >= known.heard_at:
            missed = ours.missed(known)
            if missed or ours.lacks(known):
                joined = ours.joined(known)
                self.keep(replace(joined, told=(*joined.told, *missed)[-MOST_TOLD:]))
        elif known.lacks(ours) or ours.keys[0] in self.unwritten:
            self.keep(known)
        else:
            self._put(known)

    def forget(self, before: datetime) -> None:
        """Drop those that nothing has been heard of since `before`."""
        while self._by_first and next(iter(self._by_first.values())).heard_at < before:
            self._drop(next(iter(self._by_first)))

    def _first_of(self, known: Known) -> str:
        return next((self._first[key] for key in known.keys if key in self._first), known.keys[0])

    def _put(self, known: Known) -> Known:
        first = self._first_of(known)
        former = self._by_first.get(first)
        if former is not None:
            known = replace(known.joined(former), keys=tuple(dict.fromkeys((first, *known.keys, *former.keys))))
        self._by_first[first] = known
        self._by_first.move_to_end(first)
        for key in known.keys:
            self._first[key] = first
        for mark in known.patients:
            self._of_patient.setdefault(mark, set()).add(first)
        while len(self._by_first) > self._most:
            self._drop(next(iter(self._by_first)))
        return known

    def _drop(self, first: str) -> None:
        known = self._by_first.pop(first)
        self.unwritten.pop(first, None)
        for key in known.keys:
            self._first.pop(key, None)
        for mark in known.patients:
            visits = self._of_patient.get(mark, set())
            visits.discard(first)
            if not visits:
                self._of_patient.pop(mark, None)


def written(known: Known) -> dict[str, Any]:
    """To JSON."""
    return {
        "site": known.site,
        "attendance": known.attendance,
        "keys": known.keys,
        "heard_at": known.heard_at.isoformat(),
        "patients": sorted(known.patients),
        "cancelled": [at.isoformat() for at in sorted(known.cancelled)],
        "returned": [at.isoformat() for at in sorted(known.returned)],
        "left_at": known.left_at.isoformat() if known.left_at else None,
        "said_at": known.said_at.isoformat() if known.said_at else None,
        "arrived_at": known.arrived_at.isoformat() if known.arrived_at else None,
        "person": known.person,
        "place": known.place,
        "site_name": known.site_name,
        "told": known.told,
        "ours": known.ours,
    }


def read(state: dict[str, Any]) -> Known:
    """From JSON. Raises ValueError, KeyError or TypeError if it is not ours."""
    return Known(
        site=state["site"],
        attendance=state["attendance"],
        keys=tuple(state["keys"]),
        heard_at=datetime.fromisoformat(state["heard_at"]),
        patients=frozenset(state["patients"]),
        cancelled=frozenset(_times(state["cancelled"])),
        returned=frozenset(_times(state["returned"])),
        left_at=datetime.fromisoformat(state["left_at"]) if state["left_at"] else None,
        said_at=datetime.fromisoformat(state["said_at"]) if state["said_at"] else None,
        arrived_at=datetime.fromisoformat(state["arrived_at"]) if state["arrived_at"] else None,
        person=state["person"],
        place=state["place"],
        site_name=state["site_name"],
        told=tuple(state["told"]),
        ours=state["ours"],
    )


def _times(texts: Iterable[str]) -> Iterator[datetime]:
    return (datetime.fromisoformat(text) for text in texts)
