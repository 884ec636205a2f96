"""Stories of a night: from a page that is written until somebody has accepted, over a network that fails in every known way."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from embedded.phone import Mode
from schemas.pages import Channel, Role, Step
from store import answers
from tests.pager_cast import ADA, BEN, MO, NIGHT, PLAN, STRANGER, Night, eventually, night


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url) as begun:
        yield begun


async def test_the_worker_on_call_has_a_text_with_the_contracts_words_and_accepts_by_one(story: Night) -> None:
    page, reference = await story.open_page()

    await story.round()
    text = await story.phone.expects_soon(ADA, reference)
    answer = await story.phone.reply(ADA, "1")

    start = f"Nightlight {reference}: new moment at a custody suite (Islington team). Reply 1 to accept, 2 to pass on. "
    assert text.body.startswith(f"{start}{story.settings.base_url}/p/")
    assert answer is not None
    assert answer.startswith(f"Nightlight {reference}: accepted by you. Sign in for who and where")
    assert ((await story.page(page)).state, (await story.page(page)).accepted_by) == ("accepted", "ada")
    story.phone.refuse_unexpected()


async def test_the_clocks_of_a_page_are_read(story: Night) -> None:
    page, _ = await story.open_page()
    labels = {"type": "nightlight.arrest.v1", "authority": "E09000019"}

    await story.round()
    await story.until_states(page, "delivered")
    story.watch.later(seconds=40)
    await story.phone.reply(ADA, "1")
    story.watch.later(minutes=20)
    await story.phone.reply(ADA, "done")

    assert story.count("nightlight_received_to_sent_seconds_sum", **labels) == 2
    assert story.count("nightlight_sent_to_accepted_seconds_sum", **labels) == 40
    assert story.count("nightlight_accepted_to_contact_seconds_sum", **labels) == 20 * 60
    assert story.count("nightlight_sent_to_delivered_seconds_count", channel="sms", provider="twilio") == 1
    assert story.count("nightlight_attempts_total", channel="sms", provider="twilio", outcome="delivered") == 1
    assert (await story.page(page)).contact_at is not None


async def test_when_nobody_answers_each_step_begins_on_time_and_the_last_repeats(story: Night) -> None:
    page, reference = await story.open_page()

    await story.round()
    await story.rounds(540, every=20)

    begun = [(one.person, one.round, one.due_at - NIGHT) for one in await story.attempts(page)]
    assert [(person, number) for person, number, _ in begun] == [("ada", 1), ("ben", 1), ("mo", 1), ("mo", 2)]
    assert [after.total_seconds() for _, _, after in begun] == [0, 120, 240, 540]
    assert {text.body.split(":")[0] for text in story.phone.texts} == {f"Nightlight {reference}"}


async def test_a_phone_that_is_off_moves_the_page_to_the_next_person_at_once(story: Night) -> None:
    story.phone.behave(Mode.UNDELIVERED, ADA)
    page, reference = await story.open_page()

    await story.round()
    await story.until_states(page, "undelivered", person="ada")
    story.watch.later(seconds=1)
    await story.round()
    await story.round()

    await story.phone.expects_soon(BEN, reference)
    [ada] = await story.attempts(page, person="ada")
    assert (ada.reason, ada.provider_code, ada.acted_on) == ("phone-unreachable", "30003", True)


async def test_a_text_without_a_receipt_for_a_minute_moves_the_page_once(story: Night) -> None:
    story.phone.behave(Mode.SILENT, ADA)
    page, reference = await story.open_page()
    await story.round()

    await story.rounds(59)
    before = len(story.phone.rang(BEN))
    await story.rounds(5)

    assert before == 0
    await story.phone.expects_soon(BEN, reference)
    assert len(await story.attempts(page)) == 2


async def test_a_failure_that_comes_late_does_not_move_the_page_a_second_time(story: Night) -> None:
    story.phone.behave(Mode.SENT_ONLY, ADA)
    page, _ = await story.open_page()
    await story.round()
    await story.until_states(page, "sent")
    await story.rounds(62, every=2)

    await story.phone.send_receipt(story.phone.rang(ADA)[0], "undelivered", "30003")
    await story.rounds(10)

    assert [(one.person, one.state) for one in await story.attempts(page)][:1] == [("ada", "undelivered")]
    assert len(await story.attempts(page)) == 2


async def test_two_passes_the_page_on_now(story: Night) -> None:
    page, reference = await story.open_page()
    await story.round()

    answer = await story.phone.reply(ADA, "2")
    await story.round()
    await story.round()

    assert answer == f"Nightlight {reference}: passed on by you. We go on until somebody accepts."
    await story.phone.expects_soon(BEN, reference)
    assert (await story.page(page)).step == 2


@pytest.mark.parametrize(("mode", "within"), [(Mode.TOO_MANY, 6), (Mode.INVALID, 3), (Mode.FAULT, 15)])
async def test_a_provider_that_refuses_moves_the_page_to_the_next_person(story: Night, mode: Mode, within: int) -> None:
    story.phone.behave(mode, ADA)
    _, reference = await story.open_page()

    await story.round()
    await story.rounds(within)

    await story.phone.expects_soon(BEN, reference, within=1)
    assert story.phone.rang(ADA) == []


async def test_an_answer_that_leaves_it_open_is_kept_with_its_code(story: Night) -> None:
    story.phone.behave(Mode.FAULT, ADA)
    page, _ = await story.open_page()

    await story.round()
    await story.rounds(4)

    first = (await story.attempts(page))[0]
    assert (first.state, first.reason, first.provider_code) == ("unknown", "provider-fault", "20500")


async def test_a_provider_that_was_busy_for_a_moment_is_asked_again_for_the_same_person(story: Night) -> None:
    story.phone.behave(Mode.TOO_MANY, ADA)
    page, reference = await story.open_page()
    await story.round()

    story.phone.behave(Mode.DELIVER, ADA)
    await story.rounds(4)

    await story.phone.expects_soon(ADA, reference)
    assert [(one.person, one.state) for one in await story.attempts(page)] == [("ada", "failed"), ("ada", "delivered")]


async def test_a_provider_that_fails_for_everybody_is_tried_until_it_is_back_without_a_storm(story: Night) -> None:
    story.phone.behave(Mode.FAULT)
    _, reference = await story.open_page()
    await story.round()
    await story.rounds(100)
    during = story.phone.requests

    story.phone.behave(Mode.DELIVER)
    await story.rounds(40)

    assert during < 60
    await story.phone.expects_soon(MO, reference)


async def test_a_lost_answer_is_settled_by_the_receipt_and_one_text_goes_out(story: Night) -> None:
    story.phone.behave(Mode.LOST_REPLY, ADA)
    page, _ = await story.open_page()

    await story.round()
    await story.until_states(page, "delivered")
    await story.rounds(30)

    assert len(story.phone.rang(ADA)) == 1
    assert (await story.page(page)).step == 1


async def test_a_lost_answer_without_a_receipt_is_looked_up_and_one_text_goes_out(story: Night) -> None:
    story.phone.behave(Mode.LOST_SILENT, ADA)
    page, _ = await story.open_page()

    await story.round()
    await story.rounds(20)

    assert len(story.phone.rang(ADA)) == 1
    [attempt] = await story.attempts(page, person="ada")
    assert (attempt.state, attempt.provider_id) == ("sent", story.phone.rang(ADA)[0].sid)


@pytest.mark.parametrize("mode", [Mode.TWICE, Mode.REORDERED, Mode.EARLY])
async def test_receipts_that_come_twice_or_out_of_order_or_early_end_in_delivered(story: Night, mode: Mode) -> None:
    story.phone.behave(mode, ADA)
    page, _ = await story.open_page()

    await story.round()
    await story.until_states(page, "delivered")

    async def all_said() -> bool:
        return len(story.phone.callbacks) == (6 if mode is Mode.TWICE else 3)

    await eventually(all_said)
    assert {status for _, status in story.phone.callbacks} == {204}
    assert await story.states(page) == ["delivered"]
    assert (
        story.count("nightlight_received_to_sent_seconds_count", type="nightlight.arrest.v1", authority="E09000019")
        == 1
    )


async def test_a_slow_provider_does_not_hold_up_anybody_else(story: Night) -> None:
    story.phone.behave(Mode.SLOW, ADA, seconds=3)
    slow, _ = await story.open_page()
    [step] = (Step(step=1, role=Role.BACKUP, channels=(Channel.SMS,), wait_seconds=120),)
    quick, reference = await story.open_page(plan=[step])

    await story.pager.round()

    await story.phone.expects_soon(BEN, reference, within=1.5)
    await story.until_states(quick, "delivered")
    await story.pager.idle()
    assert (await story.page(slow)).state == "open"


async def test_one_who_accepts_ends_it_for_everybody_who_was_told(story: Night) -> None:
    page, reference = await story.open_page()
    await story.round()
    await story.phone.expects_soon(ADA, reference)
    await story.rounds(122, every=61)
    await story.round()
    await story.phone.expects_soon(BEN, reference)

    await story.phone.reply(BEN, f"{reference} accept")
    await story.round()

    taken = await story.phone.expects_soon(ADA, "somebody else has accepted")
    assert reference in taken.body
    assert await story.phone.reply(ADA, "1") == taken.body
    await story.rounds(400, every=50)
    story.phone.refuse_unexpected()
    assert (await story.page(page)).accepted_by == "ben"


async def test_of_two_who_accept_at_once_one_has_it_and_the_other_is_told(story: Night) -> None:
    page, reference = await story.open_page()
    await story.round()
    await story.rounds(122, every=61)
    await story.round()
    await story.phone.expects_soon(BEN, reference)

    said = await asyncio.gather(story.phone.reply(ADA, "1"), story.phone.reply(BEN, "1"))

    assert sorted("accepted by you" in (one or "") for one in said) == [False, True]
    assert sorted("somebody else has accepted" in (one or "") for one in said) == [False, True]
    assert (await story.page(page)).state == "accepted"


async def test_a_page_that_was_taken_before_its_text_left_is_not_sent(story: Night) -> None:
    page, _ = await story.open_page()
    async with story.engine.begin() as connection:
        await answers.accept(connection, page, "ben", via="desk", at=story.watch())

    await story.round()

    assert story.phone.texts == []
    assert await story.states(page, purpose="page") == ["dropped"]


async def test_with_two_open_a_bare_one_is_asked_which_and_a_reference_decides(story: Night) -> None:
    first, one = await story.open_page()
    second, two = await story.open_page()
    await story.round()

    asked = await story.phone.reply(ADA, "1")
    await story.phone.reply(ADA, f"{two.lower()} 1")

    assert asked is not None
    assert "which one?" in asked
    assert one in asked
    assert two in asked
    assert [(await story.page(page)).state for page in (first, second)] == ["open", "accepted"]


async def test_a_reply_told_again_has_the_same_answer_and_changes_nothing(story: Night) -> None:
    await story.open_page()
    await story.round()
    sid = "SM" + "1" * 32

    first = await story.phone.reply(ADA, "1", sid=sid)
    story.watch.later(hours=1)
    again = await story.phone.reply(ADA, "1", sid=sid)

    assert first == again


async def test_a_number_that_is_not_on_the_list_learns_nothing_and_accepts_nothing(story: Night) -> None:
    page, reference = await story.open_page()
    await story.round()

    answer = await story.phone.reply(STRANGER, f"{reference} 1")

    assert answer == "This number does not take messages."
    assert (await story.page(page)).state == "open"


async def test_one_who_was_not_paged_does_not_accept_by_reference(story: Night) -> None:
    page, reference = await story.open_page()
    await story.round()

    answer = await story.phone.reply(MO, f"{reference} 1")

    assert answer == "Nightlight: no page of yours has that reference."
    assert (await story.page(page)).state == "open"


async def test_stop_from_a_phone_on_call_reaches_the_manager_and_moves_its_pages_on(story: Night) -> None:
    page, reference = await story.open_page()
    await story.round()

    answer = await story.phone.reply(ADA, "STOP")
    await story.round()
    await story.round()

    assert answer is None
    told = await story.phone.expects_soon(MO, "opted out")
    assert "Islington team" in told.body
    await story.phone.expects_soon(BEN, reference)
    assert (await story.page(page)).step == 2


async def test_start_lifts_a_stop(story: Night) -> None:
    await story.phone.reply(ADA, "stop")

    answer = await story.phone.reply(ADA, "START")
    _, reference = await story.open_page()
    await story.round()

    assert answer == "Nightlight: you can be paged again."
    await story.phone.expects_soon(ADA, reference)


async def test_a_channel_that_is_not_set_up_gives_way_to_the_next_of_the_same_person(story: Night) -> None:
    both = PLAN[0].model_copy(update={"channels": (Channel.WEBHOOK, Channel.SMS)})
    page, reference = await story.open_page(plan=[both, *PLAN[1:]])

    for _ in range(3):
        await story.round()

    await story.phone.expects_soon(ADA, reference)
    assert [(one.channel, one.reason) for one in await story.attempts(page)] == [
        ("webhook", "channel-not-set-up"),
        ("sms", None),
    ]


async def test_the_gauges_say_what_is_open_and_what_nobody_has_answered(story: Night) -> None:
    await story.open_page()
    answered, _ = await story.open_page()
    async with story.engine.begin() as connection:
        await answers.accept(connection, answered, "ben", via="desk", at=story.watch())

    await story.round()

    assert story.count("nightlight_moments_open", authority="E09000019") == 2
    assert story.count("nightlight_moments_unanswered", authority="E09000019") == 1
