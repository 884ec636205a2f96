"""Calls: what a person hears, what a key does, and that nothing but a key accepts."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from embedded.calls import VOICE, Ring
from embedded.phone import Mode
from notifiers.voice import LONGEST_CALL, RING_SECONDS
from schemas.pages import Channel, Purpose
from store import answers, sending, timeline
from store.phones import phones
from store.receipts import receipts
from tests.pager_cast import ADA, BEN, NIGHT, PLAN, Night, eventually, night

CALLED = [step.model_copy(update={"channels": (Channel.VOICE,)}) for step in PLAN]
THEN_TEXTED = [PLAN[0].model_copy(update={"channels": (Channel.VOICE, Channel.SMS)}), *PLAN[1:]]


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url) as begun:
        yield begun


def spelt(reference: str) -> str:
    return ", ".join(reference)


async def test_a_call_says_the_reference_letter_by_letter_and_one_accepts(story: Night) -> None:
    page, reference = await story.open_page(plan=CALLED)
    await story.round()
    call = story.phone.newest_call(ADA)

    heard = await story.phone.press(ADA, "1")

    assert call.heard[0] == (
        f"This is Nightlight, for the Islington team. Page {spelt(reference)}: new moment at a custody suite. "
        "Press 1 to accept. Press 2 to pass on."
    )
    assert heard.startswith(f"Page {spelt(reference)} is accepted by you.")
    row = await story.page(page)
    assert (row.state, row.accepted_by, row.accepted_via) == ("accepted", "ada", "call")
    assert (await story.states(page), call.status) == (["delivered"], "completed")
    assert story.count("nightlight_sent_to_delivered_seconds_count", channel="voice", provider="twilio") == 1


async def test_a_call_rings_for_a_short_time_and_twilio_listens_for_a_machine_meanwhile(story: Night) -> None:
    await story.open_page(plan=CALLED)

    await story.round()

    asked = story.phone.newest_call(ADA).asked
    assert (asked["Timeout"], asked["TimeLimit"]) == (str(RING_SECONDS), str(LONGEST_CALL))
    assert (asked["MachineDetection"], asked["AsyncAmd"]) == ("Enable", "true")


async def test_two_passes_on_to_the_next_person_now(story: Night) -> None:
    page, reference = await story.open_page(plan=CALLED)
    await story.round()

    heard = await story.phone.press(ADA, "2")
    await story.round()
    await story.round()

    assert heard == f"Page {spelt(reference)} is passed on. We go on until somebody accepts. Goodbye."
    assert (await story.page(page)).step == 2
    assert story.phone.newest_call(BEN).is_asking()


async def test_another_key_hears_it_again(story: Night) -> None:
    page, _ = await story.open_page(plan=CALLED)
    await story.round()

    heard = await story.phone.press(ADA, "7")
    then = await story.phone.press(ADA, "1")

    assert heard.startswith("Sorry, that key means nothing here. This is Nightlight")
    assert "accepted by you" in then
    assert (await story.page(page)).state == "accepted"
    async with story.engine.connect() as connection:
        lines = (await timeline.of_page(connection, page)).lines
    pressed = {(line.who, line.detail["code"]) for line in lines if line.what == "key-pressed"}
    assert pressed == {("ada (Ada)", "7"), ("ada (Ada)", "1")}


@pytest.mark.parametrize(
    ("how", "state", "reason"),
    [
        (Ring.BUSY, "undelivered", "busy"),
        (Ring.NO_ANSWER, "undelivered", "not-picked-up"),
        (Ring.FAILED, "failed", "phone-unreachable"),
        (Ring.MACHINE, "undelivered", "answered-by-a-machine"),
    ],
)
async def test_a_call_that_reaches_nobody_moves_on_at_once(story: Night, how: Ring, state: str, reason: str) -> None:
    story.phone.rings(how, ADA)
    page, reference = await story.open_page(plan=THEN_TEXTED)

    await story.round()
    await story.round()
    await story.round()

    await story.phone.expects_soon(ADA, reference, "Reply 1")
    [call, _] = await story.attempts(page, person="ada")
    assert (call.state, call.reason) == (state, reason)
    assert (await story.page(page)).state == "open"


async def test_a_call_that_ends_without_a_key_moves_on_at_once(story: Night) -> None:
    page, reference = await story.open_page(plan=THEN_TEXTED)
    await story.round()

    await story.phone.hang_up(ADA)
    await story.round()
    await story.round()

    await story.phone.expects_soon(ADA, reference, "Reply 1")
    [call, _] = await story.attempts(page, person="ada")
    assert (call.state, call.reason) == ("undelivered", "no-key-pressed")


async def test_a_person_who_was_taken_for_a_machine_is_heard_all_the_same(story: Night) -> None:
    page, _ = await story.open_page(plan=CALLED)
    await story.round()
    call = story.phone.newest_call(ADA)
    fields = {"CallSid": call.sid, "AccountSid": story.phone.account, "AnsweredBy": "machine_start"}
    assert call.machine_callback is not None

    await story.phone.post(call.machine_callback, fields)
    await story.phone.press(ADA, "1")

    assert await story.states(page) == ["undelivered"]
    assert (await story.page(page)).accepted_by == "ada"


async def test_to_a_machine_that_twilio_knows_before_it_asks_nothing_is_said(story: Night) -> None:
    story.phone.behave(Mode.SILENT, ADA, provider=VOICE)
    page, _ = await story.open_page(plan=CALLED)
    await story.round()
    call = story.phone.newest_call(ADA)

    answer = await story.phone.post(call.url, {"CallSid": call.sid, "AnsweredBy": "machine_end_beep"})

    assert "<Hangup" in answer.text
    assert "<Say" not in answer.text
    assert await story.states(page) == ["undelivered"]


async def test_whoever_picks_up_after_somebody_else_has_accepted_is_told_so(story: Night) -> None:
    story.phone.behave(Mode.SILENT, ADA, provider=VOICE)
    page, reference = await story.open_page(plan=CALLED)
    await story.round()
    call = story.phone.newest_call(ADA)
    async with story.engine.begin() as connection:
        await answers.accept(connection, page, "ben", via="desk", at=story.watch())

    answer = await story.phone.post(call.url, {"CallSid": call.sid, "AccountSid": story.phone.account})

    assert f"Somebody else has accepted page {spelt(reference)}." in answer.text
    assert "<Gather" not in answer.text


async def test_a_key_that_is_told_twice_accepts_once(story: Night) -> None:
    page, _ = await story.open_page(plan=CALLED)
    await story.round()
    call = story.phone.newest_call(ADA)
    keys_to = call.keys_to
    assert keys_to is not None
    fields = {"CallSid": call.sid, "Digits": "1"}

    first = await story.phone.post(keys_to, fields)
    story.watch.later(seconds=5)
    again = await story.phone.post(keys_to, fields)

    assert "is accepted by you" in first.text
    assert "You have accepted page" in again.text
    assert (await story.page(page)).accepted_at == NIGHT


async def test_receipts_of_a_call_in_any_order_never_take_back_a_key(story: Night) -> None:
    page, _ = await story.open_page(plan=CALLED)
    await story.round()
    call = story.phone.newest_call(ADA)
    await story.phone.press(ADA, "1")
    assert call.callback is not None

    for status in ("completed", "ringing", "no-answer", "initiated", "queued", "a-new-word"):
        answer = await story.phone.post(call.callback, {"CallSid": call.sid, "CallStatus": status})
        assert answer.status_code == 204

    assert await story.states(page) == ["delivered"]
    async with story.engine.connect() as connection:
        kept = set(await connection.scalars(select(receipts.c.status).where(receipts.c.provider_id == call.sid)))
    assert {"initiated", "ringing", "in-progress", "key", "completed", "a-new-word"} <= kept


async def test_receipts_before_the_answer_to_the_pager_find_their_call(story: Night) -> None:
    story.phone.behave(Mode.EARLY, ADA, provider=VOICE)
    story.phone.rings(Ring.BUSY, ADA)
    page, _ = await story.open_page(plan=CALLED)

    await story.round()

    assert await story.states(page, person="ada") == ["undelivered"]


async def test_a_lost_answer_about_a_call_is_settled_by_its_receipts_and_it_rings_once(story: Night) -> None:
    story.phone.behave(Mode.LOST_REPLY, ADA, provider=VOICE)
    page, _ = await story.open_page(plan=CALLED)

    await story.round()
    await story.rounds(30)

    assert len(story.phone.calls) == 1
    assert await story.states(page) == ["sent"]


@pytest.mark.parametrize("path", ["voice", "key", "call", "machine"])
async def test_what_twilio_has_not_signed_is_refused_and_does_nothing(story: Night, path: str) -> None:
    page, _ = await story.open_page(plan=CALLED)
    await story.round()
    [attempt] = await story.attempts(page)
    fields = {"CallSid": attempt.provider_id, "Digits": "1", "CallStatus": "completed", "AnsweredBy": "machine_start"}
    url = f"{story.settings.base_url}/twilio/{path}?attempt={attempt.attempt}"

    answer = await story.phone.post(url, fields, signature="bm90IGl0")

    assert (answer.status_code, answer.json()) == (403, {"detail": "Forbidden"})
    assert ((await story.page(page)).state, await story.states(page)) == ("open", ["sent"])


@pytest.mark.parametrize("attempt", ["3a95dcc5-b998-456d-b360-ae03ccb9e902", "not-an-id", ""])
async def test_a_call_that_is_not_ours_is_told_nothing(story: Night, attempt: str) -> None:
    await story.open_page(plan=CALLED)
    url = f"{story.settings.base_url}/twilio"

    said = [
        await story.phone.post(f"{url}/{path}?attempt={attempt}", {"CallSid": "CA404", "Digits": "1"})
        for path in ("voice", "key")
    ]

    assert {answer.status_code for answer in said} == {200}
    assert all("There is nothing for you to do" in answer.text and "Page" not in answer.text for answer in said)


async def test_a_key_in_another_call_than_ours_does_nothing(story: Night) -> None:
    page, _ = await story.open_page(plan=CALLED)
    await story.round()
    [attempt] = await story.attempts(page)
    url = f"{story.settings.base_url}/twilio/key?attempt={attempt.attempt}"

    await story.phone.post(url, {"CallSid": "CA-another", "Digits": "1"})

    assert (await story.page(page)).state == "open"


async def test_a_phone_is_tested_by_a_call_and_a_key_proves_it(story: Night) -> None:
    async with story.engine.begin() as connection:
        about = {"team": "Islington", "about": "test/ada", "channel": Channel.VOICE}
        await sending.add(connection, purpose=Purpose.TEST, person="ada", at=NIGHT, **about)
    await story.round()

    heard = await story.phone.press(ADA, "1")

    async def proven() -> bool:
        async with story.engine.connect() as connection:
            return await connection.scalar(select(phones.c.proven_at).where(phones.c.person == "ada")) == NIGHT

    await eventually(proven)
    assert story.phone.newest_call(ADA).heard[0].startswith("This is Nightlight. It is a test of this telephone.")
    assert heard == "Thank you. Goodbye."
