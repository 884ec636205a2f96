"""The records of the list by row, and the units of their names: what is packed of every child."""

from typing import Final

import numpy as np

from streams.matching.index import Rows
from streams.matching.packed import RECORD, UNIT, Packed, Records

SPARE: Final = 8
"""One part in so many is left free."""


class Table:
    """What is erased is overwritten with nothing; its place is not used again."""

    def __init__(self) -> None:
        self._records = np.zeros(64, RECORD)
        self._units = np.zeros(128, UNIT)
        self.next_unit = 0

    def fill(self, records: bytearray, units: bytearray) -> None:
        """Everything at once, in the order of the rows; with room for those to come, made here and not while events wait."""
        self.next_unit = len(units) // UNIT.itemsize
        for packed, shape in ((records, RECORD), (units, UNIT)):
            packed.extend(bytes(shape.itemsize * (len(packed) // shape.itemsize // SPARE + 64)))
        self._records, self._units = np.frombuffer(records, RECORD), np.frombuffer(units, UNIT)

    def put(self, row: int, record: bytes, units: bytes) -> None:
        """`record` says that its units lie at `next_unit`."""
        own = np.frombuffer(units, UNIT)
        self._records = _with_room(self._records, row + 1)
        self._units = _with_room(self._units, self.next_unit + len(own))
        self._records[row] = np.frombuffer(record, RECORD)[0]
        self._units[self.next_unit : self.next_unit + len(own)] = own
        self.next_unit += len(own)

    def erase(self, row: int) -> None:
        first, count = int(self._records[row]["first"]), int(self._records[row]["units"])
        self._units[first : first + count] = np.zeros(1, UNIT)
        self._records[row] = np.zeros(1, RECORD)[0]

    def at(self, rows: Rows) -> Packed:
        return Packed(self._records.take(rows), self._units)


def _with_room(records: Records, count: int) -> Records:
    """The same, with at least so many places."""
    if count <= len(records):
        return records
    return np.concatenate([records, np.zeros(count - len(records) + len(records) // SPARE, records.dtype)])
