"""Texts through Twilio's own SDK, over HTTP to a stand-in: what is asked, and every way in which it can fail."""

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from embedded.phone import Mode, Phone, phone_serving
from embedded.server import choose_port
from notifiers.channel import DeliveryError, Reason
from notifiers.sms import CODES, Twilio, read_code
from schemas.settings import Settings
from tests.pager_cast import ADA, BEN, settings_for

ATTEMPT = UUID(int=7)


@pytest.fixture
def phone() -> Iterator[Phone]:
    with phone_serving() as serving:
        yield serving


@pytest.fixture
def settings(phone: Phone) -> Settings:
    return settings_for(phone, 8080)


@pytest.fixture
async def twilio(settings: Settings) -> AsyncIterator[Twilio]:
    notifier = Twilio(settings)
    yield notifier
    await notifier.close()


async def test_a_text_is_one_request_with_our_own_id_in_its_callback(twilio: Twilio, phone: Phone) -> None:
    phone.behave(Mode.SILENT)

    accepted = await twilio.send(ADA, "Nightlight K7Q4", attempt=ATTEMPT, valid_seconds=300)

    [text] = phone.texts
    assert (text.sid, text.to, text.body) == (accepted.provider_id, ADA, "Nightlight K7Q4")
    assert text.callback == f"http://127.0.0.1:8080/twilio/status?attempt={ATTEMPT}"
    assert phone.requests == 1


@pytest.mark.parametrize(("wait", "valid"), [(5, 120), (300, 300), (86_400, 36_000)])
async def test_a_late_text_is_not_delivered_after_its_step(twilio: Twilio, phone: Phone, wait: int, valid: int) -> None:
    phone.behave(Mode.SILENT)

    await twilio.send(ADA, "Nightlight K7Q4", attempt=ATTEMPT, valid_seconds=wait)

    assert phone.texts[0].validity == valid


@pytest.mark.parametrize(
    ("mode", "reason", "permanent", "certain", "code"),
    [
        (Mode.TOO_MANY, Reason.TOO_MANY, False, True, "20429"),
        (Mode.FAULT, Reason.PROVIDER_FAULT, False, False, "20500"),
        (Mode.INVALID, Reason.NUMBER_NOT_VALID, True, True, "21211"),
        (Mode.OPTED_OUT, Reason.OPTED_OUT, True, True, "21610"),
        (Mode.LOST_SILENT, Reason.NO_ANSWER, False, False, None),
    ],
)
async def test_every_refusal_becomes_one_error(
    twilio: Twilio, phone: Phone, mode: Mode, reason: Reason, permanent: bool, certain: bool, code: str | None
) -> None:
    phone.behave(mode)

    with pytest.raises(DeliveryError) as refused:
        await twilio.send(ADA, "Nightlight K7Q4", attempt=ATTEMPT, valid_seconds=120)

    error = refused.value
    assert (error.reason, error.permanent, error.certain, error.code) == (reason, permanent, certain, code)


async def test_a_provider_that_hangs_is_left_after_five_seconds(twilio: Twilio, phone: Phone) -> None:
    phone.behave(Mode.SLOW, seconds=7)
    started = time.monotonic()

    with pytest.raises(DeliveryError) as refused:
        await twilio.send(ADA, "Nightlight K7Q4", attempt=ATTEMPT, valid_seconds=120)

    assert 4.5 < time.monotonic() - started < 20
    assert (refused.value.reason, refused.value.certain) == (Reason.NO_ANSWER, False)


async def test_a_provider_that_is_not_there_has_certainly_not_taken_it(settings: Settings) -> None:
    nobody = settings.model_copy(update={"twilio_api": f"http://127.0.0.1:{choose_port('nobody', 0)}"})
    twilio = Twilio(nobody)

    with pytest.raises(DeliveryError) as refused:
        await twilio.send(ADA, "Nightlight K7Q4", attempt=ATTEMPT, valid_seconds=120)

    await twilio.close()
    assert (refused.value.reason, refused.value.certain, refused.value.permanent) == (Reason.NOT_CONNECTED, True, False)


@pytest.mark.parametrize(
    "number", ["+447911123456", "+447700899999", "+447700901000", "+4477009000011", "447700900001"]
)
async def test_in_rehearsal_nobody_real_is_ever_texted(twilio: Twilio, phone: Phone, number: str) -> None:
    with pytest.raises(DeliveryError) as refused:
        await twilio.send(number, "Nightlight K7Q4", attempt=ATTEMPT, valid_seconds=120)

    assert refused.value.reason is Reason.NOT_A_REHEARSAL_NUMBER
    assert phone.requests == 0


async def test_a_lost_text_is_found_by_its_number_its_reference_and_its_time(twilio: Twilio, phone: Phone) -> None:
    now = datetime.now(UTC)
    earlier = phone.take(ADA, phone.sender, "Nightlight K7Q4: first", None, None)
    phone.take(BEN, phone.sender, "Nightlight K7Q4: to another", None, None)
    phone.take(ADA, phone.sender, "Nightlight M3RT: of another page", None, None)
    lost = phone.take(ADA, phone.sender, "Nightlight K7Q4: lost", None, None)

    found = await twilio.look_up(ADA, attempt=ATTEMPT, containing="K7Q4", since=now, known=frozenset({earlier.sid}))
    later = await twilio.look_up(
        ADA, attempt=ATTEMPT, containing="K7Q4", since=now + timedelta(minutes=1), known=frozenset()
    )

    assert found is not None
    assert found.provider_id == lost.sid
    assert later is None


async def test_the_token_is_not_in_what_the_notifier_shows(twilio: Twilio, settings: Settings) -> None:
    assert "made-up-token" not in repr(settings)
    assert "made-up-token" not in repr(twilio)


@pytest.mark.parametrize("code", ["", "abc", "99999", None])
def test_a_code_that_we_do_not_know_is_a_refusal(code: str | None) -> None:
    assert read_code(code) is Reason.REFUSED


def test_a_fault_on_their_side_may_pass_and_a_bad_number_does_not() -> None:
    passing = {code for code, (_, permanent) in CODES.items() if not permanent}

    assert passing == {20429, 20500, 20503, 21611, 30001, 30003, 30008, 30036}
