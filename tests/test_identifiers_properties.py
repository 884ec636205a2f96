"""Identifiers: what holds for every value, and for any text at all."""

import time
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from stdnum.gb import nhs as nhs_oracle
from stdnum.gb import upn as upn_oracle

from schemas import dfe, identifiers
from schemas.identifiers import KINDS, Checked, Problem, judge

CHECKS: list[Callable[[str], Checked]] = [
    *KINDS.values(),
    identifiers.postcode,
    identifiers.authority_code,
    identifiers.ods_code,
    identifiers.school_urn,
    identifiers.force_code,
    identifiers.custody_record,
]
LETTERS = "ZABCDEFGHJKLMNPQRTUVWXY"
CODES = ["PP", "PA", "VP", "VA", "OW", "BU", "RA", "LG", "DS", "SM", "DA", "DM", "TH", "DB", "MT", "PH"]
TODAY = date(2026, 11, 21)

# Text of any kind, text that nearly fits, and digits of other scripts.
anything = (
    st.text()
    | st.text(alphabet="0123456789 -/ABSUFNZYX\x00\u00a0", max_size=20)
    | st.text(st.characters(categories=["Nd", "No"]), max_size=14)
    | st.from_regex(r"[A-Z]{0,2}[0-9]{1,13}/?[0-9]{0,7}[A-Z]?", fullmatch=True)
)
serials = st.integers(min_value=1, max_value=9_999_999)
ten_digits = st.from_regex(r"[0-9]{10}", fullmatch=True)


@st.composite
def nhs_numbers(draw: st.DrawFn, first: str = "9") -> str:
    """Valid ones, synthetic unless told otherwise. The check digit makes the weighted sum divisible by eleven."""
    nine = f"{draw(st.sampled_from(first))}{draw(st.integers(0, 99_999_999)):08d}"
    digits = [
        d for d in "0123456789" if sum(int(n) * w for n, w in zip(nine + d, range(10, 0, -1), strict=True)) % 11 == 0
    ]
    assume(digits and len(set(nine)) > 1)
    return nine + digits[0]


@given(anything)
@example("9434765870\n")
@example("\ud800")
def test_any_text_is_answered_with_a_canonical_value_or_a_problem_of_the_closed_set(text: str) -> None:
    for check in CHECKS:
        checked = check(text)

        assert (checked.canonical is None) is (checked.problem in set(Problem))
        assert checked.usable is (checked.problem is None)


@given(anything)
def test_a_judgement_never_repeats_an_unusable_value(text: str) -> None:
    refusals = {f"invalid {problem}" for problem in Problem}

    for kind, check in KINDS.items():
        assert (judge(kind, text) in refusals) is not check(text).usable


@given(anything)
@example("81/34U")
@example("SF83/50058Z")
@example("12/24U")
@example("ec1a1bb")
def test_a_canonical_value_is_its_own_canonical_form(text: str) -> None:
    for check in CHECKS:
        canonical = check(text).canonical

        assert canonical is None or check(canonical).canonical == canonical


@given(nhs_numbers(), st.integers(0, 9), st.integers(1, 9))
def test_one_wrong_digit_makes_an_nhs_number_unusable(number: str, place: int, step: int) -> None:
    wrong = str((int(number[place]) + step) % 10)

    assert identifiers.nhs_number(number).canonical == number
    assert not identifiers.nhs_number(number[:place] + wrong + number[place + 1 :]).usable


@given(nhs_numbers(), st.integers(0, 8))
def test_two_swapped_digits_make_an_nhs_number_unusable(number: str, place: int) -> None:
    assume(number[place] != number[place + 1])

    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]

    assert not identifiers.nhs_number(swapped).usable


@given(nhs_numbers())
def test_spaces_and_hyphens_do_not_change_an_nhs_number(number: str) -> None:
    assert identifiers.nhs_number(f" {number[:3]} {number[3:6]}-{number[6:]}\t").canonical == number
    assert identifiers.is_synthetic_nhs_number(number)


