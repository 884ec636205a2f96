"""How common a name is: tables that say where they come from, a floor for what they do not know, and the list's own counts."""

import re

import pytest

from streams.matching import names
from streams.matching.folding import fold
from streams.matching.frequency import Frequencies
from streams.matching.model import Model
from streams.matching.normalise import Entry


@pytest.mark.parametrize("table", sorted(path.name for path in names.SHIPPED.glob("*.csv")))
def test_every_name_table_says_from_what_and_when_and_every_row_can_be_used(table: str) -> None:
    lines = (names.SHIPPED / table).read_text(encoding="utf-8").splitlines()
    head = " ".join(line for line in lines if line.startswith("#"))
    rows = list(names._rows(names.SHIPPED / table))

    assert re.search(r"Compiled 20[0-9]{2}-[0-9]{2}-[0-9]{2}", head)
    assert re.search("[Ss]ource|[Ee]stimate|shares of|for this project", head)
    assert rows
    assert all(value and value == value.strip().lower() for row in rows for value in row.values())
    for word in {row[column] for row in rows for column in ("name", "nickname", "spelling") if column in row}:
        assert fold(word) == (word,), "the matcher's own folding"


def test_no_name_is_rarer_than_the_floor_and_one_of_a_culture_is_common_within_it() -> None:
    model, tables = Model.load(), names.load()
    counts = Frequencies(model, tables)

    assert counts.family(("nobodysname",)) == model.least_family
    assert counts.given(("nobodysname",), ("smith",)) == model.least_given
    assert counts.given(("nobodysname",), ("nobodysname",)) == model.least_given_beside_unknown
    for mehmet, culture in (
        ("mehmet", "turkish"),
        ("ioana", "romanian"),
        ("abdirahman", "somali"),
        ("fatima", "bengali"),
    ):
        assert counts.given((mehmet,), ("nobodysname",)) >= model.least_given_beside_unknown, culture
        assert counts.given((mehmet,), ("nobodysname",)) >= tables.given.get(mehmet, 0.0), culture


def test_the_lists_own_counts_speak_where_they_say_that_a_name_is_commoner() -> None:
    counts = Frequencies(Model.load(), names.load())
    child = Entry(given=(("ayaan",),), family=(("xasan",),), birth=0, sex="", postcode="", line="", marks=())
    other = child._replace(given=(("grace",),), family=(("made",),))

    for one in [child] * 30 + [other] * 270:
        counts.count(one, 1)
    common = counts.family(("xasan",))
    for one in [child] * 30:
        counts.count(one, -1)

    assert common == pytest.approx(29 / 300)
    assert counts.family(("xasan",)) == Model.load().least_family
