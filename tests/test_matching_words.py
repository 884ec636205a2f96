"""Folding, names, comparison levels: rules as tables, and any text at all."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.person import Person
from streams.matching import compare, names
from streams.matching.compare import ALIKE, DIFFER, EXACT, INITIAL, SIMILAR, VARIANT, VERY_SIMILAR, NameCompare
from streams.matching.folding import fold, is_baby, is_unknown, without_title
from streams.matching.keys import MOST_SOUNDS, Sounds
from streams.matching.normalise import Mark, entry

TABLES = names.load()
SOUNDS = Sounds(TABLES)
COMPARE = NameCompare(TABLES, SOUNDS)
TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("O’Brien", ("obrien",)),
        ("  ANNE-MARIE ", ("anne", "marie")),
        ("José Łukasz", ("jose", "lukasz")),
        ("Yıldız", ("yildiz",)),
        ("Groß", ("gross",)),
        ("\u202eAli\u202c", ("ali",)),
        ("Z\u0301o\u0308e", ("zoe",)),
        ("محمد", ("محمد",)),
        ("---", ()),
        ("", ()),
        (None, ()),
    ],
)
def test_a_name_is_folded_to_plain_words(typed: str | None, words: tuple[str, ...]) -> None:
    assert fold(typed) == words


@given(st.text())
def test_any_text_folds_and_what_is_folded_stays_as_it_is(text: str) -> None:
    words = fold(text)

    assert fold(" ".join(words)) == words
    assert len(words) <= 12


@pytest.mark.parametrize("typed", ["Baby", "BABY BOY", "Twin one of Sarah", "Infant of Grace", "female infant"])
def test_a_child_not_named_yet_has_no_given_name(typed: str) -> None:
    assert is_baby(fold(typed))


@pytest.mark.parametrize("typed", ["Unknown", "UNKNOWN", "Not known", "ZZZTEST", "Unk", "XXX"])
def test_nobodys_name_is_known_as_such(typed: str) -> None:
    assert is_unknown(fold(typed))


def test_a_title_is_dropped_unless_it_is_all_there_is() -> None:
    assert without_title(fold("Miss Aisha")) == ("aisha",)
    assert without_title(fold("Master")) == ("master",)


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("Aisha", "aisha", EXACT),
        ("Anne-Marie", "Annemarie", EXACT),
        ("Mohammed", "Muhammad", VARIANT),
        ("Alfie", "Alfred", VARIANT),
        ("Muhammad", "Muhammad Ali", VARIANT),
        ("Smith-Jones", "Jones", VARIANT),
        ("Oliver", "Olivver", VERY_SIMILAR),
        ("Kwabzena", "Qwobzina", SIMILAR),
        ("Olly", "Oliver", VARIANT),
        ("Thi Minh Anh", "Thi", ALIKE),
        ("Thi Minh Anh", "Thi Minh", VARIANT),
        ("Abdi", "Abdirahman", VARIANT),
        ("Millie", "Milly", SIMILAR),
        ("Lucas", "Lukas", SIMILAR),
        ("Jaxon", "Jackson", SIMILAR),
        ("Thomas", "Tomasz", SIMILAR),
        ("J", "James", INITIAL),
        ("Grace", "Yusuf", DIFFER),
    ],
)
def test_names_agree_by_levels(one: str, other: str, level: int) -> None:
    assert COMPARE.level(fold(one), fold(other)) == level


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hassan", "Hussain"),
        ("Christian", "Christina"),
        ("Muhammad Ali", "Muhammad Umar"),
        ("Amir", "Amira"),
        ("Jake", "Jack"),
    ],
)
def test_the_names_of_twins_are_two_names_and_not_a_slip(one: str, other: str) -> None:
    assert COMPARE.level(fold(one), fold(other)) >= SIMILAR


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Harpreet", "Hardeep"),
        ("Abdirahman", "Abdikarim"),
        ("Oluwaseun", "Oluwatosin"),
        ("Mohammed Hassan", "Muhammad Hussain"),
        ("Muhammad Umar", "Mohammed Ali"),
        ("Abd al-Rahman", "Abdul Karim"),
    ],
)
def test_names_that_begin_alike_are_no_more_alike_than_their_ends(one: str, other: str) -> None:
    assert COMPARE.level(fold(one), fold(other)) >= ALIKE


@given(st.text(max_size=30), st.text(max_size=30))
def test_names_compare_the_same_both_ways(one: str, other: str) -> None:
    left, right = fold(one), fold(other)
    if not left or not right:
        return

    assert COMPARE.level(left, right) == COMPARE.level(right, left)
    assert EXACT <= COMPARE.level(left, right) <= DIFFER
    assert COMPARE.level(left, left) == EXACT


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        (20100314, 20100314, 0),
        (20100305, 20100503, 1),
        (20100314, 20100315, 2),
        (20100314, 20101214, 3),
        (20100314, 20091122, 5),
        (20100314, 20101122, 4),
        (20100314, 0, None),
    ],
)
def test_birth_dates_agree_by_levels(one: int, other: int, level: int | None) -> None:
    found = compare.birth(one, other)

    assert (found.level if found else None) == level


@given(st.dates(), st.dates())
def test_birth_dates_compare_the_same_both_ways(one: date, other: date) -> None:
    left, right = (int(day.strftime("%Y%m%d").zfill(8)) for day in (one, other))

    assert compare.birth(left, right) == compare.birth(right, left)


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("N19GU", "N19GU", 0),
        ("N19GU", "N19GX", 1),
        ("N19GU", "N19XX", 2),
        ("N19GU", "N14AB", 3),
        ("N19GU", "E81AA", 4),
        ("", "E81AA", None),
    ],
)
def test_postcodes_agree_by_levels(one: str, other: str, level: int | None) -> None:
    found = compare.postcode(one, other)

    assert (found.level if found else None) == level


def test_two_valid_identifiers_that_differ_are_two_people_and_an_invalid_one_is_a_typo() -> None:
    valid, other, typo, far = (
        Mark("nhs_number", value) for value in ("9990000018", "9990000026", "9990000019", "1234512345")
    )

    assert compare.mark(valid, other, sound=True) == compare.Level("nhs_number", 3)
    assert compare.mark(valid, typo, sound=True) == compare.Level("nhs_number", 1, valid=False)
    assert compare.mark(valid, far, sound=True) is None


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("n1 9gu", "N19GU"),
        ("NI 9GU", "N19GU"),
        ("EC1A IBB", "EC1A1BB"),
        ("ZZ99 3VZ", ""),
        ("BI 1AA", "B11AA"),
        ("nowhere", ""),
        ("N1  9GU", "N19GU"),
    ],
)
def test_a_postcode_is_put_right_by_position(typed: str, kept: str) -> None:
    found = entry(Person(family_name="Made", date_of_birth=date(2010, 3, 14), postcode=typed), TODAY).postcode

    assert found == kept or (kept == "" and len(found) in (0, 7))


def test_a_birth_date_to_come_is_left_out() -> None:
    assert entry(Person(family_name="Made", date_of_birth=date(2030, 1, 1)), TODAY).birth == 0


def test_placeholders_are_no_identifiers() -> None:
    kept = entry(Person(nhs_number="9999999999", upn="UN2", family_name="Made", date_of_birth=date(2010, 3, 14)), TODAY)

    assert kept.marks == ()


def test_every_culture_has_names_and_frequencies_are_shares() -> None:
    assert sum(TABLES.family.values()) < 1
    assert 0.005 < TABLES.family["smith"] < 0.02
    assert TABLES.cultures["khan"]["muhammad"] > TABLES.given["muhammad"]
    assert not TABLES.same("hassan", "hussain")


def test_levels_are_the_whole_scale() -> None:
    assert tuple(range(7)) == (EXACT, VARIANT, VERY_SIMILAR, SIMILAR, INITIAL, ALIKE, DIFFER)


@given(
    st.one_of(
        st.sampled_from(sorted({*TABLES.given, *TABLES.family, *TABLES.spellings})),
        st.text("abcghijkmstuwxz", min_size=1),
    )
)
def test_a_word_sounds_in_no_more_ways_than_the_first_cut_counts_on(word: str) -> None:
    assert len(SOUNDS(word)) <= MOST_SOUNDS


def test_no_spelling_sounds_in_more_ways_either() -> None:
    assert max(len(SOUNDS(word)) for word in TABLES.spellings) == MOST_SOUNDS