@given(nhs_numbers(first="0345678"))
def test_a_number_that_a_patient_may_have_is_never_synthetic(number: str) -> None:
    assert not identifiers.is_synthetic_nhs_number(number)


@given(ten_digits | nhs_numbers())
def test_nhs_numbers_agree_with_another_library_but_for_placeholders(number: str) -> None:
    checked = identifiers.nhs_number(number)

    assert checked.usable or checked.problem in (Problem.CHECK_DIGIT, Problem.PLACEHOLDER)
    if checked.problem is not Problem.PLACEHOLDER:
        assert checked.usable is nhs_oracle.is_valid(number)


@given(
    st.sampled_from(sorted(upn_oracle._la_numbers)),
    st.integers(0, 99_999_999),
    st.sampled_from("0123456789ABCDEFGHJKLMNPQRTUVWXYZ"),
    st.sampled_from("ABCDEFGHJKLMNPQRTUVWXYZ"),
)
def test_upns_agree_with_another_library_where_it_knows_the_authority(
    authority: int, rest: int, last: str, letter: str
) -> None:
    twelve = f"{authority}{rest:08d}{last}"
    right = upn_oracle.calc_check_digit(twelve)

    assert identifiers.upn(right + twelve).canonical == right + twelve
    assert identifiers.upn(letter + twelve).usable is upn_oracle.is_valid(letter + twelve)


@given(st.integers(1950, 2026), serials)
def test_every_form_of_a_pnc_id_with_its_one_right_letter_is_the_same_id(year: int, serial: int) -> None:
    yy = f"{year % 100:02d}"
    letter = LETTERS[int(f"{yy}{serial:07d}") % 23]
    forms = [f"{year}/{serial:07d}", f"{year}{serial:07d}", f"{year}/{serial}", f"{yy}/{serial}", f"{yy}{serial:07d}"]

    answers = {identifiers.pnc_id(form + letter, today=TODAY).canonical for form in forms}
    wrong = {identifiers.pnc_id(f"{year}/{serial}{other}", today=TODAY).problem for other in set(LETTERS) - {letter}}

    assert answers == {f"{year}/{serial:07d}{letter}"}
    assert wrong == {Problem.CHECK_DIGIT}


@given(st.integers(0, 99), st.integers(1, 999_999))
def test_a_cro_number_has_one_right_letter_in_each_form(year: int, serial: int) -> None:
    filled, bare = LETTERS[int(f"{year}{serial:06d}") % 23], LETTERS[int(f"{year}{serial}") % 23]

    standard = [x for x in LETTERS if identifiers.cro_number(f"{serial}/{year:02d}{x}").usable]
    without = [x for x in LETTERS if identifiers.cro_number(f"SF{year:02d}/{serial}{x}").usable]

    assert (standard, without) == ([filled], [bare])
    assert identifiers.cro_number(f"{serial}/{year:02d}{filled}").canonical == f"{serial:06d}/{year:02d}{filled}"


@pytest.mark.parametrize("unit", ["9", " ", "-", "\x00", "٣", "9 ", "A", "/", "UN1", "\ud800"])
def test_a_megabyte_is_refused_at_once(unit: str) -> None:
    megabyte = unit * (1_000_000 // len(unit))

    started = time.process_time()
    answers = [check(megabyte) for check in CHECKS]
    took = time.process_time() - started

    # A quadratic scan would take minutes; this takes a few milliseconds.
    assert took < 2
    assert not any(answer.usable for answer in answers)


@pytest.mark.parametrize("code", CODES)
def test_every_reason_of_the_department_is_kept_and_has_a_meaning(code: str) -> None:
    assert dfe.reason(f" {code.lower()} ") == code
    assert dfe.MEANINGS[dfe.reason(code)]


@given(anything | st.sampled_from(["BW", "TB", "OTHER", "other", ""]))
def test_a_reason_that_the_department_does_not_list_is_other(text: str) -> None:
    assume(text.strip().upper() not in set(dfe.Reason))

    assert dfe.reason(text) == "other"
