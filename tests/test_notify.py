"""GOV.UK Notify: tokens as it checks them, one template for every text, receipts and replies with our bearer token only."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from desk.notify import number
from embedded import notify as network
from embedded.behaviour import TWILIO
from embedded.notify import CALLBACK_TOKEN, KEY, NOTIFY, SECRET, SERVICE
from embedded.phone import Mode
from notifiers.channel import DeliveryError, Reason
from notifiers.notify import STATUSES, Notify, read_refusal, sign
from schemas.authorities import authorities
from schemas.pages import AttemptState
from schemas.settings import BadSettings, Settings
from store.receipts import receipts
from tests.pager_cast import ADA, STRANGER, Night, eventually, night


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url, every_channel=True) as begun:
        begun.phone.behave(Mode.TOO_MANY, provider=TWILIO)
        yield begun


@given(at=st.integers(0, 2**33), secret=st.text(min_size=32, max_size=64))
def test_a_token_is_one_that_another_library_takes(at: int, secret: str) -> None:
    token = sign(SERVICE, secret, at)

    unchecked = {"verify_iat": False}
    assert jwt.decode(token, secret, algorithms=["HS256"], options=unchecked) == {"iss": SERVICE, "iat": at}  # type: ignore[arg-type]
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": "HS256"}


@pytest.mark.parametrize(
    "key", ["", "not-a-key", SERVICE, f"{SERVICE}-{SECRET}x", f"name {SERVICE}", f"{SERVICE}_{SECRET}"]
)
def test_a_key_that_is_none_is_named_and_not_repeated(key: str) -> None:
    given = {"notify_api_key": key or " ", "notify_template_id": network.TEMPLATE, "notify_api": "http://127.0.0.1:1"}

    with pytest.raises(BadSettings, match="NOTIFY_API_KEY") as refused:
        Notify(Settings.model_validate(given))

    assert not key or key not in str(refused.value)


def test_a_key_without_a_template_is_half_set() -> None:
    with pytest.raises(BadSettings, match="NOTIFY_TEMPLATE_ID"):
        Notify(Settings.model_validate({"notify_api_key": KEY, "notify_api": "http://127.0.0.1:1"}))


async def test_a_clock_that_is_wrong_is_refused_as_an_account_that_is(story: Night) -> None:
    notifier = Notify(story.settings, lambda: datetime(2020, 1, 1, tzinfo=UTC))

    with pytest.raises(DeliveryError) as refused:
        await notifier.send(ADA, "Nightlight", attempt=uuid4(), valid_seconds=60)

    await notifier.close()
    assert (refused.value.reason, refused.value.code) == (Reason.NOT_ALLOWED, "403 AuthError")


async def test_a_text_is_the_templates_one_field_and_carries_our_own_id(story: Night) -> None:
    page, reference = await story.open_page()

    await story.round()
    await story.round()

    text = await story.phone.expects_soon(ADA, reference)
    [_, attempt] = await story.attempts(page)
    assert text.reference == str(attempt.attempt)
    assert attempt.provider_id == text.sid
    assert text.body.startswith(f"Nightlight {reference}: new moment at a custody suite (Islington team). Reply 1")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 500, 502, 301])
@pytest.mark.parametrize("error", ["", "BadRequestError", "a-new-word", "é" * 100])
def test_every_refusal_is_read_even_one_that_is_new_to_us(status: int, error: str) -> None:
    problem = read_refusal(status, error)

    assert problem.certain is (status < 500)
    assert problem.code is not None
    assert len(problem.code) <= 64


@pytest.mark.parametrize(
    ("mode", "state", "reason"),
    [
        (Mode.DELIVER, "delivered", None),
        (Mode.UNDELIVERED, "undelivered", "phone-unreachable"),
        (Mode.FAILED, "failed", "provider-fault"),
        (Mode.TWICE, "delivered", None),
        (Mode.EARLY, "delivered", None),
        (Mode.REORDERED, "delivered", None),
    ],
)
async def test_receipts_move_their_attempt_however_they_come(
    story: Night, mode: Mode, state: str, reason: str | None
) -> None:
    story.phone.behave(mode, ADA, provider=NOTIFY)
    page, _ = await story.open_page()

    await story.round()
    await story.round()

    async def settled() -> bool:
        return [one.state for one in await story.attempts(page) if one.provider == NOTIFY][:1] == [state]

    await eventually(settled, lambda: story.states(page))
    [attempt] = [one for one in await story.attempts(page) if one.provider == NOTIFY][:1]
    assert attempt.reason == reason
    assert {code for _, code in story.phone.callbacks} == {204}


async def test_a_receipt_without_our_token_is_refused_and_moves_nothing(story: Night) -> None:
    body = {"id": str(uuid4()), "reference": str(uuid4()), "status": "delivered"}

    answers = [
        await network.post(story.phone, "/notify/status", body, token=token)
        for token in ("another", CALLBACK_TOKEN[:-1])
    ]

    assert answers == [403, 403]
    async with story.engine.connect() as connection:
        assert not list(await connection.execute(select(receipts)))


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {CALLBACK_TOKEN}", 204),
        (f"bearer {CALLBACK_TOKEN}", 204),
        (f"Basic {CALLBACK_TOKEN}", 403),
        (CALLBACK_TOKEN, 403),
        ("Bearer", 403),
        (f"Bearer {CALLBACK_TOKEN}x", 403),
    ],
)
async def test_only_our_bearer_token_counts(story: Night, header: str, status: int) -> None:
    async with httpx2.AsyncClient(verify=authorities(), trust_env=False) as http:
        answer = await http.post(
            f"{story.settings.base_url}/notify/status",
            json={"id": "1", "status": "delivered"},
            headers={"Authorization": header},
        )

    assert answer.status_code == status


async def test_where_no_token_is_set_nothing_is_taken(database_url: str) -> None:
    async with night(database_url) as story:
        answers = [
            await network.post(story.phone, "/notify/status", {"id": "1"}, token=token) for token in ("x", "None")
        ]

    assert answers == [403, 403]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"id": 7, "status": "delivered"},
        {"id": "1"},
        {"id": "", "status": "x"},
        {"id": "\x00", "status": "x"},
        "text",
        None,
    ],
)
async def test_what_notify_never_sends_is_refused(story: Night, body: Any) -> None:
    assert await network.post(story.phone, "/notify/status", body) == 400


async def test_a_reply_through_notify_accepts_and_is_answered_by_a_text_through_notify(story: Night) -> None:
    page, reference = await story.open_page()
    await story.round()
    await story.round()

    status = await network.reply(story.phone, ADA, "1")

    answer = await story.phone.expects_soon(ADA, reference, "accepted by you")
    assert (status, answer.provider) == (204, NOTIFY)
    row = await story.page(page)
    assert (row.state, row.accepted_by, row.accepted_via) == ("accepted", "ada", "reply")


async def test_a_reply_that_is_told_again_changes_nothing(story: Night) -> None:
    page, reference = await story.open_page()
    await story.round()
    await story.round()

    for _ in range(2):
        await network.reply(story.phone, ADA, "2", id="5b1e7a54-0000-4000-8000-00000000aaaa")
    await story.round()

    assert [one.step for one in await story.attempts(page) if one.person == "ada"] == [1, 1]
    assert len([text for text in story.phone.rang(ADA) if "passed on by you" in text.body]) <= 2
    assert reference


async def test_an_answer_that_notify_cannot_send_goes_through_twilio(story: Night) -> None:
    _, reference = await story.open_page()
    await story.round()
    await story.round()
    story.phone.behave(Mode.DELIVER, provider=TWILIO)
    story.phone.behave(Mode.TOO_MANY, provider=NOTIFY)

    await network.reply(story.phone, ADA, "1")

    answer = await story.phone.expects_soon(ADA, reference, "accepted by you")
    assert answer.provider == TWILIO


async def test_a_stranger_is_answered_neutrally(story: Night) -> None:
    await network.reply(story.phone, STRANGER, "1")

    text = await story.phone.expects_soon(STRANGER)
    assert text.body == "This number does not take messages."


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("447700900001", ADA),
        ("07700900001", ADA),
        ("+44 7700 900001", ADA),
        ("15555550100", "+15555550100"),
        ("Vodafone", "Vodafone"),
        ("", ""),
    ],
)
def test_a_number_as_notify_writes_it_is_read(said: str, meant: str) -> None:
    assert number(said) == meant


@given(st.text(max_size=30))
def test_any_number_is_read_or_left_as_it_is(said: str) -> None:
    assert number(said) == said or number(said).startswith("+")


def test_every_status_that_is_final_is_one_of_ours() -> None:
    final = {AttemptState.DELIVERED, AttemptState.UNDELIVERED, AttemptState.FAILED}

    assert {word for word, (state, _) in STATUSES.items() if state in final} == {
        "delivered",
        "permanent-failure",
        "temporary-failure",
        "technical-failure",
    }
    assert json.dumps(sorted(STATUSES))
