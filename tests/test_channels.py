"""Every channel keeps the same promises (`notifiers.channel.Notifier`), against a stand-in that speaks its protocol over the wire."""

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest

from embedded.behaviour import CHAT, EVERYBODY, TWILIO
from embedded.calls import VOICE
from embedded.mail import SMTP
from embedded.notify import NOTIFY
from embedded.phone import Mode, Phone, phone_serving
from embedded.server import choose_port
from notifiers import email, notify, sms, voice, webhook
from notifiers.channel import DeliveryError, Notifier, Reason
from notifiers.providers import names, set_up
from schemas.pages import Channel
from schemas.settings import Settings
from tests.pager_cast import ADA, settings_for

ATTEMPT = UUID(int=7)
TEXT = "Nightlight K7Q4: new moment"
LATE = Reason.NO_ANSWER, False, False, None


@dataclass(frozen=True)
class Way:
    """One channel of one provider. `to` is whom it reaches; `faults` what each way of failing becomes: reason, permanent, certain, code."""

    name: str
    to: str
    faults: dict[Mode, tuple[Reason, bool, bool, str | None]]
    address: str


WAYS = {
    "sms by twilio": Way(
        TWILIO,
        ADA,
        {
            Mode.TOO_MANY: (Reason.TOO_MANY, False, True, "20429"),
            Mode.FAULT: (Reason.PROVIDER_FAULT, False, False, "20500"),
            Mode.INVALID: (Reason.NUMBER_NOT_VALID, True, True, "21211"),
            Mode.OPTED_OUT: (Reason.OPTED_OUT, True, True, "21610"),
            Mode.LOST_REPLY: LATE,
        },
        "twilio_api",
    ),
    "voice by twilio": Way(
        VOICE,
        ADA,
        {
            Mode.TOO_MANY: (Reason.TOO_MANY, False, True, "20429"),
            Mode.FAULT: (Reason.PROVIDER_FAULT, False, False, "20500"),
            Mode.INVALID: (Reason.NUMBER_NOT_VALID, True, True, "21211"),
            Mode.LOST_SILENT: LATE,
        },
        "twilio_api",
    ),
    "sms by notify": Way(
        NOTIFY,
        ADA,
        {
            Mode.TOO_MANY: (Reason.TOO_MANY, False, True, "429 RateLimitError"),
            Mode.FAULT: (Reason.PROVIDER_FAULT, False, False, "500 Exception"),
            Mode.INVALID: (Reason.NUMBER_NOT_VALID, True, True, "400 ValidationError"),
            Mode.OPTED_OUT: (Reason.NOT_ALLOWED, True, True, "400 BadRequestError"),
            Mode.LOST_REPLY: LATE,
        },
        "notify_api",
    ),
    "email by smtp": Way(
        SMTP,
        "ada@example.org",
        {
            Mode.TOO_MANY: (Reason.TOO_MANY, False, True, "450"),
            Mode.FAULT: (Reason.PROVIDER_FAULT, False, True, "451"),  # a mail server that refuses has refused
            Mode.INVALID: (Reason.ADDRESS_NOT_VALID, True, True, "550"),
            Mode.OPTED_OUT: (Reason.BLOCKED, True, True, "554"),
            Mode.LOST_REPLY: LATE,
        },
        "smtp_url",
    ),
    "webhook by chat": Way(
        CHAT,
        "Islington",
        {
            Mode.TOO_MANY: (Reason.TOO_MANY, False, True, "429"),
            Mode.FAULT: (Reason.PROVIDER_FAULT, False, False, "500"),
            Mode.INVALID: (Reason.NOT_ALLOWED, True, True, "404"),
            Mode.OPTED_OUT: (Reason.NOT_ALLOWED, True, True, "410"),
            Mode.LOST_REPLY: LATE,
        },
        "webhook_urls",
    ),
}
FAULTS = [pytest.param(way, mode, id=f"{way}: {mode}") for way, each in WAYS.items() for mode in each.faults]


@pytest.fixture
def phone() -> Iterator[Phone]:
    with phone_serving() as serving:
        yield serving


@pytest.fixture
def settings(phone: Phone) -> Settings:
    return settings_for(phone, 8080, every_channel=True)


@pytest.fixture
async def channels(settings: Settings) -> AsyncIterator[dict[str, Notifier]]:
    made = {f"{notifier.channel} by {notifier.provider}": notifier for notifier in set_up(settings)}
    yield made
    for notifier in made.values():
        await notifier.close()


def taken(phone: Phone) -> int:
    return len(phone.texts) + len(phone.calls) + len(phone.mails) + len(phone.chats)


def test_every_channel_of_a_policy_has_a_notifier_that_is_tested_here(channels: dict[str, Notifier]) -> None:
    assert set(channels) == set(WAYS)
    assert {notifier.channel for notifier in channels.values()} == set(Channel)


