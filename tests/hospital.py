"""A whole Nightlight with a hospital that it knows, whichever door it speaks through."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.hl7.cast import fields, message
from tests.hl7.test_process import RULES, Line
from tests.house import House, eventually, house, settle_in

ROBIN = "PID|1||9990000018^^^NHS^NH~T1^^^R1H^MR||LAMPWICK^ROBIN||20100314|1|||^^^^N1 9GU"


@contextlib.contextmanager
def hospital(directory: Path) -> Iterator[House]:
    """With Barts registered as an agency, and as a sender of HL7."""
    with house(directory) as running:
        settle_in(running, waits=(600, 600, 600))
        running.add_agency("barts", "admission")
        rules = running.data / "rules.csv"
        rules.write_text(RULES)
        running.does("feeds", "import", str(rules))
        yield running


def line(home: House) -> Line:
    """A connection on which this sender is known by now."""
    royal = Line(urlsplit(home.urls["mllp"]).port or 0)
    eventually(lambda: fields(royal.send(message("A28", control_id="HELLO")))[1] == "AA")
    return royal


def texts(home: House) -> list[str]:
    return [text["body"] for text in home.texts()]
