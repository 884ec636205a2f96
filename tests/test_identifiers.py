"""Identifiers, value by value. Every value is made up, or published by its owner as an example or a test."""

from collections.abc import Callable
from datetime import date

import pytest
from nhs_number.constants import REGION_SYNTHETIC

from schemas import identifiers
from schemas.identifiers import Checked, Problem, judge

NOON_2026 = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("kind", "line", "answer"),
    [
        # NHS numbers from the NHS's samples and the 999 range.
        ("nhs-number", "9434765870", "valid 9434765870"),
        ("nhs-number", "9000000009", "valid 9000000009"),
        ("nhs-number", "9912003888", "valid 9912003888"),
        ("nhs-number", "943 476 5870", "valid 9434765870"),
        ("nhs-number", "943-476-5870", "valid 9434765870"),
        ("nhs-number", "  943\u00a0476\u2011587\u200b0\ufeff\r\n", "valid 9434765870"),
        ("nhs-number", "\u202d9434765870\u202c", "valid 9434765870"),
        ("nhs-number", "9434765870".rjust(200), "valid 9434765870"),
        ("nhs-number", f"943476{' ' * 60}5870", "invalid length"),
        ("nhs-number", "8449303452", "invalid check-digit"),
        ("nhs-number", "9333333333", "invalid check-digit"),
        ("nhs-number", "9000000015", "invalid check-digit"),
        ("nhs-number", "1234567890", "invalid placeholder"),
        *(("nhs-number", digit * 10, "invalid placeholder") for digit in "0123456789"),
        ("nhs-number", "333 333 3333", "invalid placeholder"),
        ("nhs-number", "", "invalid empty"),
        ("nhs-number", " - ", "invalid empty"),
        ("nhs-number", "943476587", "invalid length"),
        ("nhs-number", "94347658700", "invalid length"),
        ("nhs-number", "943476587O", "invalid format"),
        ("nhs-number", "943.476.5870", "invalid format"),
        ("nhs-number", "94347658\x0070", "invalid format"),
        ("nhs-number", "９４３４７６５８７０", "invalid format"),  # full width
        ("nhs-number", "٩٤٣٤٧٦٥٨٧٠", "invalid format"),  # Arabic-Indic
        ("nhs-number", "943476587²", "invalid format"),  # `isdigit`, but no `int`
        ("nhs-number", "unknown", "invalid format"),
        # UPNs: the Department for Education's and its validators' examples.
        ("upn", "B801200005001", "valid B801200005001"),
        ("upn", "W940200024001", "valid W940200024001"),
        ("upn", "A82312432400A", "valid A82312432400A"),
        ("upn", " b801 2000 05001 ", "valid B801200005001"),
        ("upn", "A801200005001", "invalid check-digit"),
        ("upn", "X80120000A001", "invalid format"),
        ("upn", "I801200005001", "invalid format"),
        ("upn", "A82312432400S", "invalid format"),
        ("upn", "B80120000500", "invalid length"),
        ("upn", "B8012000050011", "invalid length"),
        *(("upn", f"UN{number}", "invalid placeholder") for number in range(1, 6)),
        ("upn", "un4", "invalid placeholder"),
        ("upn", "UN6", "invalid length"),
        ("upn", "A000000000000", "invalid placeholder"),  # zeros carry the right letter
        ("upn", "B80120000500١", "invalid format"),
        ("upn", "ß801200005001", "invalid format"),  # `upper` makes two letters of it
        ("upn", "", "invalid empty"),
        # PNC IDs: test values that the Ministry of Justice publishes, and made-up ones.
        ("pnc", "81/34U", "valid 1981/0000034U"),
        ("pnc", "02/73319Z", "valid 2002/0073319Z"),
        ("pnc", "00/223R", "valid 2000/0000223R"),
        ("pnc", "0273319Z", "valid 2002/0073319Z"),
        ("pnc", "033Y", "valid 2003/0000003Y"),
        ("pnc", "67/9893091D", "valid 1967/9893091D"),
        ("pnc", "20020073319Z", "valid 2002/0073319Z"),
        ("pnc", "2002/0073319Z", "valid 2002/0073319Z"),
        ("pnc", "1979/0163001B", "valid 1979/0163001B"),
        ("pnc", " 2002/0073319z ", "valid 2002/0073319Z"),
        ("pnc", "2003/123D", "valid 2003/0000123D"),
        ("pnc", "20030011985Z", "invalid check-digit"),
        ("pnc", "20120052494O", "invalid check-digit"),
        ("pnc", "20230583843N", "invalid check-digit"),
        ("pnc", "2001/0171310S", "invalid check-digit"),
        ("pnc", "00/0Z", "invalid placeholder"),  # zeros carry the right letter
        ("pnc", "TOTALLYINVALID", "invalid length"),
        ("pnc", "1X23/1234567A", "invalid format"),
        ("pnc", "1923[1234567A", "invalid format"),
        ("pnc", "1923/1Z34567A", "invalid format"),
        ("pnc", "1923/1234567AA", "invalid length"),
        ("pnc", "192/1234567A", "invalid format"),
        ("pnc", "2003583843N", "invalid format"),  # eleven without a slash: the year may end in two places
        ("pnc", "01", "invalid length"),
        ("pnc", "0123456789", "invalid format"),
        ("pnc", "٢٠٠٢/0073319Z", "invalid format"),
        ("pnc", "", "invalid empty"),
        # CRO numbers: likewise.
        ("cro", "265416/21G", "valid 265416/21G"),
        ("cro", "12/24U", "valid 000012/24U"),
        ("cro", "SF05/482703J", "valid SF05/482703J"),
        ("cro", "SF83/50058Z", "valid SF83/50058Z"),
        ("cro", "sf24/12w", "valid SF24/12W"),
        ("cro", "SF24/000012U", "valid SF24/000012U"),
        ("cro", "SF24/000012W", "invalid check-digit"),  # the letter of 12, not of 000012
        ("cro", "85227/65G", "invalid check-digit"),
        ("cro", "265416/21H", "invalid check-digit"),
        ("cro", "000000/00Z", "invalid placeholder"),
        ("cro", "26541621G", "invalid format"),
        ("cro", "SF0/482703J", "invalid format"),
        ("cro", "1234567/21G", "invalid format"),
        ("cro", "SF20/01234523", "invalid length"),
        ("cro", "ſf24/12W", "invalid format"),  # a long s, which `upper` makes an S
        ("cro", "", "invalid empty"),
    ],
)
def test_a_line_is_judged_as_the_contract_says(kind: str, line: str, answer: str) -> None:
    assert judge(kind, line) == answer


