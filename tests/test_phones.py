"""A phone is verified by a code that comes back from it, and shows its owner's manager what is wrong with it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from embedded.phone import Mode
from notifiers.channel import Reason
from schemas.pages import AttemptState, Channel
from schemas.probe import NAME, NO_PHONE
from schemas.settings import Mode as Running
from store import gaps, phones, responders
from store.people import responders as people
from store.phones import Checked, NoSuchPhone, PhoneState, state_of
from tests.pager_cast import ADA, NIGHT, Night, night

ANOTHER = "+447700900009"


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url) as begun:
        yield begun


@pytest.mark.parametrize(
    ("stopped", "verified", "last", "reason", "state"),
    [
        (False, None, None, None, PhoneState.UNVERIFIED),
        (False, ADA, None, None, PhoneState.VERIFIED),
        (False, ANOTHER, None, None, PhoneState.CHANGED),
        (False, ADA, AttemptState.DELIVERED, None, PhoneState.VERIFIED),
        (False, None, AttemptState.DELIVERED, None, PhoneState.UNVERIFIED),
        (False, ADA, AttemptState.UNDELIVERED, "phone-unreachable", PhoneState.FAILING),
        (False, ADA, AttemptState.UNDELIVERED, None, PhoneState.FAILING),
        (False, ADA, AttemptState.FAILED, "number-not-valid", PhoneState.UNREACHABLE),
        (False, None, AttemptState.FAILED, "blocked", PhoneState.UNREACHABLE),
        (True, ADA, AttemptState.DELIVERED, None, PhoneState.OPTED_OUT),
        (True, ADA, AttemptState.FAILED, "number-not-valid", PhoneState.OPTED_OUT),
    ],
)
def test_a_phone_is_in_the_worst_state_that_is_true(
    stopped: bool, verified: str | None, last: AttemptState | None, reason: str | None, state: PhoneState
) -> None:
    assert state_of(stopped=stopped, mobile=ADA, verified=verified, last=last, reason=reason) is state


def test_the_reasons_are_those_of_the_notifiers_list() -> None:
    assert set(Reason) >= phones.NEVER | phones.NOT_NOW


async def look(story: Night, person: str = "ada") -> phones.Phone:
    async with story.engine.connect() as connection:
        (found,) = await phones.listing(connection, people=[person])
    return found


async def test_the_synthetic_childs_responder_is_no_phone_to_be_seen_to(story: Night) -> None:
    async with story.engine.begin() as connection:
        await connection.execute(insert(people).values(person=NAME, name=NAME, mobile=NO_PHONE, teams=[]))
        listed = [phone.person for phone in await phones.listing(connection)]

    assert listed == ["ada", "ben", "mo"]


async def send_code(story: Night, code: str = "314159", person: str = "ada") -> None:
    async with story.engine.begin() as connection:
        await phones.send_code(connection, person, code=code, at=story.watch(), who="test")
    await story.round()


async def check(story: Night, code: str, person: str = "ada") -> Checked:
    async with story.engine.begin() as connection:
        return await phones.check_code(connection, person, code, at=story.watch(), who="test")


@pytest.mark.parametrize("words", ["314159", " 314159. ", "(314159)"])
async def test_a_phone_is_verified_by_a_reply_with_the_code(story: Night, words: str) -> None:
    await send_code(story)

    text = await story.phone.expects_soon(ADA, "314159")
    answer = await story.phone.reply(ADA, words)

    assert text.body.startswith("Nightlight: your code is 314159. Reply with it")
    assert answer == "Nightlight: thank you. This phone is verified."
    assert ((await look(story)).state, (await look(story)).verified_at) == (PhoneState.VERIFIED, NIGHT)


async def test_a_phone_is_verified_by_whoever_was_told_the_code(story: Night) -> None:
    await send_code(story)

    assert await check(story, "271828") is Checked.WRONG
    assert await check(story, "314159") is Checked.VERIFIED
    assert await check(story, "314159") is Checked.OVER


async def test_a_code_is_over_after_half_an_hour_after_five_guesses_and_when_the_number_changes(story: Night) -> None:
    await send_code(story)
    guesses = [await check(story, f"00000{number}") for number in range(6)]
    right = await check(story, "314159")

    await send_code(story)
    story.watch.later(minutes=31)
    late = await check(story, "314159")

    await send_code(story)
    async with story.engine.begin() as connection:
        await connection.execute(update(people).where(people.c.person == "ada").values(mobile=ANOTHER))
    elsewhere = await check(story, "314159")

    assert guesses == [Checked.WRONG] * 5 + [Checked.OVER]
    assert (right, late, elsewhere) == (Checked.OVER,) * 3
    assert (await look(story)).state is PhoneState.UNVERIFIED


async def test_a_wrong_code_is_answered_so_and_a_page_stays_what_a_one_is_about(story: Night) -> None:
    await send_code(story)
    page, reference = await story.open_page()
    await story.round()

    wrong = await story.phone.reply(ADA, "271828")
    right = await story.phone.reply(ADA, "314159")
    accepted = await story.phone.reply(ADA, "1")

    assert wrong == "Nightlight: that is not the code. Ask for a new one if you have lost it."
    assert right == "Nightlight: thank you. This phone is verified."
    assert accepted is not None
    assert accepted.startswith(f"Nightlight {reference}: accepted by you")
    assert (await story.page(page)).accepted_by == "ada"


async def test_no_code_is_kept_after_its_time_here_or_in_what_was_sent(story: Night) -> None:
    await send_code(story)
    async with story.engine.begin() as connection:
        await phones.forget_codes(connection, at=NIGHT + timedelta(minutes=31))

    assert [attempt.note for attempt in await story.attempts(purpose="code")] == [None]
    assert await check(story, "314159") is Checked.OVER


async def test_an_unverified_phone_is_paged_all_the_same(story: Night) -> None:
    _, reference = await story.open_page()

    await story.round()
    await story.phone.expects_soon(ADA, reference)

    assert (await look(story)).state is PhoneState.UNVERIFIED


async def test_another_number_has_to_be_verified_again_and_starts_without_old_failures(story: Night) -> None:
    await send_code(story)
    await story.phone.reply(ADA, "314159")
    story.phone.behave(Mode.UNDELIVERED, ADA)
    story.watch.later(minutes=1)
    await story.open_page()
    await story.round()
    failing = (await look(story)).state
    story.watch.later(minutes=5)

    data = f"person,name,mobile,email,teams\nada,Ada,{ANOTHER},,Islington\n".encode()
    async with story.engine.begin() as connection:
        entries = responders.read(data, mode=Running.REHEARSAL)
        await responders.apply(connection, entries, at=story.watch(), who="test")

    assert failing is PhoneState.FAILING
    assert (await look(story)).state is PhoneState.CHANGED


async def test_a_phone_that_fails_is_well_again_with_the_next_text_that_arrives(story: Night) -> None:
    story.phone.behave(Mode.UNDELIVERED, ADA)
    async with story.engine.begin() as connection:
        await phones.send_test(connection, "ada", at=story.watch(), who="test", channels=(Channel.SMS,))
    await story.round()
    before = (await look(story)).state
    story.phone.behave(Mode.DELIVER, ADA)
    story.watch.later(minutes=1)
    async with story.engine.begin() as connection:
        await phones.send_test(connection, "ada", at=story.watch(), who="test", channels=(Channel.SMS,))
    await story.round()

    answer = await story.phone.reply(ADA, "ok")

    assert (before, (await look(story)).state) == (PhoneState.FAILING, PhoneState.UNVERIFIED)
    assert answer == "Nightlight: thank you. This phone works."
    assert (await look(story)).proven_at == story.watch()


async def test_a_number_that_nobody_has_can_never_be_reached(story: Night) -> None:
    story.phone.behave(Mode.INVALID, ADA)
    await story.open_page()

    await story.rounds(3)

    assert (await look(story)).state is PhoneState.UNREACHABLE


async def test_a_provider_that_is_down_says_nothing_of_a_phone(story: Night) -> None:
    story.phone.behave(Mode.FAULT, ADA)
    await story.open_page()

    await story.rounds(6)

    assert (await look(story)).state is PhoneState.UNVERIFIED


async def test_stop_shows_at_once_and_neither_code_nor_test_is_sent_there(story: Night) -> None:
    await story.phone.reply(ADA, "STOP")

    assert (await look(story)).state is PhoneState.OPTED_OUT
    async with story.engine.begin() as connection:
        with pytest.raises(NoSuchPhone, match="opted out"):
            await phones.send_code(connection, "ada", code="314159", at=NIGHT, who="test")
        with pytest.raises(NoSuchPhone, match="no responder zoe"):
            await phones.send_test(connection, "zoe", at=NIGHT, who="test")


async def test_what_is_wrong_with_a_phone_is_named_by_the_rota_s_check_and_counted(story: Night) -> None:
    story.phone.behave(Mode.UNDELIVERED, ADA)
    await story.open_page()
    await story.round()

    async with story.engine.connect() as connection:
        found = await gaps.survey(connection, story.watch(), days=1)
    await story.rounds(31)

    assert found.problems == ("Islington: the last text or call to ada did not arrive: 'nightlight phones test ada'",)
    assert found.unverified == tuple(
        f"Islington: {who}'s phone has not been verified: 'nightlight phones verify {who}'" for who in ("ben", "mo")
    )
    states = {state.value: story.count("nightlight_phones", state=state.value) for state in PhoneState}
    assert {name: count for name, count in states.items() if count} == {"failing": 1, "unverified": 2}