def test_the_names_of_providers_stand_in_the_order_in_which_they_are_asked(settings: Settings) -> None:
    made = [(notifier.channel, notifier.provider) for notifier in set_up(settings)]

    named = names(settings)

    assert named[Channel.SMS] == [provider for channel, provider in made if channel is Channel.SMS]
    assert named[Channel.SMS] == ["twilio", "notify"]
    assert named[Channel.VOICE] == ["twilio"]


@pytest.mark.parametrize("way", WAYS)
async def test_it_is_handed_over_once_in_one_request(channels: dict[str, Notifier], phone: Phone, way: str) -> None:
    phone.behave(Mode.SILENT, provider=WAYS[way].name)

    accepted = await channels[way].send(WAYS[way].to, TEXT, attempt=ATTEMPT, valid_seconds=120)

    assert accepted.provider_id
    assert (taken(phone), phone.requests) == (1, 1)


@pytest.mark.parametrize(("way", "mode"), FAULTS)
async def test_every_failure_becomes_one_error(
    channels: dict[str, Notifier], phone: Phone, way: str, mode: Mode
) -> None:
    phone.behave(mode, EVERYBODY, provider=WAYS[way].name)

    with pytest.raises(DeliveryError) as refused:
        await channels[way].send(WAYS[way].to, TEXT, attempt=ATTEMPT, valid_seconds=120)

    error = refused.value
    assert (error.reason, error.permanent, error.certain, error.code) == WAYS[way].faults[mode]


@pytest.mark.parametrize("way", WAYS)
async def test_a_provider_that_hangs_is_left_after_five_seconds(
    channels: dict[str, Notifier], phone: Phone, way: str
) -> None:
    phone.behave(Mode.SLOW, EVERYBODY, seconds=7, provider=WAYS[way].name)
    started = time.monotonic()

    with pytest.raises(DeliveryError) as refused:
        await channels[way].send(WAYS[way].to, TEXT, attempt=ATTEMPT, valid_seconds=120)

    assert 4.5 < time.monotonic() - started < 20
    assert (refused.value.reason, refused.value.certain) == (Reason.NO_ANSWER, False)


@pytest.mark.parametrize("way", WAYS)
async def test_a_provider_that_is_not_there_has_certainly_not_taken_it(settings: Settings, way: str) -> None:
    nobody = f"127.0.0.1:{choose_port('nobody', 0)}"
    addresses = {"smtp_url": f"smtp://{nobody}", "webhook_urls": f"*=http://{nobody}/chat"}
    known = {
        **settings.model_dump(exclude_none=True),
        WAYS[way].address: addresses.get(WAYS[way].address, f"http://{nobody}"),
    }
    [notifier] = [one for one in set_up(Settings.model_validate(known)) if way == f"{one.channel} by {one.provider}"]

    with pytest.raises(DeliveryError) as refused:
        await notifier.send(WAYS[way].to, TEXT, attempt=ATTEMPT, valid_seconds=120)

    await notifier.close()
    assert (refused.value.reason, refused.value.certain, refused.value.permanent) == (Reason.NOT_CONNECTED, True, False)


@pytest.mark.parametrize(
    ("way", "outsider"),
    [
        ("sms by twilio", "+447911123456"),
        ("voice by twilio", "+447911123456"),
        ("sms by notify", "+447911123456"),
        ("email by smtp", "somebody@islington.gov.uk"),
        ("email by smtp", "somebody@example.org.uk"),
        ("email by smtp", "nobody"),
    ],
)
async def test_in_rehearsal_nobody_real_is_ever_reached(
    channels: dict[str, Notifier], phone: Phone, way: str, outsider: str
) -> None:
    with pytest.raises(DeliveryError) as refused:
        await channels[way].send(outsider, TEXT, attempt=ATTEMPT, valid_seconds=120)

    assert refused.value.permanent or outsider == "nobody"
    assert (taken(phone), phone.requests) == (0, 0)


@pytest.mark.parametrize("way", ["voice by twilio", "email by smtp", "webhook by chat"])
async def test_where_no_record_can_be_asked_a_look_up_knows_nothing(
    channels: dict[str, Notifier], phone: Phone, way: str
) -> None:
    found = await channels[way].look_up(
        WAYS[way].to, attempt=ATTEMPT, containing="K7Q4", since=datetime.now(UTC), known=frozenset()
    )

    assert (found, phone.requests) == (None, 0)


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_secret_is_in_what_a_notifier_shows(channels: dict[str, Notifier], way: str) -> None:
    shown = repr(channels[way])

    assert not [secret for secret in ("made-up", "c0de") if secret in shown]


def test_each_table_of_codes_says_for_every_code_whether_it_may_pass() -> None:
    tables = [sms.CODES, voice.CODES, notify.CODES, email.CODES, webhook.STATUSES]

    faults = {Reason.PROVIDER_FAULT, Reason.NOT_CONNECTED}
    assert all(tables)
    assert not [
        code for table in tables for code, (reason, permanent) in table.items() if reason in faults and permanent
    ]
