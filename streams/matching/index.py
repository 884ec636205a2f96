"""An inverted index of hashed keys: sorted arrays for the many, a small dict for today's changes, a merge behind the scenes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.int64]
Rows = NDArray[np.int32]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]

CAP: Final = 4_000
"""Rows of one block. A child that is in nothing but a block beyond it is not looked at, and the block is reported."""

MERGE_FROM: Final = 2_000
"""Children in the overlay from which they are merged into the arrays."""

GONE: Final = -1
LAST: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Arrays:
    """`keys` sorted, `rows[i]` is filed under `keys[i]`. The keys whose first bits are `n` lie from `starts[n]` to `starts[n + 1]`:
    two steps to a key, where a binary search among ten million makes twenty. 15 bytes a key."""

    keys: Keys
    rows: Rows
    starts: NDArray[np.int64]
    shift: int

    @classmethod
    def of(cls, keys: Keys, rows: Rows) -> Self:
        """`keys` must be sorted."""
        bits = max(len(keys).bit_length() - 2, 1)
        first = np.arange(-(1 << bits - 1), 1 << bits - 1, dtype=np.int64) << (64 - bits)
        starts = np.append(np.searchsorted(keys, first), len(keys))
        return cls(keys, rows, starts, 64 - bits)

    def slots(self, keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each key the first slot that may hold it, and how many follow that may."""
        drawer = (keys >> self.shift) + (len(self.starts) // 2)
        first = self.starts[drawer]
        return first, self.starts[drawer + 1] - first

    def run(self, key: int) -> tuple[int, int]:
        """From which slot to which (excluded) the key stands, those taken over from an erased neighbour left out."""
        first, size = (int(each[0]) for each in self.slots(np.array([key], np.int64)))
        drawer = self.keys[first : first + size]
        left, right = (first + int(np.searchsorted(drawer, key, side=side)) for side in ("left", "right"))
        return left, right

    def erase(self, row: int, keys: Sequence[int]) -> None:
        """Nothing of the row stays: its number is struck out; and a key that no other row has becomes the one after it.

        No other row is moved, so that a merge may read while this writes.
        """
        for key in keys:
            start, stop = self.run(key)
            run = self.rows[start:stop]
            run[run == row] = GONE
            if (run == GONE).all():
                taken_over = int(np.searchsorted(self.keys, key))  # from keys before it, in other drawers
                self.keys[taken_over:stop] = self.keys[stop] if stop < len(self.keys) else LAST


@dataclass(slots=True)
class Overlay:
    """Today's entries, by key."""

    rows: dict[int, list[int]] = field(default_factory=dict)
    count: int = 0

    def add(self, row: int, keys: Sequence[int]) -> None:
        for key in keys:
            self.rows.setdefault(key, []).append(row)
        self.count += 1

    def drop(self, row: int, keys: Sequence[int]) -> None:
        for key in keys:
            held = self.rows.get(key, [])
            if row in held:
                held.remove(row)
            if not held:
                self.rows.pop(key, None)


class Index:
    """Rows by key. One thread owns it; the merge runs in another and touches nothing but copies.

    `background=False` merges where it stands (for tests and for one-off runs).
    """

    def __init__(self, *, background: bool = True, cap: int = CAP) -> None:
        self._arrays = Arrays.of(np.empty(0, np.int64), np.empty(0, np.int32))
        self._overlay = Overlay()
        self._merging: Overlay | None = None
        self._merged: Arrays | None = None
        self._dropped: list[tuple[int, list[int]]] = []
        self._thread: Thread | None = None
        self._background = background
        self._cap = cap

    def fill(self, keys: Keys, rows: Rows) -> None:
        """Replaces everything by these pairs, in any order."""
        order = np.argsort(keys)
        self._arrays = Arrays.of(keys[order], rows[order])
        self._overlay, self._merging, self._merged, self._dropped = Overlay(), None, None, []

    def add(self, row: int, keys: Sequence[int]) -> None:
        self._overlay.add(row, keys)
        self._swap()
        if self._overlay.count >= MERGE_FROM and self._merging is None:
            self._merge()

    def drop(self, row: int, keys: list[int]) -> None:
        """In force at once, and nothing of the row is left in memory when it returns, or when the running merge ends."""
        self._swap()
        self._arrays.erase(row, keys)
        self._overlay.drop(row, keys)
        if self._merging is not None:
            self._merging.drop(row, keys)
            self._dropped.append((row, keys))

    def find(self, keys: Sequence[int], sure: Flags, over: Callable[[int], None]) -> tuple[Places, Rows]:
        """Pairs of a place in `keys` and a row that is filed under the key there, in no order. A row may be there several times.

        `over(place)` is told of each block beyond the cap; its rows are left out, but for a key that is `sure`.
        """
        self._swap()
        arrays, wanted = self._arrays, np.array(keys, np.int64)
        first, sizes = arrays.slots(wanted)
        for place in (sizes > self._cap).nonzero()[0].tolist():
            start, stop = arrays.run(keys[place])
            first[place], sizes[place] = start, stop - start
            if stop - start > self._cap:
                sizes[place] *= sure[place]
                over(place)
        places = np.repeat(np.arange(len(wanted)), sizes)
        slots = np.arange(len(places)) + np.repeat(first - np.cumsum(sizes) + sizes, sizes)
        rows = arrays.rows[slots]
        kept = (arrays.keys[slots] == wanted[places]) & (rows != GONE)
        return self._with_overlay(keys, places[kept], rows[kept], sure, over)

    def _with_overlay(
        self, keys: Sequence[int], places: Places, rows: Rows, sure: Flags, over: Callable[[int], None]
    ) -> tuple[Places, Rows]:
        more: list[int] = []
        theirs: list[int] = []
        for layer in (self._overlay, self._merging):
            if layer is None or not layer.rows:
                continue
            for place, key in enumerate(keys):
                held = layer.rows.get(key)
                if held is None:
                    continue
                if len(held) > self._cap:
                    over(place)
                if len(held) > self._cap and not sure[place]:
                    continue
                more += held
                theirs += [place] * len(held)
        if not more:
            return places, rows
        return np.append(places, np.array(theirs, np.int64)), np.append(rows, np.array(more, np.int32))

    def settle(self) -> None:
        """Waits for the merge that is running, if one is."""
        if self._thread is not None:
            self._thread.join()
        self._swap()

    def _merge(self) -> None:
        self._merging, self._overlay, self._dropped = self._overlay, Overlay(), []
        pairs = [(key, row) for key, rows in self._merging.rows.items() for row in rows]
        if not self._background:
            self._merged = _merged(self._arrays, pairs)
            self._swap()
            return
        self._thread = Thread(target=self._run, args=(self._arrays, pairs), name="index-merge", daemon=True)
        self._thread.start()

    def _run(self, arrays: Arrays, pairs: list[tuple[int, int]]) -> None:
        self._merged = _merged(arrays, pairs)

    def _swap(self) -> None:
        """Takes the merged arrays once they are there, and strikes out what was removed meanwhile."""
        if self._merged is None:
            return
        self._arrays, self._merged, self._merging, self._thread = self._merged, None, None, None
        dropped, self._dropped = self._dropped, []
        for row, keys in dropped:
            self._arrays.erase(row, keys)


def _merged(arrays: Arrays, pairs: list[tuple[int, int]]) -> Arrays:
    """Sorted runs joined: `stable` merges them in one pass."""
    added = np.array(pairs, np.int64).reshape(-1, 2)
    added = added[np.argsort(added[:, 0], kind="stable")]
    keep = arrays.rows != GONE
    keys = np.concatenate([arrays.keys[keep], added[:, 0]])
    rows = np.concatenate([arrays.rows[keep], added[:, 1].astype(np.int32)])
    order = np.argsort(keys, kind="stable")
    return Arrays.of(keys[order], rows[order])
