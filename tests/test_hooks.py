"""What providers tell the desk counts only if they have signed it, and then once, whatever order it comes in."""

from collections.abc import AsyncIterator
from urllib.parse import urlencode
from uuid import uuid4

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from twilio.request_validator import RequestValidator

from embedded.network import sign
from embedded.phone import Mode
from notifiers.signature import is_signed
from notifiers.sms import RETRY_CALLBACKS
from schemas.authorities import authorities
from store.receipts import receipts, replies
from tests.pager_cast import ADA, NIGHT, Night, night

TOKEN = "12345"
# twilio-python, tests/unit/test_request_validator.py: their own figures.
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FIELDS = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}
SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url) as begun:
        yield begun


@pytest.mark.parametrize(
    ("url", "signature", "tokens", "good"),
    [
        pytest.param(URL, SIGNATURE, [TOKEN], True, id="Twilio's own vector"),
        pytest.param(URL.replace(".com/", ".com:443/"), SIGNATURE, [TOKEN], True, id="the address with its port"),
        pytest.param(URL, SIGNATURE, ["the-current-one", TOKEN], True, id="by the next token"),
        pytest.param(URL, SIGNATURE, [TOKEN, "the-next-one"], True, id="by the current token"),
        pytest.param(URL, SIGNATURE, ["another"], False, id="by another token"),
        pytest.param(URL, SIGNATURE, [], False, id="no token is set"),
        pytest.param(URL, "", [TOKEN], False, id="no signature"),
        pytest.param(URL, "é" * 28, [TOKEN], False, id="letters that no signature has"),
        pytest.param(URL + "&baz=3", SIGNATURE, [TOKEN], False, id="another address"),
        pytest.param(URL.replace("https", "http"), SIGNATURE, [TOKEN], False, id="another scheme"),
    ],
)
def test_a_signature_is_good_or_not(url: str, signature: str, tokens: list[str], good: bool) -> None:
    assert is_signed(url, FIELDS, signature, tokens) is good


@given(
    fields=st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=20), max_size=6),
    token=st.text("abc", min_size=1),
)
def test_our_phone_signs_as_twilios_own_code_does(fields: dict[str, str], token: str) -> None:
    url = "https://desk.example:8443/twilio/status?attempt=1"

    signature = sign(url, fields, token)

    assert RequestValidator(token).validate(url, fields, signature)
    assert is_signed(url, fields, signature, [token])
    assert not is_signed(url, {**fields, "more": "1"}, signature, [token])


def test_an_address_signed_as_it_was_given_with_its_fragment_is_good() -> None:
    """A mock may not know that Twilio takes the fragment off before it signs."""
    url = "https://desk.example/twilio/status?attempt=1"

    assert is_signed(url, FIELDS, sign(url + RETRY_CALLBACKS, FIELDS, TOKEN), [TOKEN])
    assert not is_signed(url, FIELDS, sign(url + "#rc=1", FIELDS, TOKEN), [TOKEN])


async def test_an_unsigned_reply_is_refused_and_says_nothing(story: Night) -> None:
    page, _ = await story.open_page()
    await story.round()
    fields = {"MessageSid": "SM1", "From": ADA, "Body": "1"}

    answer = await story.phone.post(f"{story.settings.base_url}/twilio/messages", fields, signature="bm90IGl0")

    assert (answer.status_code, answer.json()) == (403, {"detail": "Forbidden"})
    assert (await story.page(page)).state == "open"


async def test_the_next_token_is_good_while_it_is_being_changed(story: Night) -> None:
    page, _ = await story.open_page()
    await story.round()
    story.phone.token = "the-next-made-up-token"

    await story.phone.reply(ADA, "1")

    assert (await story.page(page)).state == "accepted"


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        pytest.param("MessageSid=1&Body=2&Body=1&From=x", "application/x-www-form-urlencoded", 400, id="a field twice"),
        pytest.param('{"MessageSid": "1"}', "application/json", 400, id="not a form"),
        pytest.param("Body=" + "1" * 70_000, "application/x-www-form-urlencoded", 413, id="too long"),
        pytest.param("", "application/x-www-form-urlencoded", 403, id="empty and unsigned"),
        pytest.param("Body=%ff%fe", "application/x-www-form-urlencoded", 403, id="not text"),
    ],
)
async def test_what_twilio_never_sends_is_refused(story: Night, content: str, kind: str, status: int) -> None:
    url = f"{story.settings.base_url}/twilio/messages"

    async with httpx2.AsyncClient(verify=authorities(), trust_env=False) as http:
        answer = await http.post(url, content=content, headers={"Content-Type": kind, "X-Twilio-Signature": "x"})

    assert answer.status_code == status


