"""Every text we send, built from a closed set of fields and nothing else (contract section 8, reliability R24).

A text lies on a locked screen and in two companies' records. It holds a reference, a kind of place, a team and a link:
never a name, a date, an address, an identifier, a reason or a category of harm.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.pages import Purpose, Role
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
    """All that a text may say. `place` is the kind of place, as `a custody suite`; `link` a whole address.

    `note` is a code of digits, or a role and times: anything else in it is left out. `drill` says that no child waits,
    `possible` that nobody has yet decided whether it is the child.
    """

    reference: str = ""
    place: str = ""
    team: str = ""
    link: str = ""
    note: str = ""
    drill: bool = False
    possible: bool = False


def write(purpose: Purpose, fields: Fields) -> str:
    """The text for this purpose, in the GSM 7-bit alphabet. A page that would take two parts is said in fewer words."""
    words = DRILLS.get(purpose, PURPOSES[purpose]) if fields.drill else PURPOSES[purpose]
    if fields.possible:
        words = POSSIBLE.get(purpose, words)
    text = fill(words, fields)
    return fill(SHORTER[words], fields) if len(text) > ONE_PART and words in SHORTER else text


def fill(words: str, fields: Fields, **instead: str) -> str:
    """Words of another channel than texts, with these fields in them and nothing else, in the same alphabet."""
    given = {"reference": fields.reference, "place": fields.place, "team": _team(fields.team), "link": fields.link}
    return _plain(words.format(**{**given, "note": note_of(fields), **instead}))


def note_of(fields: Fields) -> str:
    """The note, if it is what a note may be."""
    return fields.note if _NOTE.fullmatch(fields.note) else ""


PURPOSES: dict[Purpose, str] = {
    Purpose.PAGE: "Nightlight {reference}: new moment at {place} ({team}). Reply 1 to accept, 2 to pass on. {link}",
    Purpose.TAKEN: "Nightlight {reference}: somebody else has accepted. Nothing for you to do.",
    Purpose.WITHDRAWN: "Nightlight {reference}: withdrawn. Nothing more for you to do.",
    Purpose.EXPIRED: "Nightlight {reference}: the time at {place} is over and no contact was recorded ({team}). Sign in: {link}",
    Purpose.STOPPED: "Nightlight: a phone on call for {team} has opted out of texts (STOP). Please put somebody else on call.",
    Purpose.COMING: "Nightlight: you are on call for {team}, {note}. Reply OK to confirm.",
    Purpose.UNCONFIRMED: "Nightlight: {team}, {note}: whoever is on call has not confirmed. Ring them, or put somebody else on call.",
    Purpose.CODE: "Nightlight: your code is {note}. Reply with it, or give it to whoever asked you for it, within 30 minutes.",
    Purpose.TEST: "Nightlight: a test of this phone. Reply OK to show that it has reached you.",
    Purpose.REMINDER: "Nightlight {reference}: no contact is recorded. Reply 3 once it is, 1 if you are on the way, 2 to hand it back.",
    Purpose.RETURNED: "Nightlight {reference}: no contact was recorded, so the team is asked again. Reply 1 if you still have it.",
    Purpose.LEFT: "Nightlight {reference}: no longer at {place} ({team}). Sign in for what is known: {link}",
    Purpose.ALARM: "Nightlight: a fault may keep pages from arriving ({team}). Ring whoever runs it: do not rely on texts.",
}

DRILLS: dict[Purpose, str] = {
    Purpose.PAGE: "Nightlight {reference}: DRILL, no child is waiting ({team}). Reply 1 to accept, 2 to pass on. {link}",
    Purpose.TAKEN: "Nightlight {reference}: DRILL, somebody else has accepted. Nothing for you to do.",
    Purpose.WITHDRAWN: "Nightlight {reference}: DRILL, stopped. Nothing more for you to do.",
    Purpose.EXPIRED: "Nightlight {reference}: DRILL, nobody accepted in time ({team}). Please find out why.",
}
"""The same of a page that is a drill: everybody who reads one knows that no child is waiting."""

POSSIBLE: dict[Purpose, str] = {
    Purpose.PAGE: "Nightlight {reference}: possible new moment at {place} ({team}). Reply 1 to accept, 2 to pass on. {link}",
}
"""The same of a page for which nobody has yet decided who it is."""

SHORTER: dict[str, str] = {
    PURPOSES[Purpose.PAGE]: "Nightlight {reference}: {place} ({team}). Reply 1 accept, 2 pass on. {link}",
    POSSIBLE[Purpose.PAGE]: "Nightlight {reference}: possible, {place} ({team}). Reply 1 accept, 2 pass on. {link}",
}
"""The same where the names of a team and of a house are long: of two parts one may come late, or alone."""

_TIME = r"[0-2][0-9]:[0-5][0-9](?: (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [0-9]{1,2})?"
_NOTE = re.compile(rf"[0-9]{{6}}|(?:{'|'.join(Role)})(?: (?:from|to|since) {_TIME})*")
"""A code, or a role with times: a name is neither, and would be left out."""


def reply(answer: Answer, reference: str, link: str, *, drill: bool = False) -> str:
    """What somebody is told who has answered a page. `link` is where they sign in; of a drill there is nothing to see."""
    words = DRILL_ANSWERS.get(answer, DRILL_OVER) if drill else ANSWERS[answer]
    return _plain(words.format(reference=reference, link=link))


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

DRILL_ANSWERS: dict[Answer, str] = {
    Answer.ACCEPTED: "Nightlight {reference}: DRILL, accepted by you. It works, and it is over. Thank you.",
    Answer.YOURS: "Nightlight {reference}: DRILL, accepted by you. Nothing more for you to do.",
    Answer.TAKEN: DRILLS[Purpose.TAKEN],
    Answer.PASSED: "Nightlight {reference}: DRILL, passed on by you. We go on until somebody accepts.",
    Answer.OPEN: "Nightlight {reference}: DRILL, nobody has accepted yet. Reply 1 to accept.",
}
DRILL_OVER = "Nightlight {reference}: DRILL, it is over. Nothing more for you to do."
"""The same of a drill, whatever is answered: nobody looks for a child who is not there."""

NONE_OPEN = "Nightlight: nothing is open for you now."
STRANGER = "This number does not take messages."
"""The same for everybody who is not on the list: it says nothing of what this number is for."""
STARTED = "Nightlight: you can be paged again."
CONFIRMED = "Nightlight: thank you. Your time on call is confirmed."
VERIFIED = "Nightlight: thank you. This phone is verified."
PROVEN = "Nightlight: thank you. This phone works."
WRONG_CODE = "Nightlight: that is not the code. Ask for a new one if you have lost it."
HELP = "Nightlight: reply 1 to accept, 2 to pass on, 3 when contact is made."
UNCLEAR = "Nightlight: sorry, not understood. Reply 1 to accept, 2 to pass on, 3 when contact is made."


def which(references: Sequence[str], verb: str) -> str:
    """Several pages fit and the reply named none. `references` as they are listed, `verb` the word that was meant."""
    return _plain(f"Nightlight: which one? Reply {references[0]} {verb}. Yours: {_list(references)}.")


def help_with(text: str, references: Sequence[str]) -> str:
    """`HELP` or `UNCLEAR`, and what is open for this phone."""
    if not references:
        return text
    return _plain(f"{text} Open: {_list(references)}.")


def _list(references: Sequence[str]) -> str:
    """Every one by its reference, even if that takes a second part: a child is never a number in a count."""
    return ", ".join(references)


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
