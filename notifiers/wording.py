"""The words of each channel, all from the same closed fields as a text (`texts.Fields`), and in the same plain letters.

A text says what to reply; a mail cannot be replied to, a chat is read by everybody in it, and a call is heard: where that
makes a difference the channel has words of its own here, and where it makes none it has the text's.
"""

from notifiers import texts
from notifiers.texts import Fields
from schemas.pages import Channel, Purpose
from store.answers import Answer

MAILS: dict[Purpose, str] = {
    Purpose.PAGE: "Nightlight {reference}: {what} ({team}). To accept, or to see that somebody has: {link}\n\n"
    "An answer by mail reaches nobody.",
}
CHATS: dict[Purpose, str] = {
    Purpose.PAGE: "Nightlight {reference}: {what} ({team}). Whoever is on call, accept by text, by telephone or here: {link}",
}
CALLS: dict[Purpose, str] = {
    Purpose.PAGE: "This is Nightlight, for the {team}. Page {reference}: {what}. Press 1 to accept. Press 2 to pass on.",
    Purpose.TEST: "This is Nightlight. It is a test of this telephone. Press 1 to show that it has reached you.",
    Purpose.CODE: "This is Nightlight. Your code is {note}. Once more: {note}.",
    Purpose.REMINDER: "This is Nightlight, about page {reference}, which you have accepted. "
    "Press 3 if contact is made. Press 1 if you are on your way. Press 2 if you cannot go.",
}
WORDS: dict[Channel, dict[Purpose, str]] = {Channel.EMAIL: MAILS, Channel.WEBHOOK: CHATS, Channel.VOICE: CALLS}

HEARD: dict[Answer, str] = {
    Answer.ACCEPTED: "Page {reference} is accepted by you. Sign in to the duty desk for who and where. Goodbye.",
    Answer.YOURS: "You have accepted page {reference}. Sign in to the duty desk for who and where. Goodbye.",
    Answer.TAKEN: "Somebody else has accepted page {reference}. There is nothing for you to do. Goodbye.",
    Answer.PASSED: "Page {reference} is passed on. We go on until somebody accepts. Goodbye.",
    Answer.CONTACT: "Contact is recorded for page {reference}. Thank you. Goodbye.",
    Answer.ENDED: "Page {reference} has ended. There is nothing more for you to do. Goodbye.",
}
"""What is said to somebody who has pressed a key, or whose call comes too late."""

HEARD_OF_A_DRILL = "Page {reference} is a drill: no child is waiting. Thank you for answering. Goodbye."
NOT_UNDERSTOOD = "Sorry, that key means nothing here."
GOODBYE = "No key was pressed. Goodbye."
NOTHING = "This is Nightlight. There is nothing for you to do. Goodbye."
THANKS = "Thank you. Goodbye."


def write(channel: Channel, purpose: Purpose, fields: Fields) -> str:
    """What this channel says for this purpose."""
    words = WORDS.get(channel, {}).get(purpose)
    if words is None:
        text = texts.write(purpose, fields)
        return _aloud(text, fields) if channel is Channel.VOICE else text
    new = "possible new moment" if fields.possible else "new moment"
    what = "DRILL, no child is waiting" if fields.drill else f"{new} at {fields.place}"
    if channel is not Channel.VOICE:
        return texts.fill(words, fields, what=what)
    spelt = {"reference": spell(fields.reference), "note": spell(texts.note_of(fields))}
    return texts.fill(words, fields, what=what.replace("DRILL", "this is a drill"), **spelt)


def heard(answer: Answer, reference: str, *, drill: bool = False) -> str:
    """What is said to an answer by key."""
    words = HEARD_OF_A_DRILL if drill else HEARD.get(answer, NOTHING)
    return words.format(reference=spell(reference))


def spell(reference: str) -> str:
    """A reference or a code, as a voice says it: letter by letter."""
    return ", ".join(reference)


def _aloud(text: str, fields: Fields) -> str:
    """A text without what makes no sense when it is heard: its link, and what to reply."""
    said = text.replace(fields.link, "") if fields.link else text
    kept = ". ".join(part for part in said.split(". ") if not part.strip().startswith(("Reply", "Sign in"))).strip()
    return kept.replace(fields.reference, spell(fields.reference)) if fields.reference else kept
