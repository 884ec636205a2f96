"""The duty desk and one page in full: one's own teams, a reason first, a line in the audit chain for every look."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4, uuid5

import httpx2
import pytest

from tests.desk_cast import ELSEWHERE, PAGE, Desk, add_fact, form_token, open_desk

ARRESTED_IN = "Wick Road custody suite"
ACTS = ("reason", "accept", "pass", "contact", "close")
OUTCOME = {"contact": "yes", "wanted": "unsure", "harm": "none"}


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    async with open_desk(database_url) as opened:
        yield opened


async def press(phone: httpx2.AsyncClient, path: str, **fields: str) -> httpx2.Response:
    """Press a button of a page that was opened before."""
    token = form_token((await phone.get("/")).text)
    return await phone.post(path, data={"token": token, **fields}, follow_redirects=True)


async def test_the_board_shows_pages_of_ones_own_teams_with_their_clock_and_nothing_about_the_child(desk: Desk) -> None:
    async with desk.signed_in("bo") as phone:
        desk.watch.later(minutes=3, seconds=5)
        board = (await phone.get("/")).text

    for words in ("K7Q4", "3 min 5 s", "Not accepted: 1", "Ada Quill", "text delivered", "met-custody"):
        assert words in board
    for hidden in ("M3XA", "Camden", "Lampwick", "Robin", ARRESTED_IN, "W-1"):
        assert hidden not in board


async def test_a_team_without_anybody_on_call_is_told_so(desk: Desk) -> None:
    async with desk.signed_in("cy") as phone:
        board = (await phone.get("/")).text

    assert "Nobody is on call for the Camden team" in board


async def test_a_page_asks_why_before_it_says_who(desk: Desk) -> None:
    async with desk.signed_in("ada") as phone:
        asked = (await phone.get(f"/pages/{PAGE}")).text
        looks_before = await desk.audit("child-viewed")
        shown = (await press(phone, f"/pages/{PAGE}/reason", reason="responding")).text

    assert "Why are you looking?" in asked
    assert "Lampwick" not in asked
    assert looks_before == []
    for words in ("Robin", "Lampwick", "14 March 2010", ARRESTED_IN, "2:06am", "nhs_number: same (+20.1)"):
        assert words in shown
    assert shown.index("red lanyard") < shown.index("Lampwick")


async def test_every_look_is_a_line_with_who_why_and_what(desk: Desk) -> None:
    async with desk.signed_in("ada") as phone:
        await press(phone, f"/pages/{PAGE}/reason", reason="supervising")
        await phone.get(f"/pages/{PAGE}")

    looks = await desk.audit("child-viewed")
    assert [(look.who, look.about, look.detail["reason"]) for look in looks] == [
        ("ada", f"page/{PAGE}", "supervising")
    ] * 2
    assert "where" in looks[0].detail["showed"]


async def test_a_look_that_cannot_be_written_down_shows_nothing(desk: Desk) -> None:
    async with desk.signed_in("ada") as phone:
        await press(phone, f"/pages/{PAGE}/reason", reason="responding")
        async with desk.engine.begin() as holding:
            # Somebody else holds the chain for longer than a statement may wait.
            await holding.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended('audit/chain', 0))")
            answer = await phone.get(f"/pages/{PAGE}")

    assert answer.status_code == 500
    assert "Lampwick" not in answer.text
    assert "Texts still come to your phone" in answer.text


async def test_a_reason_that_is_not_on_the_list_is_refused(desk: Desk) -> None:
    async with desk.signed_in("ada") as phone:
        answer = await press(phone, f"/pages/{PAGE}/reason", reason="just curious")

    assert answer.status_code == 400
    assert "just curious" not in answer.text


async def test_a_reason_holds_for_one_session_and_one_page(desk: Desk) -> None:
    async with desk.signed_in("ada") as phone:
        await press(phone, f"/pages/{PAGE}/reason", reason="responding")
    desk.watch.later(minutes=2)
    async with desk.signed_in("ada") as phone:
        again = (await phone.get(f"/pages/{PAGE}")).text

    assert "Why are you looking?" in again


async def test_accept_contact_and_close_are_each_written_down_with_how_it_went(desk: Desk) -> None:
    async with desk.signed_in("ada") as phone:
        await press(phone, f"/pages/{PAGE}/reason", reason="responding")
        accepted = (await press(phone, f"/pages/{PAGE}/accept")).text
        desk.watch.later(minutes=31)
        contact = (await press(phone, f"/pages/{PAGE}/contact")).text
        closed = (await press(phone, f"/pages/{PAGE}/close", **OUTCOME)).text

    assert "Accepted by you at 2:14am" in accepted
    assert "Contact made" in contact
    assert "Closed" in closed
    [entry] = await desk.audit("page-closed")
    assert entry.detail == {"via": "desk", **OUTCOME}
    labels = {"type": "nightlight.arrest.v1", "authority": "E09000019"}
    assert desk.registry.get_sample_value("nightlight_accepted_to_contact_seconds_sum", labels) == 31 * 60


async def test_closing_without_the_three_answers_asks_for_them(desk: Desk) -> None:
    async with desk.signed_in("ada") as phone:
        await press(phone, f"/pages/{PAGE}/reason", reason="responding")
        await press(phone, f"/pages/{PAGE}/accept")
        answer = await press(phone, f"/pages/{PAGE}/close", contact="yes", wanted="perhaps", harm="none")

    assert answer.status_code == 422
    assert "Answer the three questions" in answer.text
    assert await desk.audit("page-closed") == []


async def test_a_colleague_sees_by_name_who_accepted_and_cannot_accept_again(desk: Desk) -> None:
    async with desk.signed_in("ada") as phone:
        await press(phone, f"/pages/{PAGE}/accept")
    async with desk.signed_in("bo") as phone:
        answer = (await press(phone, f"/pages/{PAGE}/accept")).text

    assert "Accepted by Ada Quill at 2:14am" in answer
    assert len(await desk.audit("page-accepted")) == 1


async def test_passing_on_at_the_desk_is_remembered(desk: Desk) -> None:
    async with desk.signed_in("ada") as phone:
        answer = (await press(phone, f"/pages/{PAGE}/pass")).text

    assert "You passed this on at 2:14am" in answer


async def test_a_sensitive_record_shows_no_place_and_no_address(desk: Desk) -> None:
    admission = {"attendance": "A1", "site": "RP6", "site_name": "Candle Eye Hospital", "sensitive": True}
    missing = {"report": "M1", "force": "Metropolitan Police", "missing_from": "9 Wax Lane", "risk": "high"}
    moment = uuid5(PAGE, "moment")
    async with desk.engine.begin() as connection:
        await add_fact(connection, desk, moment, "f2", "nightlight.admission.v1", admission)
        await add_fact(connection, desk, moment, "f3", "nightlight.missing.v1", missing)

    async with desk.signed_in("ada") as phone:
        shown = (await press(phone, f"/pages/{PAGE}/reason", reason="responding")).text

    assert "withheld: ask your manager" in shown
    assert "Candle Eye" not in shown
    assert "7 Candle Court" not in shown


async def test_the_address_on_the_list_is_shown_for_a_missing_child_only(desk: Desk) -> None:
    missing = {"report": "M1", "force": "Metropolitan Police", "missing_from": "9 Wax Lane", "risk": "high"}
    async with desk.signed_in("ada") as phone:
        in_custody = (await press(phone, f"/pages/{PAGE}/reason", reason="responding")).text
        async with desk.engine.begin() as connection:
            await add_fact(connection, desk, uuid5(PAGE, "moment"), "f3", "nightlight.missing.v1", missing)
        missing_too = (await phone.get(f"/pages/{PAGE}")).text

    assert "7 Candle Court" not in in_custody
    assert "7 Candle Court, N1 9GU" in missing_too


async def test_a_child_who_left_the_list_leaves_a_page_without_a_name(desk: Desk) -> None:
    async with desk.engine.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM children")

    async with desk.signed_in("ada") as phone:
        shown = (await press(phone, f"/pages/{PAGE}/reason", reason="responding")).text

    assert "No longer on the list" in shown
    assert ARRESTED_IN in shown


@pytest.mark.parametrize(
    "page", [str(ELSEWHERE), str(uuid4()), "1'--"], ids=["another team's", "nobody's", "not an id"]
)
async def test_another_teams_page_is_as_if_it_never_was(desk: Desk, page: str) -> None:
    async with desk.signed_in("ada") as phone:
        token = form_token((await phone.get("/")).text)
        before = await desk.everything()
        fields = {"token": token, "reason": "responding", **OUTCOME}
        looked = await phone.get(f"/pages/{page}")
        acted = [await phone.post(f"/pages/{page}/{act}", data=fields) for act in ACTS]
        never = await phone.get(f"/pages/{uuid4()}")

    assert {answer.status_code for answer in (looked, *acted)} == {404}
    assert {answer.text for answer in (looked, *acted)} == {never.text}
    assert await desk.everything() == before


async def test_somebody_moved_to_another_team_sees_the_old_one_no_more(desk: Desk) -> None:
    async with desk.signed_in("ada") as phone:
        await press(phone, f"/pages/{PAGE}/reason", reason="responding")
        async with desk.engine.begin() as connection:
            await connection.exec_driver_sql("UPDATE responders SET teams = '{Camden}' WHERE person = 'ada'")
        answer = await phone.get(f"/pages/{PAGE}")

    assert answer.status_code == 404


async def test_a_form_without_its_token_does_nothing(desk: Desk) -> None:
    async with desk.signed_in("ada") as phone:
        answer = await phone.post(f"/pages/{PAGE}/accept", data={"token": "0" * 64})

    assert answer.status_code == 403
    assert await desk.audit("page-accepted") == []


async def test_no_page_is_larger_than_60_kb_with_everything_it_needs(desk: Desk) -> None:
    async with desk.signed_in("ada") as phone:
        files = [
            len((await phone.get(path)).content) for path in ("/static/desk.css", "/static/live.js", "/static/icon.svg")
        ]
        await press(phone, f"/pages/{PAGE}/reason", reason="responding")
        pages = [len((await phone.get(path)).content) for path in ("/", "/sign-in", f"/pages/{PAGE}")]

    assert sum(files) + max(pages) < 60_000


async def test_no_address_and_no_title_holds_anything_about_the_child(desk: Desk) -> None:
    async with desk.signed_in("ada") as phone:
        shown = await press(phone, f"/pages/{PAGE}/reason", reason="responding")

    title = shown.text[shown.text.index("<title>") : shown.text.index("</title>")]
    assert title == "<title>Page K7Q4 – Nightlight"
    assert str(shown.url).endswith(f"/pages/{PAGE}")


async def test_a_page_of_an_ended_moment_can_still_be_looked_at(desk: Desk) -> None:
    await desk.set_page(state="withdrawn", next_step_at=None, ended_at=desk.watch.now + timedelta(minutes=4))

    async with desk.signed_in("ada") as phone:
        shown = (await press(phone, f"/pages/{PAGE}/reason", reason="reviewing")).text

    assert "Withdrawn" in shown
    assert "<button" in shown  # signing out
    assert "/accept" not in shown
