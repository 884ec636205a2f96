"""An inverted index of hashed keys: sorted arrays for the many, a small dict for today's changes, a merge behind the scenes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import Final

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.int64]
Rows = NDArray[np.int32]
Counts = NDArray[np.int64]
Weights = NDArray[np.float64]
Flags = NDArray[np.bool_]

CAP: Final = 4_000
"""Rows of one block. A child that is in nothing but a block beyond it is not looked at, and the block is reported."""

MERGE_FROM: Final = 2_000
"""Children in the overlay from which they are merged into the arrays."""

GONE: Final = -1

SURE: Final = 100.0
"""Bits, more than all other blocks together."""

KEYS_A_CHILD: Final = 19
"""Roughly, to know from the number of keys how many children there are."""

NEXT_TO_NOTHING: Final = 0.01
"""Bits of a block beyond the cap."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """`keys` sorted, `rows[i]` is filed under `keys[i]`: 12 bytes a key. A removed entry is overwritten in place."""

    keys: Keys
    rows: Rows

    def erase(self, row: int, keys: Sequence[int]) -> None:
        """Nothing of the row stays: its number is struck out, and its key becomes the one before, so the order holds."""
        for key in keys:
            start, stop = (int(np.searchsorted(self.keys, key, side=side)) for side in ("left", "right"))
            run = self.rows[start:stop]
            kept = run[(run != row) & (run != GONE)]
            stay = start + len(kept)
            self.rows[start:stay] = kept
            self.rows[stay:stop] = GONE
            self.keys[stay:stop] = self.keys[stop] if stop < len(self.keys) else np.iinfo(np.int64).max


def _empty() -> Arrays:
    return Arrays(np.empty(0, np.int64), np.empty(0, np.int32))


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
        self._arrays = _empty()
        self._overlay = Overlay()
        self._merging: Overlay | None = None
        self._merged: Arrays | None = None
        self._dropped: list[tuple[int, list[int]]] = []
        self._thread: Thread | None = None
        self._background = background
        self._cap = cap

    def fill(self, keys: Keys, rows: Rows) -> None:
        """Replaces everything by these pairs, in any order."""
        order = np.argsort(keys, kind="stable")
        self._arrays = Arrays(keys[order], rows[order])
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

    def find(self, keys: Sequence[int], over: Callable[[int], None], sure: int = 0) -> tuple[Rows, Weights, Counts]:
        """The rows filed under any of the keys, the bits of surprise of the blocks that each is in, and their number.

        The first `sure` keys are worth SURE bits more: what is found under them is always looked at.
        `over(position)` is told of each block beyond the cap: a row found in nothing else is left out.
        """
        self._swap()
        arrays, wanted = self._arrays, np.array(keys, np.int64)
        starts = np.searchsorted(arrays.keys, wanted, side="left")
        sizes = np.searchsorted(arrays.keys, wanted, side="right") - starts
        hit = sizes.nonzero()[0]
        blocks = [
            arrays.rows[start : start + size]
            for start, size in zip(starts[hit].tolist(), sizes[hit].tolist(), strict=True)
        ]
        lengths, ends = sizes[hit].tolist(), hit.tolist()
        for layer in (self._overlay, self._merging):
            if layer is not None and layer.rows:
                for place, key in enumerate(keys):
                    if held := layer.rows.get(key):
                        blocks.append(np.array(held, np.int32))
                        lengths.append(len(held))
                        ends.append(place)
        if not blocks:
            return np.empty(0, np.int32), np.empty(0), np.empty(0, np.int64)
        found = self._weighed(blocks, np.array(lengths), sizes[ends], np.array(ends) < sure)
        for position in (sizes > self._cap).nonzero()[0].tolist():
            over(position)
        return found

    def _weighed(self, blocks: list[Rows], lengths: Counts, sizes: Counts, sure: Flags) -> tuple[Rows, Weights, Counts]:
        """`sizes`: how large the whole block is of which each of `blocks` is a part; a block beyond the cap weighs almost nothing."""
        everything = max(len(self._arrays.keys) // KEYS_A_CHILD, 2)
        bits = np.log2(np.maximum(everything / np.maximum(sizes, lengths), 2.0))
        bits[sizes > self._cap] = NEXT_TO_NOTHING
        bits[sure] += SURE
        rows, inverse, counts = np.unique(np.concatenate(blocks), return_inverse=True, return_counts=True)
        weights = np.bincount(inverse, weights=np.repeat(bits, lengths))
        keep = (rows != GONE) & (weights > NEXT_TO_NOTHING)
        return rows[keep], weights[keep], counts[keep]

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
    return Arrays(keys[order], rows[order])