async def test_a_signature_for_one_address_is_not_good_for_another(story: Night) -> None:
    fields = {"MessageSid": "SM1", "MessageStatus": "delivered", "From": ADA, "Body": "1"}
    base = story.settings.base_url
    signature = sign(f"{base}/twilio/status?attempt={uuid4()}", fields, story.phone.token)

    other = await story.phone.post(f"{base}/twilio/status?attempt={uuid4()}", fields, signature=signature)
    reply = await story.phone.post(f"{base}/twilio/messages", fields, signature=signature)

    assert (other.status_code, reply.status_code) == (403, 403)


async def test_a_receipt_of_a_message_that_nobody_knows_is_kept_and_moves_nothing(story: Night) -> None:
    fields = {"MessageSid": "SM404", "MessageStatus": "delivered"}

    answers = [
        await story.phone.post(f"{story.settings.base_url}/twilio/status?attempt={attempt}", fields)
        for attempt in (uuid4(), "not-an-id", "")
    ]

    assert [answer.status_code for answer in answers] == [204, 204, 204]
    async with story.engine.connect() as connection:
        [kept] = await connection.execute(select(receipts))
    assert (kept.provider_id, kept.settled_at) == ("SM404", None)


async def test_a_receipt_that_comes_before_we_know_the_message_is_joined_to_it_later(story: Night) -> None:
    story.phone.behave(Mode.SILENT, ADA)
    page, _ = await story.open_page()
    sid = "SM" + "0" * 32
    story.phone.take = lambda *given, take=story.phone.take: named(take(*given), sid)  # type: ignore[method-assign,misc]
    fields = {"MessageSid": sid, "MessageStatus": "delivered"}
    await story.phone.post(f"{story.settings.base_url}/twilio/status", fields)
    before = await story.states(page)

    await story.round()

    assert (before, await story.states(page)) == (["pending"], ["delivered"])


async def test_a_receipt_that_names_our_attempt_and_another_message_changes_nothing(story: Night) -> None:
    story.phone.behave(Mode.SENT_ONLY, ADA)
    page, _ = await story.open_page()
    await story.round()
    await story.until_states(page, "sent")

    status = await story.phone.send_receipt(story.phone.texts[0], "undelivered", "30003", sid="SM-another")

    assert status == 204
    assert await story.states(page) == ["sent"]


async def test_a_status_word_that_is_new_to_us_is_kept_and_moves_nothing(story: Night) -> None:
    story.phone.behave(Mode.SENT_ONLY, ADA)
    page, _ = await story.open_page()
    await story.round()
    await story.until_states(page, "sent")

    status = await story.phone.send_receipt(story.phone.texts[0], "partially_delivered")

    assert status == 204
    assert await story.states(page) == ["sent"]


async def test_the_words_of_a_reply_are_sealed_and_its_number_is_nowhere(story: Night) -> None:
    await story.open_page()
    await story.round()

    await story.phone.reply(ADA, "Robin Lampwick is my neighbour")

    async with story.engine.connect() as connection:
        [kept] = (await connection.execute(select(replies))).mappings()
    assert b"Lampwick" not in kept["body"]
    assert not any(ADA in str(value) for value in kept.values())
    place = f"replies/twilio/{kept['provider_id']}"
    assert story.sealer.open(kept["body"], place=place) == b"Robin Lampwick is my neighbour"
    assert kept["received_at"] == NIGHT


async def test_twilios_own_reading_of_an_opt_out_counts(story: Night) -> None:
    answer = await story.phone.reply(ADA, "arrêt", extra={"OptOutType": "STOP"})
    await story.round()

    assert answer is None
    assert [one.person for one in await story.attempts(purpose="stopped")] == ["mo"]


def named(text: object, sid: str) -> object:
    text.sid = sid  # type: ignore[attr-defined]
    return text


def test_the_body_we_sign_is_the_body_we_send() -> None:
    assert urlencode({"Body": "K7Q4 1"}) == "Body=K7Q4+1"
