"""The children by row number: entries, ids and the counts of their names. A row is used once; a struck row holds nothing."""

from collections.abc import Iterable

from streams.matching.frequency import Frequencies
from streams.matching.index import Rows
from streams.matching.normalise import Entry
from streams.matching.packed import Packed
from streams.matching.table import Table


class Roll:
    """`frequencies` follows who is on it."""

    def __init__(self, frequencies: Frequencies) -> None:
        self.frequencies = frequencies
        self._rows: dict[str, int] = {}
        self._ids: list[str | None] = []
        self._entries: list[Entry | None] = []
        self.table = Table()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, child_id: str, one: Entry) -> int:
        """The new row. The id must not be on the roll."""
        row = len(self._entries)
        self._rows[child_id] = row
        self._ids.append(child_id)
        self._entries.append(one)
        self.frequencies.count(one, 1)
        return row

    def strike(self, child_id: str) -> tuple[int, Entry] | None:
        """The row and what it held; None if nobody has that id."""
        row = self._rows.pop(child_id, None)
        if row is None:
            return None
        one = self._entries[row]
        self._entries[row] = self._ids[row] = None
        if one is None:
            return None
        self.frequencies.count(one, -1)
        return row, one

    def packed(self, rows: Rows) -> Packed:
        """The record of each row."""
        return self.table.at(rows)

    def row(self, child_id: str) -> int:
        """-1 if nobody has that id."""
        return self._rows.get(child_id, -1)

    def child_id(self, row: int) -> str:
        return self._ids[row] or ""

    def at(self, rows: Iterable[int]) -> list[tuple[int, Entry]]:
        """Those of the rows that are still there."""
        return [(row, one) for row in rows if (one := self._entries[row]) is not None]
