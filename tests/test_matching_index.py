"""The index: what was put is found at once, what was removed is nowhere, and no block is dropped in silence."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.matching import index as module
from streams.matching.index import Index

NOBODY: list[int] = []


def rows(index: Index, *keys: int, sure: bool = False) -> list[int]:
    """Each once, in order."""
    return sorted(set(index.find(keys, np.full(len(keys), sure), NOBODY.append)[1].tolist()))


def filled(pairs: list[tuple[int, int]], **options: int) -> Index:
    index = Index(background=False, **options)
    index.fill(np.array([key for key, _ in pairs], np.int64), np.array([row for _, row in pairs], np.int32))
    return index


def test_a_row_is_found_under_each_of_its_keys() -> None:
    index = filled([(10, 1), (20, 1), (10, 2)])

    assert rows(index, 10) == [1, 2]
    assert rows(index, 20) == [1]
    assert rows(index, 30) == []


def test_what_is_added_is_found_at_once_and_what_is_dropped_is_not() -> None:
    index = filled([(10, 1)])

    index.add(2, [10, 30])
    index.drop(1, [10])

    assert rows(index, 10, 30) == [2]


def test_a_removed_row_leaves_neither_its_number_nor_its_keys() -> None:
    index = filled([(10, 1), (20, 1), (20, 2), (30, 3)])

    index.drop(1, [10, 20])

    assert 1 not in index._arrays.rows
    assert 10 not in index._arrays.keys
    assert rows(index, 20) == [2]
    assert rows(index, 30) == [3]


def test_a_key_whose_neighbours_have_all_been_erased_leaves_nothing_either() -> None:
    keys = [number << 58 for number in range(-30, 30)]
    index = filled([(key, row) for row, key in enumerate(keys)])

    for row in reversed(range(10, 50)):
        index.drop(row, [keys[row]])

    assert set(index._arrays.keys.tolist()).isdisjoint(keys[10:50])
    assert rows(index, *keys) == [*range(10), *range(50, 60)]


def test_a_pair_says_under_which_key_the_row_was_found() -> None:
    index = filled([(10, 1), (20, 1), (20, 2)])
    index.add(3, [10])

    places, found = index.find([20, 30, 10], np.zeros(3, np.bool_), NOBODY.append)

    assert sorted(zip(places.tolist(), found.tolist(), strict=True)) == [(0, 1), (0, 2), (2, 1), (2, 3)]


def test_a_block_beyond_the_cap_is_reported_and_its_rows_are_still_found_by_another_key() -> None:
    index = filled([(10, row) for row in range(5)] + [(20, 3)], cap=3)
    over: list[int] = []

    _, found = index.find([10, 20], np.zeros(2, np.bool_), over.append)

    assert over == [0]
    assert found.tolist() == [3]


def test_a_block_of_todays_changes_beyond_the_cap_is_reported_too() -> None:
    index = filled([], cap=3)
    for row in range(5):
        index.add(row, [10])
    over: list[int] = []

    _, found = index.find([10], np.zeros(1, np.bool_), over.append)

    assert over == [0]
    assert found.tolist() == []


def test_a_sure_key_is_looked_under_however_many_it_has() -> None:
    index = filled([(10, row) for row in range(5)], cap=3)
    index.add(7, [10])

    assert rows(index, 10, sure=True) == [0, 1, 2, 3, 4, 7]


def test_a_merge_in_the_background_loses_nothing_and_brings_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MERGE_FROM", 50)
    index = Index()
    for row in range(500):
        index.add(row, [row, 1_000_000 + row % 7])
        if row % 3 == 0:
            index.drop(row, [row, 1_000_000 + row % 7])
    index.settle()

    assert [row for row in range(500) if rows(index, row)] == [row for row in range(500) if row % 3]
    assert 300 not in index._arrays.keys


class Changes(RuleBasedStateMachine):
    """Any order of adding and dropping, with merges in between, against a plain dict."""

    def __init__(self) -> None:
        super().__init__()
        self.index = Index(background=False)
        self.truth: dict[int, list[int]] = {}
        self.next = 0

    @rule(keys=st.lists(st.integers(-5, 5), min_size=1, max_size=4, unique=True))
    def add(self, keys: list[int]) -> None:
        self.index.add(self.next, keys)
        self.truth[self.next] = keys
        self.next += 1

    @precondition(lambda self: self.truth)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(sorted(self.truth)))
        self.index.drop(row, self.truth.pop(row))

    @rule()
    def merge(self) -> None:
        self.index._merge()

    @invariant()
    def finds_exactly_what_is_there(self) -> None:
        for key in range(-5, 6):
            assert rows(self.index, key) == sorted(row for row, keys in self.truth.items() if key in keys)
        keys = self.index._arrays.keys
        assert (keys[:-1] <= keys[1:]).all()


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
