"""Two providers of texts: who is asked, what makes the other take over, and how the first comes back."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded.behaviour import TWILIO
from embedded.notify import NOTIFY
from embedded.phone import Mode
from notifiers import failover
from notifiers.channel import PROVIDERS_OWN, Reason
from notifiers.providers import AT_ONCE, SLOW, Providers
from notifiers.weights import QUIET, STEP_EVERY, WHOLE, Standing, after_fault, after_success, at_rest, drift
from schemas.pages import Channel
from store import providers as kept
from tests.pager_cast import ADA, BEN, NIGHT, Night, eventually, night

ORDER = (TWILIO, NOTIFY)
REST = at_rest(ORDER)


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url, every_channel=True) as begun:
        yield begun


def shares(standings: Sequence[Standing]) -> dict[str, int]:
    return {one.provider: one.weight for one in standings}


@pytest.mark.parametrize(
    ("faults", "twilio", "notify"),
    [
        pytest.param([], 100, 0, id="at rest the first has all"),
        pytest.param([(TWILIO, Reason.PROVIDER_FAULT)], 100, 0, id="one error may be a moment's"),
        pytest.param([(TWILIO, Reason.PROVIDER_FAULT)] * 2, 0, 100, id="two errors one after the other"),
        pytest.param([(TWILIO, Reason.NO_ANSWER)], 0, 100, id="any timeout"),
        pytest.param([(TWILIO, Reason.TOO_MANY), (TWILIO, Reason.NOT_CONNECTED)], 0, 100, id="two of different kinds"),
        pytest.param([(NOTIFY, Reason.NO_ANSWER)], 100, 0, id="the one that has nothing"),
        pytest.param([(TWILIO, Reason.NO_ANSWER), (NOTIFY, Reason.NO_ANSWER)], 100, 0, id="both: back to the first"),
    ],
)
def test_what_a_fault_does_to_the_weights(faults: list[tuple[str, Reason]], twilio: int, notify: int) -> None:
    standings = REST
    for seconds, (provider, reason) in enumerate(faults):
        standings = after_fault(standings, provider, reason, NIGHT + timedelta(seconds=seconds))

    assert shares(standings) == {TWILIO: twilio, NOTIFY: notify}


def test_a_success_between_two_errors_means_that_they_do_not_follow_one_another() -> None:
    once = after_fault(REST, TWILIO, Reason.PROVIDER_FAULT, NIGHT)

    standings = after_fault(after_success(once, TWILIO), TWILIO, Reason.PROVIDER_FAULT, NIGHT)

    assert shares(standings) == {TWILIO: 100, NOTIFY: 0}


def test_a_provider_that_is_alone_keeps_everything_whatever_happens() -> None:
    standings = after_fault(at_rest([TWILIO]), TWILIO, Reason.NO_ANSWER, NIGHT)

    assert (shares(standings), standings[0].reason) == ({TWILIO: 100}, "no-answer")


def test_it_drifts_back_by_tenths_once_it_has_been_well_for_half_an_hour() -> None:
    standings, now, seen = after_fault(REST, TWILIO, Reason.NO_ANSWER, NIGHT), NIGHT, []
    while shares(standings) != shares(REST):
        now += timedelta(minutes=1)
        moved = drift(standings, ORDER, now)
        if moved != standings:
            seen.append((now - NIGHT, shares(moved)[TWILIO]))
        standings = moved

    assert seen[0] == (QUIET, 10)
    assert [weight for _, weight in seen] == list(range(10, 101, 10))
    assert seen[-1][0] == QUIET + 9 * STEP_EVERY


def test_a_fault_on_the_way_back_begins_it_anew() -> None:
    standings = drift(after_fault(REST, TWILIO, Reason.NO_ANSWER, NIGHT), ORDER, NIGHT + QUIET)

    again = after_fault(standings, TWILIO, Reason.NO_ANSWER, NIGHT + QUIET)

    assert shares(standings) == {TWILIO: 10, NOTIFY: 90}
    assert shares(again) == {TWILIO: 0, NOTIFY: 100}
    assert drift(again, ORDER, NIGHT + QUIET + STEP_EVERY) == again


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*ORDER, "third"]),
            st.sampled_from([*sorted(PROVIDERS_OWN), "success", "drift"]),
            st.integers(0, 3600),
        ),
        max_size=40,
    )
)
def test_whatever_happens_the_weights_are_of_a_hundred_together(story: list[tuple[str, str, int]]) -> None:
    order = (*ORDER, "third")
    standings, now = at_rest(order), NIGHT
    for provider, what, seconds in story:
        now += timedelta(seconds=seconds)
        if what == "success":
            standings = after_success(standings, provider)
        elif what == "drift":
            standings = drift(standings, order, now)
        else:
            standings = after_fault(standings, provider, Reason(what), now)

        assert sum(shares(standings).values()) == WHOLE
        assert all(weight >= 0 for weight in shares(standings).values())


async def lose_twilio(story: Night) -> None:
    """It has timed out, and this pager knows of it."""
    async with story.engine.begin() as connection:
        await failover.fault(connection, Channel.SMS, TWILIO, Reason.NO_ANSWER, order=ORDER, at=story.watch())
    await story.pager.look()


class Nobody:
    """A notifier that is only there by name."""

    def __init__(self, channel: Channel, provider: str) -> None:
        self.channel, self.provider = channel, provider

    async def send(self, *_: Any, **__: Any) -> Any: ...

    async def look_up(self, *_: Any, **__: Any) -> None: ...

    async def close(self) -> None: ...


def providers(*names: tuple[Channel, str]) -> tuple[Providers, list[float]]:
    """With a clock of their own: what is in the list is the time."""
    time = [0.0]
    made = Providers(
        [Nobody(channel, name) for channel, name in names],
        draw=lambda named, share: max(zip(named, share, strict=True), key=lambda each: each[1])[0],
        seconds=lambda: time[0],
    )
    return made, time


def test_a_provider_that_is_busy_and_quick_is_waited_for_and_no_other_channel_waits() -> None:
    made, _ = providers((Channel.SMS, TWILIO), (Channel.SMS, NOTIFY), (Channel.VOICE, TWILIO))
    for number in range(AT_ONCE):
        made.begin(Channel.SMS, TWILIO, number)

    room = made.room()

    assert (room.full, room.limit) == ((Channel.SMS,), AT_ONCE)
    assert room.drawn[Channel.VOICE] == [TWILIO] * AT_ONCE


def test_behind_a_slow_provider_the_next_attempts_take_another_way() -> None:
    made, time = providers((Channel.SMS, TWILIO), (Channel.SMS, NOTIFY))
    for number in range(AT_ONCE):
        made.begin(Channel.SMS, TWILIO, number)
    time[0] = SLOW + 0.1

    slow = made.room()
    made.end(Channel.SMS, TWILIO, 0)
    freed = made.room()

    assert (slow.full, set(slow.drawn[Channel.SMS])) == ((), {NOTIFY})
    assert list(freed.drawn[Channel.SMS])[:2] == [TWILIO, NOTIFY]


def test_behind_the_only_provider_of_a_channel_there_is_no_other_way() -> None:
    made, time = providers((Channel.SMS, TWILIO))
    for number in range(AT_ONCE):
        made.begin(Channel.SMS, TWILIO, number)
    time[0] = SLOW + 0.1

    assert (made.room().full, made.room().limit, made.other(Channel.SMS, TWILIO)) == ((Channel.SMS,), 0, None)


def test_a_provider_that_is_no_longer_set_up_has_no_share() -> None:
    made, _ = providers((Channel.SMS, TWILIO))

    made.stand(Channel.SMS, [Standing(TWILIO, 0), Standing(NOTIFY, 100)])

    assert made.room().drawn[Channel.SMS] == [TWILIO] * AT_ONCE
    assert made.get(Channel.SMS, NOTIFY) is made.get(Channel.SMS, TWILIO)


async def test_at_rest_every_text_goes_through_the_first(story: Night) -> None:
    for _ in range(5):
        await story.open_page()

    await story.round()

    assert {text.provider for text in story.phone.rang(ADA)} == {TWILIO}


async def test_a_text_that_twilio_refuses_by_its_own_fault_goes_out_through_notify_at_once(story: Night) -> None:
    story.phone.behave(Mode.TOO_MANY)
    page, reference = await story.open_page()

    await story.round()
    await story.round()

    text = await story.phone.expects_soon(ADA, reference, "Reply 1 to accept")
    assert text.provider == NOTIFY
    await story.until_states(page, "failed", "delivered", person="ada")
    assert [one.provider for one in await story.attempts(page)] == [TWILIO, NOTIFY]
    labels = {"channel": "sms", "provider": NOTIFY}
    assert story.count("nightlight_attempts_total", outcome="delivered", **labels) == 1
    assert story.count("nightlight_sent_to_delivered_seconds_count", **labels) == 1


async def test_a_number_that_does_not_exist_is_nobodys_fault_and_is_not_tried_elsewhere(story: Night) -> None:
    story.phone.behave(Mode.INVALID, ADA)
    await story.open_page()
    await story.open_page()

    await story.rounds(3)

    async with story.engine.connect() as connection:
        assert await kept.history(connection, since=NIGHT) == []
    assert not [text for text in story.phone.texts if text.provider == NOTIFY]


async def test_whoever_has_said_stop_to_one_provider_is_not_texted_through_the_other(story: Night) -> None:
    story.phone.behave(Mode.OPTED_OUT, ADA)
    _, reference = await story.open_page()

    await story.rounds(5)

    await story.phone.expects_soon(BEN, reference)
    assert story.phone.rang(ADA) == []


async def test_after_two_errors_the_next_page_goes_through_notify_and_the_change_is_kept_with_its_reason(
    story: Night,
) -> None:
    story.phone.behave(Mode.TOO_MANY)
    await story.open_page()
    await story.open_page()
    await story.round()
    await story.round()
    asked = story.phone.requests

    _, reference = await story.open_page()
    await story.round()

    text = await story.phone.expects_soon(ADA, reference)
    assert (text.provider, story.phone.requests - asked) == (NOTIFY, 1)
    async with story.engine.connect() as connection:
        history = await kept.history(connection, since=NIGHT)
    assert {(row["provider"], row["was"], row["weight"], row["reason"]) for row in history} == {
        (TWILIO, 100, 0, "too-many"),
        (NOTIFY, 0, 100, "too-many"),
    }


async def test_a_switch_of_one_pager_is_every_pagers_within_a_second_and_lasts_through_a_restart(story: Night) -> None:
    async with story.engine.begin() as connection:
        await failover.fault(connection, Channel.SMS, TWILIO, Reason.NO_ANSWER, order=ORDER, at=story.watch())
    _, reference = await story.open_page()

    await story.pager.look()
    await story.round()

    text = await story.phone.expects_soon(ADA, reference)
    assert text.provider == NOTIFY


async def test_the_first_provider_comes_back_by_itself(story: Night) -> None:
    await lose_twilio(story)

    story.watch.later(seconds=QUIET.total_seconds())
    for _ in range(10):
        await story.pager.look()
        story.watch.later(seconds=STEP_EVERY.total_seconds())

    assert story.sender is not None
    assert shares(story.sender.providers.standings[Channel.SMS]) == {TWILIO: 100, NOTIFY: 0}
    async with story.engine.connect() as connection:
        reasons = [row["reason"] for row in await kept.history(connection, since=NIGHT)]
    assert reasons == ["no-answer"] * 2 + ["drifts-back"] * 20


async def test_a_lost_answer_of_notify_is_settled_by_its_record(story: Night) -> None:
    await lose_twilio(story)
    story.phone.behave(Mode.LOST_SILENT, ADA, provider=NOTIFY)
    page, _ = await story.open_page()

    await story.round()
    await story.rounds(20)

    assert [text.provider for text in story.phone.rang(ADA)] == [NOTIFY]
    [attempt] = await story.attempts(page, person="ada")
    assert (attempt.state, attempt.provider, attempt.provider_id) == ("sent", NOTIFY, story.phone.rang(ADA)[0].sid)


async def test_what_twilio_may_or_may_not_have_taken_is_sent_once_more_through_notify_with_the_same_reference(
    story: Night,
) -> None:
    story.phone.behave(Mode.FAULT, ADA)
    page, reference = await story.open_page()

    await story.round()
    await story.rounds(12)

    text = await story.phone.expects_soon(ADA, reference)
    assert text.provider == NOTIFY
    assert [(one.state, one.provider) for one in await story.attempts(page, person="ada")] == [
        ("unknown", TWILIO),
        ("delivered", NOTIFY),
    ]
    assert len(story.phone.rang(ADA)) == 1


async def test_when_both_providers_fail_the_page_goes_to_the_next_channel_and_person(story: Night) -> None:
    story.phone.behave(Mode.TOO_MANY, ADA)
    story.phone.behave(Mode.TOO_MANY, ADA, provider=NOTIFY)
    _, reference = await story.open_page()

    await story.rounds(6)

    await story.phone.expects_soon(BEN, reference)
    assert story.phone.rang(ADA) == []


async def test_a_failure_that_notify_tells_of_itself_counts_against_it(story: Night) -> None:
    await lose_twilio(story)
    story.phone.behave(Mode.FAILED, ADA, provider=NOTIFY)
    await story.open_page()
    await story.round()

    async def counted() -> bool:
        async with story.engine.connect() as connection:
            known = await kept.read(connection)
        return [row["failures"] for row in known[Channel.SMS] if row["provider"] == NOTIFY] == [1]

    await eventually(counted)


async def test_pages_behind_twenty_that_wait_for_a_slow_provider_go_out_through_the_other(story: Night) -> None:
    story.phone.behave(Mode.SLOW, ADA, seconds=20)
    for _ in range(AT_ONCE):
        await story.open_page()
    await story.pager.send()
    page, reference = await story.open_page()

    await asyncio.sleep(SLOW + 0.1)
    await story.pager.send()

    text = await story.phone.expects_soon(ADA, reference, within=3)
    assert text.provider == NOTIFY
    await story.until_states(page, "delivered")
    assert len([one for one in story.phone.texts if one.provider == TWILIO]) == AT_ONCE


@pytest.mark.parametrize("provider", ORDER)
async def test_a_text_whose_receipts_are_lost_is_asked_after_and_does_not_move_the_page(
    story: Night, provider: str
) -> None:
    if provider == NOTIFY:
        await lose_twilio(story)
    story.phone.behave(Mode.SILENT, ADA, provider=provider)
    page, reference = await story.open_page()
    await story.round()
    text = await story.phone.expects_soon(ADA, reference)

    text.status = "delivered"
    await story.rounds(80, every=5)

    assert await story.states(page) == ["delivered"]
    assert (await story.page(page)).step == 1
