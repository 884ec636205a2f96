"""The phone on the screen speaks as Twilio documents it: its own SDK cannot tell the difference."""

from collections.abc import Iterator

import httpx2
import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from embedded.phone import ACCOUNT, SENDER, TOKEN, Mode, Phone, UnexpectedTextError, phone_serving
from embedded.server import EmbeddedError
from tests.pager_cast import ADA, BEN


@pytest.fixture
def phone() -> Iterator[Phone]:
    with phone_serving() as serving:
        yield serving


def sdk(phone: Phone, token: str = TOKEN) -> Client:
    client = Client(ACCOUNT, token, http_client=TwilioHttpClient(timeout=5), environment={"": ""})
    client.api.base_url = phone.url
    return client


def test_a_message_is_made_listed_and_fetched_by_twilios_sdk(phone: Phone) -> None:
    client = sdk(phone)

    made = client.messages.create(to=ADA, from_=SENDER, body="Nightlight K7Q4")
    client.messages.create(to=BEN, from_=SENDER, body="Nightlight M3RT")

    [listed] = client.messages.list(to=ADA)
    fetched = client.messages(made.sid).fetch()
    assert (listed.sid, fetched.body, made.status) == (made.sid, "Nightlight K7Q4", "queued")
    assert fetched.date_created is not None
    assert fetched.date_created.tzinfo is not None


@pytest.mark.parametrize(
    ("to", "sender", "body", "code"),
    [
        ("07700900001", SENDER, "x", 21211),
        (ADA, "+447700900998", "x", 21606),
        (ADA, SENDER, "", 21602),
        (ADA, SENDER, "x" * 1601, 21617),
    ],
)
def test_a_bad_request_is_refused_with_twilios_code(phone: Phone, to: str, sender: str, body: str, code: int) -> None:
    with pytest.raises(TwilioRestException) as refused:
        sdk(phone).messages.create(to=to, from_=sender, body=body)

    assert (refused.value.status, refused.value.code) == (400, code)
    assert phone.texts == []


def test_without_the_token_nothing_is_taken_and_nothing_is_shown(phone: Phone) -> None:
    stranger = sdk(phone, token="another")

    with pytest.raises(TwilioRestException) as refused:
        stranger.messages.create(to=ADA, from_=SENDER, body="x")
    with pytest.raises(TwilioException, match="20003"):
        stranger.messages.list()

    assert (refused.value.status, refused.value.code) == (401, 20003)


@pytest.mark.parametrize(("mode", "status", "code"), [(Mode.TOO_MANY, 429, 20429), (Mode.FAULT, 500, 20500)])
def test_a_network_that_is_told_to_fail_fails_for_that_number_alone(
    phone: Phone, mode: Mode, status: int, code: int
) -> None:
    httpx2.post(f"{phone.url}/phone/behave", json={"number": ADA, "mode": mode}, trust_env=False)

    with pytest.raises(TwilioRestException) as refused:
        sdk(phone).messages.create(to=ADA, from_=SENDER, body="x")
    other = sdk(phone).messages.create(to=BEN, from_=SENDER, body="x")

    assert (refused.value.status, refused.value.code) == (status, code)
    assert other.status == "queued"


def test_the_texts_can_be_seen_and_answered_over_http(phone: Phone) -> None:
    sdk(phone).messages.create(to=ADA, from_=SENDER, body="Nightlight K7Q4")

    seen = httpx2.get(f"{phone.url}/phone/texts", params={"number": ADA}, trust_env=False).json()
    answered = httpx2.post(f"{phone.url}/phone/reply", json={"number": ADA, "body": "1"}, trust_env=False)

    assert [(text["to"], text["body"], text["rang"]) for text in seen] == [(ADA, "Nightlight K7Q4", True)]
    assert (answered.status_code, answered.json()["answer"]) == (502, None)  # nobody is at the desk here


def test_a_text_that_no_story_asked_for_fails_it(phone: Phone) -> None:
    sdk(phone).messages.create(to=ADA, from_=SENDER, body="Nightlight K7Q4")
    phone.expects(ADA, "K7Q4")
    phone.refuse_unexpected()

    sdk(phone).messages.create(to=ADA, from_=SENDER, body="Nightlight K7Q4 again")

    with pytest.raises(UnexpectedTextError):
        phone.refuse_unexpected()
    with pytest.raises(AssertionError, match="no text with"):
        phone.expects(BEN, "K7Q4", within=0.05)


def test_a_phone_that_is_off_does_not_ring(phone: Phone) -> None:
    phone.behave(Mode.UNDELIVERED, ADA)

    sdk(phone).messages.create(to=ADA, from_=SENDER, body="Nightlight K7Q4")

    assert (len(phone.texts), phone.rang()) == (1, [])


def test_a_port_that_is_taken_is_said_in_one_sentence(phone: Phone) -> None:
    port = int(phone.url.rpartition(":")[2])

    with pytest.raises(EmbeddedError, match=f"cannot have port {port} on 127.0.0.1"), phone_serving(port=port):
        pass
