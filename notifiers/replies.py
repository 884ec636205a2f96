"""What a phone answers, understood strictly: a word on the list, with the page's reference before or after it, or unclear.

Strictly, because "I can't accept" holds the word accept. Whatever is not understood is answered with the words that are.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from notifiers import confirming, optout, texts
from schemas.kinds import DRILL
from schemas.logs import logger
from schemas.pages import REFERENCE_LETTERS, PageState
from schemas.wire import Sealer
from store import answers, people, phones, replies
from store.answers import Answer, Answered
from store.people import Responder
from store.replies import Standing

STRANGER = "stranger"
"""How a reply is counted that comes from a number which nobody on the list has."""

REMEMBERED = timedelta(hours=24)
"""So long an ended page is still spoken of to those who were told of it."""


class Verb(StrEnum):
    """What somebody wants."""

    ACCEPT = "accept"
    PASS = "pass"  # noqa: S105 - no password
    DONE = "done"
    HELP = "help"
    STOP = "stop"
    START = "start"
    UNCLEAR = "unclear"


WORDS: dict[Verb, tuple[str, ...]] = {
    Verb.ACCEPT: ("1", "accept", "accepted", "i accept", "a", "y", "yes", "ok", "okay"),
    Verb.PASS: ("2", "pass", "pass on", "passed", "p", "n", "no"),
    Verb.DONE: ("3", "done", "d"),
    Verb.HELP: ("?", "help", "info"),
    # Twilio's own words, after which it sends nothing more to that number, whatever we think of it.
    Verb.STOP: ("stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "optout", "opt out", "revoke"),
    Verb.START: ("start", "unstop"),
}
_VERBS = {phrase: verb for verb, phrases in WORDS.items() for phrase in phrases}


@dataclass(frozen=True, slots=True)
class Said:
    """A reply as it is understood."""

    verb: Verb
    reference: str | None = None


def read(body: str) -> Said:
    """Understand a reply: case, dots, dashes, quotes and spaces do not matter; one reference may stand anywhere."""
    letters = "".join(
        letter for letter in unicodedata.normalize("NFKC", body) if unicodedata.category(letter)[0] != "M"
    )
    words = "".join(letter if letter.isalnum() or letter == "?" else " " for letter in letters).casefold().split()
    references = [word.upper() for word in words if _is_reference(word)]
    verb = _VERBS.get(" ".join(word for word in words if not _is_reference(word)), Verb.UNCLEAR)
    if len(set(references)) > 1:
        return Said(Verb.UNCLEAR)
    return Said(verb, references[0] if references else None)


def _is_reference(word: str) -> bool:
    # A reference always has a digit, so that no word of a language is one.
    known = len(word) == 4 and all(letter in REFERENCE_LETTERS for letter in word.upper())
    return known and any(letter.isdigit() for letter in word)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A reply as a provider tells it. `opt_out` is its own reading: STOP, START, HELP or nothing."""

    provider: str
    provider_id: str
    sender: str
    body: str
    opt_out: str | None = None


@dataclass(frozen=True, slots=True)
class Replied:
    """What to say to the phone (None is silence), what an answer did, for the clocks, and for the count of replies how this
    one was understood: the word that was meant, or `stranger`. None for one that was told before."""

    text: str | None
    answered: Answered | None = None
    outcome: str | None = None


async def take(
    connection: AsyncConnection, incoming: Incoming, *, sealer: Sealer, sign_in: str, at: datetime
) -> Replied:
    """Do what a reply asks, once. The same message told again has the same answer and changes nothing.

    An answer counts only from the phone that was paged, for a page that it was paged for (reliability page, R23).
    """
    said = read(incoming.opt_out or incoming.body)
    person = await people.find_by_mobile(connection, incoming.sender)
    message = {"provider": incoming.provider, "provider_id": incoming.provider_id}
    begun = await replies.begin(
        connection,
        sealer,
        **message,
        body=incoming.body,
        understood_as=said.verb.value,
        person=person.person if person else None,
        at=at,
    )
    if not begun:
        return Replied(await replies.answer_of(connection, **message))
    if person is None:
        logger().warning("reply-from-a-stranger", provider=incoming.provider)
        replied = Replied(texts.STRANGER, outcome=STRANGER)
    else:
        replied = await _answer(connection, said, person, incoming, sign_in=sign_in, at=at)
    about = replied.answered.page if replied.answered else None
    await replies.finish(connection, **message, page=about, answer=replied.text)
    return replace(replied, outcome=replied.outcome or said.verb.value)


async def _answer(
    connection: AsyncConnection, said: Said, person: Responder, incoming: Incoming, *, sign_in: str, at: datetime
) -> Replied:
    known = await replies.standing(connection, person.person, since=at - REMEMBERED)
    waiting = [page for page in known if page.state is PageState.OPEN]
    if said.verb is Verb.STOP:
        await optout.stop(connection, person, [page.page for page in waiting], about=incoming.provider_id, at=at)
        return Replied(None)  # the provider has said goodbye, and would refuse another word
    if person.stopped_at is not None and (said.verb is Verb.START or "yes" in incoming.body.casefold()):
        await optout.start(connection, person, at=at)
    if said.verb is Verb.START:
        return Replied(texts.STARTED)
    await phones.heard(connection, person.person, at=at)
    about_no_page = said.reference is None and not any(_FITS[Verb.ACCEPT](page) for page in known)
    accepts = said.verb is Verb.ACCEPT and about_no_page
    if own := await confirming.take(connection, person, incoming.body, accepts=accepts, at=at):
        return Replied(own)
    if said.verb in (Verb.HELP, Verb.UNCLEAR):
        words = texts.HELP if said.verb is Verb.HELP else texts.UNCLEAR
        return Replied(texts.help_with(words, [page.reference for page in waiting]))
    chosen = _choose(said, known)
    if isinstance(chosen, str):
        return Replied(chosen)
    act = _ACTS[said.verb]
    answered = await act(connection, chosen, person.person, via="reply", at=at)
    drill = answered.type == DRILL
    return Replied(texts.reply(answered.answer, answered.reference, sign_in, drill=drill), answered)


def _choose(said: Said, known: list[Standing]) -> UUID | str:
    """The page that is meant, or what to say instead."""
    if said.reference is not None:
        named = [page for page in known if page.reference == said.reference]
        return named[0].page if named else texts.reply(Answer.UNKNOWN, "", "")
    fitting = [page for page in known if _FITS[said.verb](page)]
    fitting = [page for page in fitting if not page.drill] or fitting  # a drill never asks which one is meant
    if len(fitting) > 1:
        return texts.which([page.reference for page in fitting], WORDS[said.verb][0])
    if fitting:
        return fitting[0].page
    # Nothing waits for this answer. Whoever passes on means what they have accepted; else it is the last thing that they
    # were told of, drills last: say how that stands.
    meant = [page for page in known if page.mine and page.state is PageState.ACCEPTED] if said.verb is Verb.PASS else []
    if len(meant) > 1:
        return texts.which([page.reference for page in meant], WORDS[said.verb][0])
    real = [page for page in known if not page.drill]
    return (meant or real or known)[0].page if known else texts.NONE_OPEN


_FITS: dict[Verb, Callable[[Standing], bool]] = {
    Verb.ACCEPT: lambda page: page.state is PageState.OPEN or page.asked,
    Verb.PASS: lambda page: page.state is PageState.OPEN or page.asked,
    Verb.DONE: lambda page: page.mine and page.state is PageState.ACCEPTED,
}
_ACTS = {Verb.ACCEPT: answers.accept, Verb.PASS: answers.pass_on, Verb.DONE: answers.record_contact}
