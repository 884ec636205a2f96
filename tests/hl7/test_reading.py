"""An HL7 message is read as it was meant: whatever its delimiters, escapes, charset and line ends."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.hl7.acknowledgements import acknowledge
from connectors.hl7.bench import split
from connectors.hl7.charset import decode
from connectors.hl7.delimiters import Delimiters, Unreadable
from connectors.hl7.escapes import unescape
from connectors.hl7.header import read_header
from connectors.hl7.message import NULL, header_of, parse
from connectors.hl7.times import birth_date, instant
from tests.hl7.cast import NOW, SAMPLES, message, samples

USUAL = Delimiters()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"Emergency-A\T\E/Dental", "Emergency-A&E/Dental"),
        (r"a\F\b\S\c\R\d\E\e", r"a|b^c~d\e"),
        (r"one\.br\two\.sp2\three", "one two three"),
        (r"\X416E6E\ \X4B\ ", "Ann K"),
        (r"\Xc3a9\mile", "émile"),
        (r"\XC3\x", "x"),
        (r"\H\loud\N\ quiet", "loud quiet"),
        (r"\C2842\plain\M2442\text", "plaintext"),
        (r"\Zlocal\kept", "kept"),
        (r"O\Brien", r"O\Brien"),
        (r"\unknown\ stays", r"\unknown\ stays"),
        ("\\X0D\\MSH|^~", "MSH|^~"),
        ("line\x0b\x1cbreak", "line break"),
        (r"\P\ 5", "# 5"),
    ],
)
def test_an_escape_means_what_the_standard_says_and_nothing_else_changes(written: str, meant: str) -> None:
    assert unescape(written, USUAL) == meant


@given(st.text(max_size=60))
def test_whatever_is_escaped_comes_back_without_a_control_character(text: str) -> None:
    meant = unescape(text, USUAL)

    assert not any(char < " " or char == "\x7f" for char in meant)


def test_delimiters_are_read_from_the_message() -> None:
    odd = message().replace(b"|", b"!").replace(b"^", b"*").replace(b"~", b"%").replace(b"\\", b"@").replace(b"&", b"$")

    read = parse(odd)

    assert read.segment("PID").part(5, 2) == "ROBIN"
    assert [value.part(1) for value in read.segment("PID").values(3)] == ["9990000018", "T100"]


@pytest.mark.parametrize("head", ["MSH|^~\\&", "MSH|^~\\&#", "MSH|^~\\", "MSH|^", "MSH|"])
def test_a_sender_may_use_fewer_delimiters_or_one_more(head: str) -> None:
    read = parse(f"{head}|PAS|R1H12|||20261121||ADT^A04|C1|P|2.1".encode())

    assert read_header(read).application == "PAS"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"MSH",
        b"PID|1",
        b"MSH|^^^^",
        b"MSHA^~\\&",
        b"MSH|abc",
        b"MSH|^~\\&#!",
        b"\xff\xfe",
        b"MSH|^~\\&|A\rMSH|^~\\&|B",
    ],
)
def test_what_is_no_message_is_unreadable_and_says_so(data: bytes) -> None:
    with pytest.raises(Unreadable):
        parse(data)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\n\r", "\r\r"])
def test_segments_end_with_cr_or_lf_or_both(end: str) -> None:
    read = parse(message().decode().replace("\r", end).encode())

    assert [segment.name for segment in read.segments] == ["MSH", "EVN", "PID", "PV1"]


def test_a_line_end_inside_a_field_is_part_of_the_field() -> None:
    data = message(pid="PID|1||9990000018^^^NHS^NH||LAMPWICK^ROBIN||20100314|1|||12 MADE UP\nROAD^^LONDON^^N1 9GU")

    pid = parse(data).segment("PID")

    assert (pid.part(11), pid.part(11, 5)) == ("12 MADE UP ROAD", "N1 9GU")


def test_a_null_is_known_to_be_nothing_and_an_empty_field_says_nothing() -> None:
    pid = parse(message(pid='PID|1||""~9990000018^^^NHS^NH||""^ROBIN')).segment("PID")

    assert [value.raw for value in pid.values(3)] == [NULL, "9990000018^^^NHS^NH"]
    assert pid.values(3)[0].is_null
    assert (pid.part(3), pid.part(5), pid.part(5, 2), pid.part(7)) == ("", "", "ROBIN", "")


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("", "utf-8"),
        ("UNICODE UTF-8", "utf-8"),
        ("UNICODE", "utf-8"),
        ("8859/1", "iso8859-1"),
        ("8859/15", "iso8859-15"),
        ("", "cp1252"),
        ("ASCII", "utf-8"),  # wrong: it is not
        ("ASCII", "cp1252"),
        ("UNICODE UTF-8", "cp1252"),
        ("8859/1", "utf-8"),
        ("NONSENSE", "utf-8"),
        ("8859/1~UNICODE", "iso8859-1"),
    ],
)
def test_a_name_is_read_in_the_charset_it_was_written_in_whatever_was_declared(declared: str, codec: str) -> None:
    data = message(charset=declared).decode().replace("ROBIN", "ZOË").encode(codec)

    assert parse(data).segment("PID").part(5, 2) == "ZOË"


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_text_with_several_bytes_to_a_letter_is_read_where_no_byte_of_it_is_a_mark(codec: str) -> None:
    data = message(charset="UNICODE UTF-16").decode().replace("ROBIN", "ZOË").encode(codec)

    assert parse(data).segment("PID").part(5, 2) == "ZOË"


@pytest.mark.parametrize("declared", ["UNICODE UTF-16", "UNICODE UTF-32"])
@pytest.mark.parametrize("name", ["ROBIN", "ZOË", "ZOËS"])  # with an even and with an odd count of bytes
@pytest.mark.parametrize("codec", ["utf-8", "cp1252"])
def test_who_declares_utf_16_and_sends_single_bytes_is_read_and_answered_in_those(
    declared: str, name: str, codec: str
) -> None:
    data = message(charset=declared, control_id="C-1").decode().replace("ROBIN", name).encode(codec)
    read = parse(data)

    assert read.segment("PID").part(5, 2) == name
    assert acknowledge(read_header(read), None, at=NOW, new_id=lambda: "N1").encoded().endswith(b"MSA|AA|C-1\r")


def test_what_cannot_be_read_is_answered_with_its_control_id_in_utf_16_too() -> None:
    two = message(control_id="C-1") + message(control_id="C-2")

    head = header_of(two.decode().encode("utf-16-le"))

    assert head is not None
    assert head.raw(10) == "C-1"


@pytest.mark.parametrize("mark", ["\r", "\n", "\t", "\x01", " ", "A"])
def test_what_divides_nothing_divides_no_answer_either(mark: str) -> None:
    head = header_of(f"MSH{mark}^~{mark}".encode())

    assert head is not None
    assert head.delimiters == USUAL


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_one_message_in_the_envelope_of_a_batch_is_a_message_like_any_other(end: bytes) -> None:
    batch = b"FHS|^~\\&|PAS\rBHS|^~\\&|PAS\r" + message(control_id="C-1") + b"BTS|1\rFTS|1\r"

    read = parse(batch.replace(b"\r", end))

    assert (read.header.raw(10), read.segment("PID").part(5, 2)) == ("C-1", "ROBIN")


def test_several_messages_in_a_batch_are_refused_and_an_empty_batch_is_none() -> None:
    head = b"BHS|^~\\&|PAS\r"

    with pytest.raises(Unreadable, match="two messages"):
        parse(head + message() + message())
    with pytest.raises(Unreadable):
        parse(head + b"BTS|0\r")


@given(st.binary(max_size=300))
def test_any_bytes_become_text(data: bytes) -> None:
    decode(data)


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("20261121020600", "2026-11-21T02:06:00"),
        ("202611210206", "2026-11-21T02:06:00"),
        ("2026112102", "2026-11-21T02:00:00"),
        ("20260721020600", "2026-07-21T01:06:00"),  # summer
        ("20260721020600.1234", "2026-07-21T01:06:00"),
        ("20260721020600+0000", "2026-07-21T02:06:00"),
        ("198908181126+0215", "1989-08-18T09:11:00"),
        ("20260721020600-0530", "2026-07-21T07:36:00"),
        ("2026-07-21T02:06:00Z", "2026-07-21T02:06:00"),
        ("20261121240000", "2026-11-22T00:00:00"),
        ("20261025003000", "2026-10-24T23:30:00"),
        ("20261025013000", "2026-10-25T01:30:00"),  # twice: the second time
        ("20261025023000", "2026-10-25T02:30:00"),
        ("20260329013000", "2026-03-29T01:30:00"),  # never: as before the change
    ],
)
def test_a_time_is_londons_unless_it_says_otherwise(written: str, utc: str) -> None:
    assert instant(written, now=NOW) == datetime.fromisoformat(f"{utc}+00:00")


def test_the_hour_that_comes_twice_is_the_first_while_the_second_is_still_to_come() -> None:
    at_half_past_one_summer_time = datetime.fromisoformat("2026-10-25T00:31:00+00:00")

    read = instant("20261025013000", now=at_half_past_one_summer_time)

    assert read == datetime.fromisoformat("2026-10-25T00:30:00+00:00")


@pytest.mark.parametrize(
    "written",
    [
        "",
        "2026",
        "202611",
        "20261121",
        "20261341",
        "20261121256000",
        "yesterday",
        "1" * 500,
        f"20261121{' ' * 500}",
        '""',
    ],
)
def test_what_does_not_say_the_hour_is_no_instant(written: str) -> None:
    assert instant(written, now=NOW) is None


@pytest.mark.parametrize(
    ("written", "born"),
    [
        ("20100314", date(2010, 3, 14)),
        ("2010-03-14", date(2010, 3, 14)),
        ("201003140030", date(2010, 3, 14)),
        ("20100714003000", date(2010, 7, 14)),  # half past midnight in summer, and still that day
        ("20100314000000+0100", date(2010, 3, 14)),
        ("19891411", None),
        ("20100230", None),
        ("201003", None),
        ("2010", None),
        ("unknown", None),
    ],
)
def test_a_birth_date_is_the_date_that_was_written(written: str, born: date | None) -> None:
    assert birth_date(written) == born


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text: str) -> None:
    instant(text, now=NOW)
    birth_date(text)


def test_every_message_of_others_is_read() -> None:
    for path in samples():
        read = parse(path.read_bytes())

        assert read_header(read).kind == "ADT", path.name


def test_the_messages_of_others_are_all_here_or_their_directory_is_not() -> None:
    """NIGHTLIGHT_TEST_SAMPLES names it; by default it is `shared/samples` beside the repository."""
    assert len(samples()) == (68 if SAMPLES.is_dir() else 0)


def test_a_file_of_a_batch_holds_its_messages_and_its_own_head_is_none_of_them() -> None:
    head = b"FHS|^~\\&|PAS\rBHS|^~\\&|PAS\r"

    assert len(split(head + message() + message() + b"BTS|2\rFTS|1\r")) == 2
    assert len(split(message() + message())) == 2
    assert split(head) == [head]
