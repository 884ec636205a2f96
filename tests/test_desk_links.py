"""The page behind the link in a text: it shows little, changes nothing, and has one button."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from store import answers, links
from tests.desk_cast import ARREST, CHILD, PAGE, Desk, open_desk


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    async with open_desk(database_url) as opened:
        yield opened


async def test_it_shows_the_reference_the_kind_of_place_and_the_time_left(desk: Desk) -> None:
    token = await desk.link()

    async with desk.phone() as phone:
        answer = await phone.get(f"/p/{token}")

    assert answer.status_code == 200
    for words in ("K7Q4", "New moment at a custody suite", "Islington team", "Sent 2:14am", "4 min left"):
        assert words in answer.text


async def test_it_says_nothing_about_the_child_or_the_place(desk: Desk) -> None:
    token = await desk.link()

    async with desk.phone() as phone:
        answer = await phone.get(f"/p/{token}")

    hidden = [CHILD.family_name, CHILD.given_name, CHILD.approach, ARREST["suite"], ARREST["custody_record"], "2010"]
    assert not [words for words in hidden if words and words in answer.text]


async def test_opening_it_a_hundred_times_changes_nothing_but_when_it_was_first_opened(desk: Desk) -> None:
    token = await desk.link()
    before = await desk.everything(but=("links",))

    async with desk.phone() as phone:
        for _ in range(100):
            await phone.get(f"/p/{token}", headers={"Sec-Fetch-Site": "cross-site"})
            await phone.head(f"/p/{token}/accept")

    assert await desk.everything(but=("links",)) == before
    async with desk.engine.connect() as connection:
        link = await links.find(connection, token)
    assert link is not None
    assert (link.opened_at, link.used_at) == (link.made_at, None)


async def test_one_post_accepts_and_the_page_offers_who_and_where(desk: Desk) -> None:
    token = await desk.link()

    async with desk.phone() as phone:
        answer = await phone.post(f"/p/{token}/accept", follow_redirects=True)

    assert "You accepted at 2:14am" in answer.text
    assert f'href="/pages/{PAGE}"' in answer.text
    [entry] = await desk.audit("page-accepted")
    assert (entry.who, entry.about, entry.detail) == ("ada", f"page/{PAGE}", {"via": "link"})
    assert desk.registry.get_sample_value(
        "nightlight_sent_to_accepted_seconds_count", {"type": "nightlight.arrest.v1", "authority": "E09000019"}
    )


async def test_a_second_post_tells_the_truth(desk: Desk) -> None:
    token = await desk.link()

    async with desk.phone() as phone:
        await phone.post(f"/p/{token}/accept")
        desk.watch.later(minutes=1)
        again = await phone.post(f"/p/{token}/accept", follow_redirects=True)

    assert again.status_code == 200
    assert "You accepted at 2:14am" in again.text
    assert len(await desk.audit("page-accepted")) == 1


async def test_a_colleague_who_was_quicker_is_not_named_before_signing_in(desk: Desk) -> None:
    token = await desk.link("ada")
    async with desk.engine.begin() as connection:
        await answers.accept(connection, PAGE, "bo", via="reply", at=desk.watch.later(minutes=1))

    async with desk.phone() as phone:
        answer = await phone.post(f"/p/{token}/accept", follow_redirects=True)

    assert "A colleague accepted at 2:15am" in answer.text
    assert "Bo Marsh" not in answer.text


async def test_passing_on_is_said_and_leaves_the_page_open(desk: Desk) -> None:
    token = await desk.link()

    async with desk.phone() as phone:
        answer = await phone.post(f"/p/{token}/pass", follow_redirects=True)

    assert "You passed this on at 2:14am" in answer.text
    assert "reply “K7Q4 1” to the text" in answer.text
    assert len(await desk.audit("page-passed")) == 1


async def test_a_link_works_for_a_quarter_of_an_hour_and_then_says_what_to_do(desk: Desk) -> None:
    token = await desk.link()
    desk.watch.later(minutes=15)

    async with desk.phone() as phone:
        answer = await phone.post(f"/p/{token}/accept", follow_redirects=True)

    assert answer.status_code == 200
    assert "this link has run out" in answer.text
    assert await desk.audit("page-accepted") == []


@pytest.mark.parametrize("token", ["x", "A" * 22, "%00", "-" * 22, "é"])
async def test_a_link_that_never_was_gets_one_and_the_same_answer(desk: Desk, token: str) -> None:
    async with desk.phone() as phone:
        looked = await phone.get(f"/p/{token}")
        posted = await phone.post(f"/p/{token}/accept", follow_redirects=True)

    assert looked.status_code == posted.status_code == 404


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("withdrawn", "Withdrawn at 2:18am"),
        ("expired", "The time for this page ran out at 2:18am"),
    ],
)
async def test_a_page_that_has_ended_says_so(desk: Desk, state: str, words: str) -> None:
    token = await desk.link()
    await desk.set_page(state=state, next_step_at=None, ended_at=desk.watch.now + timedelta(minutes=4))

    async with desk.phone() as phone:
        answer = await phone.post(f"/p/{token}/accept", follow_redirects=True)

    assert answer.status_code == 200
    assert words in answer.text
