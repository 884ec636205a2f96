"""A drill is a real page that everybody knows for a drill, that no clock of a real one counts, and that never stands in its way."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select

from embedded.phone import Mode
from schemas.kinds import DRILL
from store import drills, expiry, phones, sending
from store.drills import CannotDrill
from store.moments import moments
from store.pages import pages
from tests.pager_cast import ADA, BEN, MO, NIGHT, Night, night

TEAM = "Islington"
THURSDAY = datetime(2026, 11, 26, 11, 0, tzinfo=UTC)


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url) as begun:
        yield begun


async def drill(story: Night) -> str:
    async with story.engine.begin() as connection:
        return await drills.begin(connection, TEAM, at=story.watch(), who="test")


async def state_of(story: Night) -> list[tuple[str, str]]:
    """How every drill stands, and its moment."""
    query = select(pages.c.state, moments.c.state).join(moments, moments.c.moment == pages.c.moment)
    async with story.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(query.where(pages.c.type == DRILL))]


async def test_a_drill_goes_the_whole_way_and_ends_when_somebody_accepts(story: Night) -> None:
    reference = await drill(story)

    await story.round()
    text = await story.phone.expects_soon(ADA, reference)
    story.watch.later(seconds=9)
    answer = await story.phone.reply(ADA, "1")
    await story.rounds(4)

    assert text.body.startswith(
        f"Nightlight {reference}: DRILL, no child is waiting (Islington team). Reply 1 to accept, 2 to pass on. "
    )
    assert answer == f"Nightlight {reference}: DRILL, accepted by you. It works, and it is over. Thank you."
    assert await state_of(story) == [("closed", "closed")]
    story.phone.refuse_unexpected()


async def test_a_drill_is_counted_apart_from_real_pages(story: Night) -> None:
    await drill(story)
    async with story.engine.connect() as connection:
        open_ = await expiry.gauges(connection)

    await story.round()
    story.watch.later(seconds=9)
    await story.phone.reply(ADA, "1")
    await story.rounds(4)

    names = [
        sample.name for family in story.registry.collect() for sample in family.samples if sample.labels.get("type")
    ]
    assert names == []
    assert (open_.moments_open, open_.moments_unanswered) == ({}, {})
    assert story.count("nightlight_drill_seconds_sum") == 9
    assert story.count("nightlight_drills_total", outcome="accepted") == 1


async def test_the_longest_without_a_drill_is_of_the_teams_that_are_drilled_and_have_a_shift_to_come(
    story: Night,
) -> None:
    since = NIGHT - timedelta(days=70)
    async with story.engine.begin() as connection:
        for team, came in ((TEAM, since), ("Disbanded", since - timedelta(days=1))):
            row = {"team": team, "every_days": 28, "since": came}
            await connection.execute(insert(drills.schedules).values(row))

    await story.round()
    never_drilled = story.count("nightlight_drill_oldest_timestamp_seconds")
    async with story.engine.begin() as connection:
        await drills.schedule(connection, TEAM, every_days=0, at=NIGHT, who="test")
    story.watch.later(minutes=2)
    await story.round()

    assert never_drilled == since.timestamp()
    assert story.count("nightlight_drill_oldest_timestamp_seconds") == 0


async def test_a_drill_escalates_and_if_nobody_accepts_the_manager_is_told(story: Night) -> None:
    reference = await drill(story)

    await story.round()
    await story.rounds(32 * 60, every=30)

    people = {text.to for text in story.phone.texts if f"{reference}: DRILL, no child" in text.body}
    (told,) = [text for text in story.phone.texts if "nobody accepted in time" in text.body]
    assert people == {ADA, BEN, MO}
    assert (told.to, await state_of(story)) == (MO, [("expired", "expired")])
    assert story.count("nightlight_drills_total", outcome="unanswered") == 1


async def test_a_drill_gives_way_to_a_real_page_and_never_asks_which_one_is_meant(story: Night) -> None:
    await drill(story)
    await story.round()
    page, reference = await story.open_page()

    await story.pager.send()
    await story.pager.idle()
    answer = await story.phone.reply(ADA, "1")
    await story.rounds(4)

    assert answer is not None
    assert answer.startswith(f"Nightlight {reference}: accepted by you")
    assert (await story.page(page)).state == "accepted"


async def test_every_answer_about_a_drill_says_that_it_is_one(story: Night) -> None:
    reference = await drill(story)
    await story.round()
    await story.phone.expects_soon(ADA, reference)

    said = [await story.phone.reply(ADA, words) for words in (f"{reference} 3", "1", "1", f"{reference} 2")]
    await story.rounds(4)
    said += [await story.phone.reply(ADA, words) for words in ("1", f"{reference} 3")]

    assert all(answer and answer.startswith(f"Nightlight {reference}: DRILL, ") for answer in said)
    assert not any("Sign in" in answer for answer in said if answer)


async def test_who_has_a_real_page_and_answers_once_more_hears_of_it_and_not_of_a_later_drill(story: Night) -> None:
    _, real = await story.open_page()
    await story.round()
    await story.phone.reply(ADA, "1")
    later = await drill(story)
    await story.round()
    await story.phone.expects_soon(ADA, later)
    await story.phone.reply(ADA, "1")
    await story.rounds(4)

    answer = await story.phone.reply(ADA, "1")

    assert answer is not None
    assert answer.startswith(f"Nightlight {real}: you have accepted this")


async def test_a_real_page_ends_a_drill_that_is_under_way_without_a_word(story: Night) -> None:
    await drill(story)
    await story.round()
    await story.open_page()
    texts = len(story.phone.texts)

    await story.rounds(4)

    assert await state_of(story) == [("withdrawn", "withdrawn")]
    assert len(story.phone.texts) == texts + 1
    assert story.count("nightlight_drills_total", outcome="gave-way") == 1


async def test_real_pages_are_sent_before_a_drill_that_was_begun_earlier(story: Night) -> None:
    reference = await drill(story)
    now = story.watch.later(seconds=1)
    _, real = await story.open_page()

    async with story.engine.begin() as connection:
        claimed = [
            (await sending.claim(connection, at=now, deadline=now + timedelta(seconds=8), limit=1))[0][0].reference
            for _ in range(2)
        ]

    assert claimed == [real, reference]


async def test_no_drill_begins_while_a_page_waits_or_a_drill_runs_or_for_a_team_of_nobody(story: Night) -> None:
    async with story.engine.begin() as connection:
        with pytest.raises(CannotDrill, match="Nobody is of a team Atlantis"):
            await drills.begin(connection, "Atlantis", at=NIGHT, who="test")
    await drill(story)
    with pytest.raises(CannotDrill, match="under way"):
        await drill(story)

    await story.open_page()
    with pytest.raises(CannotDrill, match="real page"):
        await drill(story)


async def test_a_team_is_drilled_every_month_in_the_quiet_of_a_working_day(story: Night) -> None:
    due = []
    at = NIGHT
    while at < NIGHT + timedelta(days=70):
        async with story.engine.begin() as connection:
            if await drills.begin_due(connection, at=at):
                due.append(at)
        async with story.engine.begin() as connection:
            await drills.end(connection, at=at + timedelta(minutes=45))
        at += timedelta(hours=1)

    assert [f"{at:%a %d %b %H}" for at in due] == ["Tue 22 Dec 10", "Tue 19 Jan 10"]


@pytest.mark.parametrize(
    ("at", "is_one"),
    [
        (THURSDAY, True),
        (THURSDAY.replace(hour=9, minute=59), False),
        (THURSDAY.replace(hour=16), False),
        (THURSDAY + timedelta(days=1), False),
        (THURSDAY + timedelta(days=4), False),
        (datetime(2027, 12, 28, 11, tzinfo=UTC), False),  # a Tuesday, and the day in lieu of Boxing Day
        (datetime(2026, 7, 1, 9, tzinfo=UTC), True),  # ten in London
    ],
)
def test_the_time_for_a_drill(at: datetime, is_one: bool) -> None:
    assert drills.is_drill_time(at) is is_one


async def test_a_team_may_be_drilled_more_often_or_never(story: Night) -> None:
    async with story.engine.begin() as connection:
        await drills.schedule(connection, TEAM, every_days=0, at=NIGHT, who="test")
        never = await drills.begin_due(connection, at=THURSDAY + timedelta(days=84))
        await drills.schedule(connection, TEAM, every_days=2, at=NIGHT, who="test")
        often = await drills.begin_due(connection, at=THURSDAY)

    assert (never, often) == (None, TEAM)


async def test_a_verified_phone_of_which_nothing_is_heard_for_a_month_is_asked_once_a_week(story: Night) -> None:
    async with story.engine.begin() as connection:
        await phones.send_code(connection, "ada", code="123456", at=NIGHT, who="test")
        await phones.check_code(connection, "ada", "123456", at=NIGHT, who="test")
    asked = []
    for day in range(50):
        async with story.engine.begin() as connection:
            if person := await drills.prove_due(connection, at=THURSDAY + timedelta(days=day)):
                asked.append((day, person))

    assert asked == [(26, "ada"), (33, "ada"), (40, "ada"), (47, "ada")]


async def test_a_drill_that_does_not_arrive_shows_a_phone_that_fails_and_moves_on_at_once(story: Night) -> None:
    story.phone.behave(Mode.UNDELIVERED, ADA)
    reference = await drill(story)

    await story.round()
    await story.rounds(3)
    await story.phone.expects_soon(BEN, reference)

    async with story.engine.connect() as connection:
        states = {phone.person: phone.state for phone in await phones.listing(connection)}
    assert states == {
        "ada": phones.PhoneState.FAILING,
        "ben": phones.PhoneState.UNVERIFIED,
        "mo": phones.PhoneState.UNVERIFIED,
    }
