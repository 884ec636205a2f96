"""Every text holds its closed set of fields and nothing else, in the alphabet that phones read cheaply and whole."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers import texts
from notifiers.texts import ANSWERS, DRILL_ANSWERS, GSM7, ONE_PART, PURPOSES, SHORTER, Fields
from schemas.kinds import KINDS
from schemas.pages import REFERENCE_LETTERS, Purpose
from store.answers import Answer

LINK = "https://nightlight.islington.gov.uk/p/8Fq2mZ7cT4kLw9Xd0123ab"
REFERENCES = st.text(REFERENCE_LETTERS, min_size=4, max_size=4)
PLACES = st.sampled_from(sorted({kind.place for kind in KINDS.values()}))


def test_a_page_has_the_contracts_words() -> None:
    text = texts.write(Purpose.PAGE, Fields("K7Q4", "a custody suite", "Islington", LINK))

    assert text == (
        "Nightlight K7Q4: new moment at a custody suite (Islington team). Reply 1 to accept, 2 to pass on. " + LINK
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Islington", "(Islington team)"),
        ("Islington team", "(Islington team)"),
        ("Islington Team", "(Islington Team)"),
        ("  Islington\n north ", "(Islington north team)"),
        ("St John’s – east", "(St John's - east team)"),
        ("Łódź", "(?odz team)"),
        ("Café", "(Café team)"),
    ],
)
def test_a_team_is_said_once_as_a_team_and_in_plain_letters(name: str, said: str) -> None:
    assert said in texts.write(Purpose.PAGE, Fields("K7Q4", "a school", name, LINK))


@pytest.mark.parametrize("place", sorted({kind.place for kind in KINDS.values()}))
def test_a_page_is_one_part_for_a_team_and_an_address_of_ordinary_length(place: str) -> None:
    text = texts.write(
        Purpose.PAGE, Fields("K7Q4", place, "Islington", "https://night.gov.uk/p/8Fq2mZ7cT4kLw9Xd0123ab")
    )

    assert len(text) <= ONE_PART


@pytest.mark.parametrize("possible", [False, True])
@pytest.mark.parametrize("place", sorted({kind.place for kind in KINDS.values()}))
def test_a_page_that_would_take_two_parts_says_the_same_in_fewer_words(place: str, possible: bool) -> None:
    address = "https://nightlight.hackney.gov.uk/p/8Fq2mZ7cT4kLw9Xd0123ab"

    text = texts.write(Purpose.PAGE, Fields("K7Q4", place, "Tower Hamlets", address, possible=possible))

    assert len(text) <= ONE_PART
    assert all(said in text for said in ("K7Q4", place, "(Tower Hamlets team)", "1", "accept", "2", "pass on", address))
    assert ("possible" in text) is possible


@pytest.mark.parametrize("answer", Answer)
def test_every_answer_is_one_part(answer: Answer) -> None:
    text = texts.reply(answer, "K7Q4", "https://nightlight.islington.gov.uk")

    assert len(text) <= ONE_PART
    assert set(text) <= GSM7


@given(purpose=st.sampled_from(Purpose), reference=REFERENCES, place=PLACES, team=st.text(max_size=60))
def test_nothing_but_the_closed_fields_is_in_a_text(purpose: Purpose, reference: str, place: str, team: str) -> None:
    text = texts.write(purpose, Fields(reference, place, team, LINK))

    said = text
    for part in (reference, place, LINK):
        said = said.replace(part, "", 1)
    templates = (*PURPOSES.values(), *SHORTER.values())
    fixed = {word.strip(string.punctuation) for words in templates for word in words.split()}
    team_words = {word.strip(string.punctuation) for word in texts.write(Purpose.STOPPED, Fields(team=team)).split()}
    left = {word.strip(string.punctuation) for word in said.split()} - fixed - team_words
    assert left <= {""}
    assert set(text) <= GSM7


def test_the_templates_know_no_other_fields() -> None:
    names = {
        name
        for words in (*PURPOSES.values(), *SHORTER.values(), *ANSWERS.values(), *DRILL_ANSWERS.values())
        for _, name, _, _ in string.Formatter().parse(words)
        if name
    }

    assert names <= {"reference", "place", "team", "link", "note"}
    assert set(PURPOSES) == set(Purpose)
    assert set(ANSWERS) == set(Answer)


def test_however_many_pages_are_open_each_is_named() -> None:
    references = [f"K7Q{letter}" for letter in REFERENCE_LETTERS[:20]]

    for said in (texts.which(references, "1"), texts.help_with(texts.HELP, references)):
        assert all(reference in said for reference in references)
