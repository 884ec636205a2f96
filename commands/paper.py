"""A timeline on paper: plain, readable without colour, real text in reading order with headings, so that a screen reader reads
it as it is printed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from schemas.london import LONDON
from store.timeline import Timeline

SIZE: Final = 10
HEADINGS: Final = {1: 16, 2: 13}
LINE: Final = 5.0
"""Millimetres from one line to the next."""


class Paper(FPDF):
    """A4, with the reference and the number of the page at the foot of each."""

    def __init__(self, reference: str) -> None:
        super().__init__(orientation="portrait", unit="mm", format="A4")
        self._reference = reference
        self.set_lang("en-GB")
        self.set_title(f"Nightlight: timeline of page {reference}")
        self.set_creator("Nightlight")
        self.set_display_mode(zoom="fullwidth")
        self.set_margin(18)
        self.set_auto_page_break(True, margin=20)
        self.add_page()

    def footer(self) -> None:
        self.set_y(-14)
        self.set_font("helvetica", size=8)
        self.cell(
            0, LINE, f"Nightlight {self._reference}: for the review of the case alone. Page {self.page_no()} of {{nb}}"
        )

    def heading(self, words: str, level: int = 1) -> None:
        self.ln(LINE / 2)
        self.start_section(words, level=level - 1)
        self.set_font("helvetica", style="B", size=HEADINGS[level])
        self.say(words)
        self.set_font("helvetica", size=SIZE)

    def say(self, words: str) -> None:
        """A paragraph. The built-in letters are those of western Europe; any other becomes a question mark."""
        self.multi_cell(0, LINE, _printable(words), new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def render(timeline: Timeline, *, at: datetime, why: str) -> bytes:
    """The PDF. Times are London's; `at` is when it is made, `why` what for."""
    paper = Paper(timeline.reference)
    paper.heading(f"Timeline of page {timeline.reference}")
    paper.say(f"Made on {_time(at)}, for: {why}.")
    paper.say(
        "The child is named by the id under which the team keeps them. What agencies said of where and why is in their own "
        "records. Times are London's, to the second."
    )
    paper.heading("The page", level=2)
    for name in ("child", "team", "authority", "type", "state", "page", "moment"):
        paper.say(f"{name}: {getattr(timeline, name)}")
    paper.heading("Clocks", level=2)
    for name, reading in timeline.clocks.items():
        paper.say(f"{name.removesuffix('_at')}: {_time(reading) if reading else 'not'}")
    paper.heading("The plan it was opened with", level=2)
    for step in timeline.plan:
        paper.say(
            f"Step {step['step']}: {step['role']}, by {', then '.join(step['channels'])}, {step['wait_seconds']:g} s"
        )
    paper.heading(f"What happened ({len(timeline.lines)} lines)", level=2)
    for line in timeline.lines:
        paper.set_font("helvetica", style="B", size=SIZE)
        paper.say(f"{_time(line.at)}  {line.what}: {line.who}")
        paper.set_font("helvetica", size=SIZE)
        if detail := _spoken(line.detail):
            paper.say(detail)
        paper.ln(LINE / 4)
    return bytes(paper.output())


def _spoken(detail: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{name.replace('_', ' ')}: {_value(value)}" for name, value in detail.items() if value not in (None, "", [])
    )


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_value(each) for each in value)
    if isinstance(value, Mapping):
        return f"({_spoken(value)})"
    return str(value)


def _time(at: datetime) -> str:
    return f"{at.astimezone(LONDON):%Y-%m-%d %H:%M:%S %Z}"


def _printable(words: str) -> str:
    return words.encode("cp1252", "replace").decode("cp1252").encode("latin-1", "replace").decode("latin-1")
