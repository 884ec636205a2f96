"""Whatever the channel, nothing is said but its closed fields: no record of a child can show in any of them."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifiers import texts, wording
from notifiers.texts import GSM7, Fields
from schemas.kinds import KINDS
from schemas.pages import REFERENCE_LETTERS, Channel, Purpose
from store.answers import Answer

LINK = "https://nightlight.islington.gov.uk/p/8Fq2mZ7cT4kLw9Xd0123ab"
PLACES = sorted({kind.place for kind in KINDS.values()})
REFERENCES = st.text(REFERENCE_LETTERS, min_size=4, max_size=4)
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=20)
FIELDS = st.builds(
    Fields,
    reference=REFERENCES,
    place=st.sampled_from(PLACES),
    team=st.sampled_from(["Islington", "Camden north team"]),
    link=st.sampled_from([LINK, ""]),
    note=st.one_of(NAMES, st.from_regex(r"[0-9]{6}", fullmatch=True), st.text(max_size=30)),
    drill=st.booleans(),
    possible=st.booleans(),
)


def words_of(said: str) -> list[str]:
    return re.findall(r"[\w']+", said.casefold())


def vocabulary() -> set[str]:
    """Every word that may stand in a message whatever is known of a child."""
    tables = [texts.PURPOSES, texts.DRILLS, texts.POSSIBLE, wording.MAILS, wording.CHATS, wording.CALLS, wording.HEARD]
    fixed = [words for table in tables for words in table.values()]  # type: ignore[attr-defined]
    fixed += [
        *PLACES,
        "possible new moment at DRILL, no child is waiting this is a drill",
        "Islington Camden north team team",
    ]
    return {word for words in fixed for word in words_of(words)}


VOCABULARY = vocabulary()


@given(channel=st.sampled_from(Channel), purpose=st.sampled_from(Purpose), fields=FIELDS)
@settings(max_examples=1000, deadline=None)
def test_no_message_of_any_channel_says_more_than_its_closed_fields(
    channel: Channel, purpose: Purpose, fields: Fields
) -> None:
    said = wording.write(channel, purpose, fields)

    given = {*words_of(fields.reference), *fields.reference.casefold(), *words_of(fields.link)}
    note = texts.note_of(fields)
    given |= {*words_of(note), *note}
    assert set(words_of(said)) <= VOCABULARY | given
    assert set(said) <= GSM7


@given(
    record=st.lists(NAMES, min_size=1, max_size=8), channel=st.sampled_from(Channel), purpose=st.sampled_from(Purpose)
)
@settings(max_examples=1000, deadline=None)
def test_a_name_in_a_note_is_left_out(record: list[str], channel: Channel, purpose: Purpose) -> None:
    fields = Fields("K7Q4", PLACES[0], "Islington", LINK, " ".join(record))

    said = set(words_of(wording.write(channel, purpose, fields)))

    allowed = VOCABULARY | set(words_of(LINK)) | {"k7q4", "k", "7", "q", "4"} | set(words_of(texts.note_of(fields)))
    assert not {name.casefold() for name in record} & said - allowed


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("purpose", Purpose)
def test_every_channel_has_words_for_every_purpose(channel: Channel, purpose: Purpose) -> None:
    said = wording.write(channel, purpose, Fields("K7Q4", PLACES[0], "Islington", LINK, "123456"))

    assert "{" not in said
    assert len(said) > 20
    if purpose not in (Purpose.STOPPED, Purpose.ALARM):
        assert said == said.strip()


def test_a_call_is_heard_without_links_and_letter_by_letter() -> None:
    said = [wording.write(Channel.VOICE, purpose, Fields("K7Q4", PLACES[0], "Islington", LINK)) for purpose in Purpose]

    assert not [words for words in said if "http" in words or "K7Q4" in words or "Reply" in words]


def test_a_drill_says_so_in_every_channel() -> None:
    fields = Fields("K7Q4", PLACES[0], "Islington", LINK, drill=True)

    said = {channel: wording.write(channel, Purpose.PAGE, fields) for channel in Channel}

    assert all("drill" in words.casefold() and "no child is waiting" in words for words in said.values())


@pytest.mark.parametrize("answer", Answer)
def test_every_answer_can_be_heard(answer: Answer) -> None:
    said = wording.heard(answer, "K7Q4")

    assert said.endswith("Goodbye.")
    assert "{" not in said


@pytest.mark.parametrize("answer", Answer)
def test_an_answer_about_a_drill_sends_nobody_to_look_for_a_child(answer: Answer) -> None:
    said = wording.heard(answer, "K7Q4", drill=True)

    assert "drill" in said
    assert "who and where" not in said
