"""Replies are understood strictly: what is not on the list is not an acceptance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.replies import WORDS, Said, Verb, read
from schemas.pages import REFERENCE_LETTERS

REFERENCES = st.text(REFERENCE_LETTERS, min_size=4, max_size=4).filter(lambda word: any(map(str.isdigit, word)))


@pytest.mark.parametrize(
    ("body", "verb", "reference"),
    [
        ("1", Verb.ACCEPT, None),
        ("1.", Verb.ACCEPT, None),
        (" 1 \n", Verb.ACCEPT, None),
        ("1️⃣", Verb.ACCEPT, None),
        ("１", Verb.ACCEPT, None),
        ("accept", Verb.ACCEPT, None),
        ("ACCEPT!", Verb.ACCEPT, None),
        ("Accept K7Q4", Verb.ACCEPT, "K7Q4"),
        ("K7Q4 1", Verb.ACCEPT, "K7Q4"),
        ("k7q4: 1", Verb.ACCEPT, "K7Q4"),
        ("k7q4-1", Verb.ACCEPT, "K7Q4"),
        ("“1”", Verb.ACCEPT, None),
        ("ok", Verb.ACCEPT, None),
        ("Yes.", Verb.ACCEPT, None),
        ("2", Verb.PASS, None),
        ("pass", Verb.PASS, None),
        ("Pass on", Verb.PASS, None),
        ("no", Verb.PASS, None),
        ("M3RT pass", Verb.PASS, "M3RT"),
        ("3", Verb.DONE, None),
        ("Done", Verb.DONE, None),
        ("?", Verb.HELP, None),
        ("???", Verb.UNCLEAR, None),
        ("help", Verb.HELP, None),
        ("STOP", Verb.STOP, None),
        ("Stop all", Verb.STOP, None),
        ("unsubscribe", Verb.STOP, None),
        ("START", Verb.START, None),
        ("K7Q4", Verb.UNCLEAR, "K7Q4"),
        ("K7Q4 M3RT 1", Verb.UNCLEAR, None),
        ("I cannot accept", Verb.UNCLEAR, None),
        ("don't accept", Verb.UNCLEAR, None),
        ("1 2", Verb.UNCLEAR, None),
        ("11", Verb.UNCLEAR, None),
        ("12", Verb.UNCLEAR, None),
        ("yeah", Verb.UNCLEAR, None),
        ("", Verb.UNCLEAR, None),
        ("Liked “Nightlight K7Q4: new moment”", Verb.UNCLEAR, "K7Q4"),
        ("who is this", Verb.UNCLEAR, None),
    ],
)
def test_a_reply_is_understood(body: str, verb: Verb, reference: str | None) -> None:
    assert read(body) == Said(verb, reference)


@given(body=st.text(max_size=200))
def test_no_reply_breaks_the_reader(body: str) -> None:
    assert isinstance(read(body), Said)


@given(reference=REFERENCES, words=st.sampled_from([(verb, word) for verb, all_ in WORDS.items() for word in all_]))
def test_a_reference_may_stand_before_or_after_the_word(reference: str, words: tuple[Verb, str]) -> None:
    verb, word = words

    assert read(f"{reference} {word}") == read(f"{word.upper()}, {reference.lower()}") == Said(verb, reference)


@given(
    words=st.lists(st.sampled_from(["not", "can't", "accept", "1", "2", "maybe", "i", "later"]), min_size=2, max_size=5)
)
def test_only_a_phrase_on_the_list_accepts(words: list[str]) -> None:
    body = " ".join(words)

    assert (read(body).verb is Verb.ACCEPT) == (body in WORDS[Verb.ACCEPT])
