"""A whole list at once: every child folded, packed and filed, each name only the first time that it is met."""

import gc
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from typing import Protocol

import numpy as np

from schemas.child import WatchedChild
from streams.matching.index import Keys, Rows
from streams.matching.keys import Sounds, filed
from streams.matching.normalise import Entry, Forms, Known, entry, form, with_formers
from streams.matching.packed import UNIT, Packer
from streams.matching.roll import Roll


class Listed(Known, Protocol):
    """A child of the list: `WatchedChild`, or anything that knows as much."""

    @property
    def child_id(self) -> str: ...


def entry_of(child: Listed, now: date, forms: Forms = form) -> Entry:
    """With what updates have replaced. `forms` as in `entry`."""
    one = entry(child, now, forms)
    return with_formers(one, child, forms) if isinstance(child, WatchedChild) and child.has_formers else one


def fill(roll: Roll, children: Iterable[Listed], sounds: Sounds, packer: Packer, now: date) -> tuple[Keys, Rows]:
    """Puts the children on the roll, which must be empty; of two with one id the last counts. The keys, and the row of each.

    What is remembered of names and sounds is forgotten when it returns. Raises what `children` raises.
    """
    forms, hearing = cache(form), sounds.remembering()
    packer = packer.hearing(hearing)
    name = cache(packer.name)
    keys, counts, replaced = array("q"), array("i"), []
    records, units = bytearray(), bytearray()
    with _uncollected():
        for child in children:
            if struck := roll.strike(child.child_id):
                replaced.append(struck[0])
            one = entry_of(child, now, forms)
            roll.add(child.child_id, one)
            own = filed(one, hearing)
            keys.extend(own)
            counts.append(len(own))
            record, named = packer.pack(one, len(units) // UNIT.itemsize, name)
            records += record
            units += named
    roll.table.fill(records, units)
    for row in replaced:
        roll.table.erase(row)
    rows = np.repeat(np.arange(len(counts), dtype=np.int32), np.frombuffer(counts, np.int32))
    kept = ~np.isin(rows, replaced) if replaced else slice(None)
    return np.frombuffer(keys, np.int64)[kept], rows[kept]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Half a million small tuples: the collector would walk them again and again, and none is garbage.

    They are then frozen, else a collection in the middle of an event would walk the whole list: 0.7 s.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
        gc.freeze()