def test_the_command_knows_the_four_kinds_of_the_contract() -> None:
    assert list(identifiers.KINDS) == ["nhs-number", "upn", "pnc", "cro"]


@pytest.mark.parametrize(
    ("short", "today", "long"),
    [
        ("26/1W", NOON_2026, "2026/0000001W"),
        ("27/1L", NOON_2026, "1927/0000001L"),
        ("27/1L", date(2027, 1, 1), "2027/0000001L"),
        ("99/1G", NOON_2026, "1999/0000001G"),
        ("00/1A", NOON_2026, "2000/0000001A"),
        ("1927/1L", NOON_2026, "1927/0000001L"),
    ],
)
def test_a_short_year_up_to_this_one_is_of_this_century(short: str, today: date, long: str) -> None:
    assert identifiers.pnc_id(short, today=today).canonical == long


@pytest.mark.parametrize(
    ("check", "text", "expected"),
    [
        (identifiers.postcode, "EC1A 1BB", "EC1A 1BB"),
        (identifiers.postcode, "ec1a1bb", "EC1A 1BB"),
        (identifiers.postcode, "W1A  0AX", "W1A 0AX"),
        (identifiers.postcode, "M1 1AE", "M1 1AE"),
        (identifiers.postcode, "B33 8TH", "B33 8TH"),
        (identifiers.postcode, "CR2\u00a06XH", "CR2 6XH"),
        (identifiers.postcode, "DN55 1PT", "DN55 1PT"),
        (identifiers.postcode, "GIR 0AA", "GIR 0AA"),
        (identifiers.postcode, "N1C 4AG", "N1C 4AG"),
        (identifiers.postcode, "SE1P 5LX", "SE1P 5LX"),
        (identifiers.postcode, "ZZ99 3VZ", Problem.PLACEHOLDER),
        (identifiers.postcode, "zz993wz", Problem.PLACEHOLDER),
        (identifiers.postcode, "ZZ99 3CZ", Problem.PLACEHOLDER),
        (identifiers.postcode, "EC1A", Problem.LENGTH),
        (identifiers.postcode, "QC1A 1BB", Problem.FORMAT),
        (identifiers.postcode, "EC1A 1CB", Problem.FORMAT),
        (identifiers.postcode, "EC1A 1BB, London", Problem.LENGTH),
        (identifiers.postcode, "", Problem.EMPTY),
        (identifiers.authority_code, "E09000019", "E09000019"),
        (identifiers.authority_code, "e06000001", "E06000001"),
        (identifiers.authority_code, "E07000008", "E07000008"),
        (identifiers.authority_code, "E10000014", "E10000014"),
        (identifiers.authority_code, "W06000015", "W06000015"),
        (identifiers.authority_code, "E05000001", Problem.FORMAT),
        (identifiers.authority_code, "E11000001", Problem.FORMAT),
        (identifiers.authority_code, "S12000033", Problem.FORMAT),
        (identifiers.authority_code, "E0900001", Problem.LENGTH),
        (identifiers.ods_code, "RRV", "RRV"),
        (identifiers.ods_code, "rrv03", "RRV03"),
        (identifiers.ods_code, "RR", Problem.LENGTH),
        (identifiers.ods_code, "RRV0301", Problem.LENGTH),
        (identifiers.ods_code, "RR/03", Problem.FORMAT),
        (identifiers.school_urn, "100000", "100000"),
        (identifiers.school_urn, "10000", Problem.LENGTH),
        (identifiers.school_urn, "10000A", Problem.FORMAT),
        (identifiers.school_urn, "١٠٠٠٠٠", Problem.FORMAT),
        (identifiers.force_code, "01", "01"),
        (identifiers.force_code, " Devon & Cornwall ", "Devon & Cornwall"),
        (identifiers.force_code, "01/CB", Problem.FORMAT),
        (identifiers.force_code, "", Problem.EMPTY),
        (identifiers.custody_record, "01CB/1234/24", "01CB/1234/24"),
        (identifiers.custody_record, "r" * 30, "r" * 30),
        (identifiers.custody_record, "r" * 31, Problem.LENGTH),
        (identifiers.custody_record, "=HYPERLINK", Problem.FORMAT),
        (identifiers.custody_record, "01CB\x00", Problem.FORMAT),
        (identifiers.custody_record, "01CB\n24", Problem.FORMAT),
    ],
)
def test_a_place_or_a_reference_is_canonical_or_has_a_problem(
    check: Callable[[str], Checked], text: str, expected: str | Problem
) -> None:
    checked = check(text)

    assert (checked.problem if isinstance(expected, Problem) else checked.canonical) == expected
    assert checked.usable is not isinstance(expected, Problem)


def test_a_postcode_has_an_outcode_and_a_sector() -> None:
    assert (identifiers.outcode("EC1A 1BB"), identifiers.sector("EC1A 1BB")) == ("EC1A", "EC1A 1")
    assert (identifiers.outcode("M1 1AE"), identifiers.sector("M1 1AE")) == ("M1", "M1 1")


@pytest.mark.parametrize(
    ("text", "synthetic"),
    [
        ("999 000 0018", True),
        ("9434765870", True),
        ("9000000009", True),
        ("9990000019", False),  # wrong check digit
        ("9999999999", False),  # a placeholder
        ("", False),
    ],
)
def test_only_numbers_that_no_patient_has_are_synthetic(text: str, synthetic: bool) -> None:
    assert identifiers.is_synthetic_nhs_number(text) is synthetic


def test_the_synthetic_range_is_still_the_one_that_our_docstring_names() -> None:
    assert [(part.start, part.end) for part in REGION_SYNTHETIC.ranges] == [(9_000_000_000, 9_999_999_999)]


def test_a_value_stays_out_of_its_repr() -> None:
    checked = identifiers.nhs_number("9434765870")

    assert checked.usable
    assert "9434765870" not in repr(checked)
