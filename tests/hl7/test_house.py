"""A night in A&E as a whole Nightlight hears it: from HL7 over MLLP to the text on the phone."""

from collections.abc import Iterator

import pytest

from tests.hl7.cast import fields, message
from tests.hl7.test_process import Line
from tests.hospital import ROBIN, hospital, line, texts
from tests.house import House, eventually

pytestmark = pytest.mark.timeout(240)

MARNIE = "PID|1||9990000026^^^NHS^NH~T2^^^R1H^MR||WICKFIELD^MARNIE||20110602|2|||^^^^N1 1AA"
UNKNOWN = "PID|1||T2^^^R1H^MR||UNKNOWN^FEMALE|||2"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with hospital(tmp_path_factory.mktemp("hospital")) as running:
        yield running


@pytest.fixture
def royal(home: House) -> Line:
    return line(home)


def test_one_attendance_is_one_page_and_its_cancellation_takes_it_back(home: House, royal: Line) -> None:
    before = len(texts(home))
    codes = [
        fields(royal.send(data))[1]
        for data in (
            message("A04", control_id="R1", pid=ROBIN, visit="V1"),
            message("A04", control_id="R1", pid=ROBIN, visit="V1"),
            message("A01", control_id="R2", pid=ROBIN, visit="V1", patient_class="I", at="20261121030000"),
            message("A02", control_id="R3", pid=ROBIN, visit="V1", ward="6Z", at="20261121031000"),
        )
    ]
    page = eventually(lambda: texts(home)[before:], within=60)
    royal.send(message("A11", control_id="R4", pid=ROBIN, visit="V1", at="20261121032000"))
    said = eventually(lambda: (now := texts(home)[before:]) and len(now) > 1 and now, within=60)

    assert codes == ["AA"] * 4
    assert "an A&E department" in page[0]
    assert len(page) == 1
    assert "withdrawn" in said[1]


def test_somebody_unknown_is_paged_for_once_the_merge_says_who_it_is(home: House, royal: Line) -> None:
    before = len(texts(home))
    royal.send(message("A04", control_id="M1", pid=UNKNOWN, visit="V2"))
    royal.send(message("A40", control_id="M2", pid=MARNIE, visit="", more=["MRG|T2^^^R1H^MR"], at="20261121030000"))

    page = eventually(lambda: texts(home)[before:], within=60)

    assert "an A&E department" in page[0]


def test_a_child_who_is_not_watched_gets_the_same_answer_and_no_page(home: House, royal: Line) -> None:
    stranger = "PID|1||9990000069^^^NHS^NH||STRANGWAYS^PTOLEMY||20120505|1"
    watched = royal.send(message("A04", control_id="S1", pid=ROBIN, visit="V3"))
    other = royal.send(message("A04", control_id="S1", pid=stranger, visit="V4"))

    assert fields(watched) == fields(other)
    assert [len(part) for part in fields(watched, "MSH")] == [len(part) for part in fields(other, "MSH")]
