"""Every text we send, built from a closed set of fields and nothing else (contract section 8, reliability R24).

A text lies on a locked screen and in two companies' records. It holds a reference, a kind of place, a team and a link:
never a name, a date, an address, an identifier, a reason or a category of harm.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.pages import Purpose
from store.answers import Answer

ONE_PART = 160
"""Characters of the GSM 7-bit alphabet in one part; with a single character outside it, 70 (3GPP TS 23.038)."""

GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
    "^{}\\[~]|€"  # of its extension: each counts twice, and an address may hold one
)
_ALIKE = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "\u00a0": " "})


@dataclass(frozen=True, slots=True)
class Fields:
    """All that a text may say. `place` is the kind of place, as `a custody suite`; `link` a whole address."""

    reference: str = ""
    place: str = ""
    team: str = ""
    link: str = ""


def write(purpose: Purpose, fields: Fields) -> str:
    """The text for this purpose, in the GSM 7-bit alphabet."""
    return _plain(
        PURPOSES[purpose].format(
            reference=fields.reference, place=fields.place, team=_team(fields.team), link=fields.link
        )
    )


PURPOSES: dict[Purpose, str] = {
    Purpose.PAGE: "Nightlight {reference}: new moment at {place} ({team}). Reply 1 to accept, 2 to pass on. {link}",
    Purpose.TAKEN: "Nightlight {reference}: somebody else has accepted. Nothing for you to do.",
    Purpose.WITHDRAWN: "Nightlight {reference}: withdrawn. Nothing more for you to do.",
    Purpose.EXPIRED: "Nightlight {reference}: the time at {place} is over and no contact was recorded ({team}). Sign in: {link}",
    Purpose.STOPPED: "Nightlight: a phone on call for {team} has opted out of texts (STOP). Please put somebody else on call.",
}


def reply(answer: Answer, reference: str, link: str) -> str:
    """What somebody is told who has answered a page. `link` is where they sign in."""
    return _plain(ANSWERS[answer].format(reference=reference, link=link))


ANSWERS: dict[Answer, str] = {
    Answer.ACCEPTED: "Nightlight {reference}: accepted by you. Sign in for who and where: {link} Reply 3 when contact is made.",
    Answer.YOURS: "Nightlight {reference}: you have accepted this. Sign in for who and where: {link}",
    Answer.TAKEN: "Nightlight {reference}: somebody else has accepted. Nothing for you to do.",
    Answer.PASSED: "Nightlight {reference}: passed on by you. We go on until somebody accepts.",
    Answer.CONTACT: "Nightlight {reference}: contact is recorded. Thank you.",
    Answer.CLOSED: "Nightlight {reference}: closed. Nothing more for you to do.",
    Answer.OPEN: "Nightlight {reference}: nobody has accepted yet. Reply 1 to accept first.",
    Answer.ENDED: "Nightlight {reference}: this has ended. Nothing more for you to do.",
    Answer.UNKNOWN: "Nightlight: no page of yours has that reference.",
}

NONE_OPEN = "Nightlight: nothing is open for you now."
STRANGER = "This number does not take messages."
"""The same for everybody who is not on the list: it says nothing of what this number is for."""
STARTED = "Nightlight: you can be paged again."
HELP = "Nightlight: reply 1 to accept, 2 to pass on, 3 when contact is made."
UNCLEAR = "Nightlight: sorry, not understood. Reply 1 to accept, 2 to pass on, 3 when contact is made."
_LISTED = 6


def which(references: Sequence[str], verb: str) -> str:
    """Several pages fit and the reply named none. `references` as they are listed, `verb` the word that was meant."""
    return _plain(f"Nightlight: which one? Reply {references[0]} {verb}. Yours: {_list(references)}.")


def help_with(text: str, references: Sequence[str]) -> str:
    """`HELP` or `UNCLEAR`, and what is open for this phone."""
    if not references:
        return text
    return _plain(f"{text} Open: {_list(references)}.")


def _list(references: Sequence[str]) -> str:
    more = len(references) - _LISTED
    return ", ".join(references[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _team(name: str) -> str:
    """`Islington` is said as `Islington team`; a name that ends so already stays."""
    name = " ".join(name.split())
    return name if name.casefold().endswith("team") else f"{name} team"


def _plain(text: str) -> str:
    """In the GSM 7-bit alphabet: curly quotes made straight, accents it lacks taken off, anything else a question mark."""
    return "".join(_letter(letter) for letter in text.translate(_ALIKE))


def _letter(letter: str) -> str:
    if letter in GSM7:
        return letter
    base = unicodedata.normalize("NFKD", letter)[0]
    return base if base in GSM7 else "?"
