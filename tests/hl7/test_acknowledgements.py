"""Every frame gets one answer, in the words of the version and the mode of whoever sent it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.hl7.acknowledgements import Condition, Fault, Verdict, acknowledge
from connectors.hl7.header import VERSIONS, Header, read_header
from connectors.hl7.message import parse
from tests.hl7.cast import NOW, fields, message

MISSING = Fault(Verdict.ERROR, Condition.MISSING, "PV1-19 is required.", "invalid", ("PV1", 19))
STRANGE = Fault(Verdict.REJECTED, Condition.TYPE, "No such type.", "invalid", ("MSH", 9))


def header(**more: str) -> Header:
    return read_header(parse(message(**more)))  # type: ignore[arg-type]


def answer(of: Header | None, fault: Fault | None = None) -> str:
    return acknowledge(of, fault, at=NOW, new_id=lambda: "N1", receiver=("PAS", "R1H12")).text


def test_an_acceptance_in_full() -> None:
    assert answer(header()) == (
        "MSH|^~\\&|NIGHTLIGHT||PAS|R1H12|20261121020630+0000||ACK^A04^ACK|N1|P|2.4\rMSA|AA|C1\r"
    )


def test_an_error_of_the_older_versions_in_full() -> None:
    assert answer(header(version="2.3"), MISSING) == (
        "MSH|^~\\&|NIGHTLIGHT||PAS|R1H12|20261121020630+0000||ACK^A04|N1|P|2.3\r"
        "MSA|AE|C1|PV1-19 is required.\r"
        "ERR|PV1^1^19^101&Required field missing&HL70357\r"
    )


def test_an_error_of_the_newer_versions_in_full() -> None:
    assert answer(header(version="2.7"), MISSING) == (
        "MSH|^~\\&|NIGHTLIGHT||PAS|R1H12|20261121020630+0000||ACK^A04^ACK|N1|P|2.7\r"
        "MSA|AE|C1\r"
        "ERR||PV1^1^19|101^Required field missing^HL70357|E||||PV1-19 is required.\r"
    )


@pytest.mark.parametrize("version", sorted(VERSIONS))
def test_the_answer_is_in_the_version_that_was_asked_in(version: str) -> None:
    assert fields(answer(header(version=version), STRANGE), "MSH")[11] == version


@pytest.mark.parametrize("version", ["", "9.9", "2.4^GBR", "nonsense"])
def test_a_version_that_is_none_is_not_repeated(version: str) -> None:
    assert fields(answer(header(version=version)), "MSH")[11] == "2.4"


@pytest.mark.parametrize(
    ("accept", "application", "fault", "code"),
    [
        ("", "", None, "AA"),
        ("", "", MISSING, "AE"),
        ("", "", STRANGE, "AR"),
        ("AL", "NE", None, "CA"),
        ("AL", "NE", MISSING, "CE"),
        ("AL", "NE", STRANGE, "CR"),
        ("AL", "AL", None, "CA"),
        ("", "AL", None, "AA"),
        ("NE", "AL", None, "AA"),
        ("NE", "AL", STRANGE, "AR"),
        ("ER", "AL", None, "AA"),
        ("ER", "AL", STRANGE, "CR"),
        ("SU", "AL", None, "CA"),
        ("SU", "ER", MISSING, "AE"),
        ("NE", "NE", None, "CA"),  # wants none, and gets one all the same
        ("NE", "", None, "CA"),
        ("XX", "", None, "AA"),
    ],
)
def test_the_code_is_that_of_the_mode(accept: str, application: str, fault: Fault | None, code: str) -> None:
    assert fields(answer(header(acknowledge=f"||{accept}|{application}"), fault))[1] == code


def test_the_answer_uses_the_delimiters_of_the_message() -> None:
    odd = read_header(parse(message(control_id="C-1").replace(b"|", b"#").replace(b"^", b"*").replace(b"&", b"+")))

    assert answer(odd, MISSING).split("\r")[1:3] == [
        "MSA#AE#C-1#PV1-19 is required.",
        "ERR#PV1*1*19*101+Required field missing+HL70357",
    ]


def test_a_control_id_comes_back_as_it_was_written() -> None:
    for written in ("Q1663^X2", "A~B", "a b", "\\X0D\\MSH", "0" * 199, "9" * 1000):
        assert fields(answer(header(control_id=written)))[2] == written


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="|\r\n"), max_size=300))
def test_nothing_in_a_control_id_becomes_a_segment_of_ours(written: str) -> None:
    of = header(control_id=f"X{written}")

    text = answer(of)

    assert [line[:3] for line in text.split("\r")] == ["MSH", "MSA", ""]
    assert not any(mark in text for mark in "\x0b\x1c\n")


def test_what_cannot_be_read_at_all_is_answered_too() -> None:
    assert fields(answer(None, STRANGE)) == ["MSA", "AR", "", "No such type."]


def test_nothing_of_a_message_but_its_control_id_is_in_the_answer() -> None:
    secret = header(sender="EVIL|PLACE", version="2.4")

    texts = [answer(secret, fault) for fault in (None, MISSING, STRANGE)]

    for text, word in itertools.product(texts, ("EVIL", "PLACE", "LAMPWICK", "9990000018", "V77", "RNJ")):
        assert word not in text
