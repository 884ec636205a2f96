"""Possible matches at the desk: both records side by side, blind to the score, each team its own, every look written down."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import insert, select, update

from schemas.envelope import Mode
from schemas.moments import Candidate, Decision, Fact, Lane, ReviewAsked
from schemas.person import Person
from schemas.wire import event_key
from store import reviews
from store.children import children
from store.matches import matches
from store.moments import moments
from store.pages import pages
from store.people import shifts
from tests.desk_cast import CHILD, PAGE, Desk, form_token, open_desk

PERSON = Person(
    family_name="Lampwyck",
    given_name="Robin",
    date_of_birth=date(2010, 3, 14),
    postcode="N1 9GU",
    nhs_number="9990000026",
)
ELSEWHERE = "W-9"


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """The desk's cast, with nothing open, and a possible match for W-1 of Islington or W-9 of Camden."""
    async with open_desk(database_url) as opened:
        await end_everything(opened)
        await ask(opened)
        yield opened


async def end_everything(desk: Desk) -> None:
    async with desk.engine.begin() as connection:
        ended = {"state": "withdrawn", "ended_at": desk.watch.now}
        await connection.execute(update(pages).values(**ended, next_step_at=None))
        await connection.execute(update(moments).values(**ended))


async def ask(desk: Desk, name: str = "doubt", **details: Any) -> str:
    now, key = desk.watch.now, event_key(desk.sealer, "urn:met", name)
    fact = Fact(
        event_key=key,
        subject_key=event_key(desk.sealer, "subject", name),
        type="nightlight.arrest.v1",
        feed="met-custody",
        authority=None,
        mode=Mode.LIVE,
        occurred_at=now,
        received_at=now,
        matched_at=now,
        details={
            "custody_record": "CR/2",
            "force": "Metropolitan Police",
            "suite": "Wick Road custody suite",
            **details,
        },
    )
    near = (
        Candidate(child=CHILD.child_id, weight=8.25, probability=0.713),
        Candidate(child=ELSEWHERE, weight=3, probability=0.2),
    )
    why = ("family_name: very similar (+4.4)",)
    decision = Decision(lane=Lane.REVIEW, child=CHILD.child_id, candidates=near, why=why, model="test-7")
    async with desk.engine.begin() as connection:
        if await connection.scalar(select(children.c.child).where(children.c.child == ELSEWHERE)) is None:
            await _add_elsewhere(connection, desk)
        await reviews.ask_review(
            connection, desk.sealer, ReviewAsked(fact=fact, person=PERSON, decision=decision), at=now
        )
    return key


async def _add_elsewhere(connection: Any, desk: Desk) -> None:
    other = CHILD.model_copy(update={"child_id": ELSEWHERE, "team": "Camden", "given_name": "Jocasta"})
    today = desk.watch.now.date()
    dates = {"starts_on": today, "review_on": today + timedelta(days=30), "expires_on": today + timedelta(days=60)}
    sealed = desk.sealer.seal(other.model_dump_json().encode(), place=f"children/{ELSEWHERE}")
    row = {"child": ELSEWHERE, "authority": "E09000007", "team": "Camden", "sealed": sealed, "version": 2}
    await connection.execute(insert(children).values(**row, **dates))


async def key_of(desk: Desk) -> str:
    return event_key(desk.sealer, "urn:met", "doubt")


async def answer(client: httpx2.AsyncClient, path: str, **form: str) -> httpx2.Response:
    shown = await client.get("/reviews")
    return await client.post(path, data={"token": form_token(shown.text), **form})


async def test_the_list_says_what_waits_and_nothing_of_who(desk: Desk) -> None:
    async with desk.signed_in("ada") as client:
        board, shown = await client.get("/"), await client.get("/reviews")

    assert 'href="/reviews"' in board.text
    assert f'href="/reviews/{await key_of(desk)}"' in shown.text
    assert not any(value in shown.text for value in ("Lampwick", "Lampwyck", "Robin", "9990000026", "N1 9GU", "2010"))


async def test_both_records_are_side_by_side_without_the_score_and_the_look_is_written_down_first(desk: Desk) -> None:
    async with desk.signed_in("ada") as client:
        shown = await client.get(f"/reviews/{await key_of(desk)}")

    for value in ("Lampwyck", "Lampwick", "(differs)", "(same)", "(missing)", "9990000026", "Wick Road custody suite"):
        assert value in shown.text
    assert not any(value in shown.text for value in ("71.3", "8.2", "very similar", "Jocasta"))
    [line] = await desk.audit("review-viewed")
    assert (line.who, line.detail["showed"], line.detail["children"]) == ("ada", ["both-records"], ["W-1"])


async def test_the_score_is_shown_on_request_and_that_is_written_down_too(desk: Desk) -> None:
    async with desk.signed_in("ada") as client:
        shown = await client.get(f"/reviews/{await key_of(desk)}?score=true")

    assert "71.3 in 100" in shown.text
    assert "very similar" in shown.text
    [line] = await desk.audit("review-viewed")
    assert line.detail["showed"] == ["both-records", "score"]


async def test_a_record_that_is_marked_as_sensitive_shows_no_place(desk: Desk) -> None:
    key = await ask(desk, "sensitive", sensitive=True)

    async with desk.signed_in("ada") as client:
        shown = await client.get(f"/reviews/{key}")

    assert "withheld" in shown.text
    assert not any(value in shown.text for value in ("N1 9GU", "Candle Court", "Wick Road custody suite"))


async def test_another_teams_possible_match_is_not_there(desk: Desk) -> None:
    key = await key_of(desk)
    async with desk.signed_in("cy") as client:
        listed, shown = await client.get("/reviews"), await client.get(f"/reviews/{key}")
        decided = await answer(client, f"/reviews/{key}/same", child="W-9", why="known")
        api = await client.get(f"/api/reviews/{key}")

    assert "Nothing waits" in listed.text
    assert (shown.status_code, decided.status_code, api.status_code) == (404, 404, 404)
    assert await desk.audit("review-viewed") == []


async def test_the_same_child_pages_the_team_and_then_the_score_is_shown(desk: Desk) -> None:
    key = await key_of(desk)
    async with desk.signed_in("ada") as client:
        desk.watch.later(minutes=4)
        decided = await answer(client, f"/reviews/{key}/same", child="W-1", why="known")
        again = await answer(client, f"/reviews/{key}/different", why="known")
        shown = await client.get(f"/reviews/{key}")

    assert "The team is paged" in decided.text
    assert "A colleague was quicker" in again.text
    assert "The same child" in again.text
    assert "71.3 in 100" in shown.text
    labels = {"type": "nightlight.arrest.v1", "outcome": "paged"}
    assert desk.registry.get_sample_value("nightlight_reviews_decided_total", labels) == 1
    assert desk.registry.get_sample_value("nightlight_asked_to_decided_seconds_count") == 1
    assert desk.registry.get_sample_value("nightlight_asked_to_decided_seconds_sum") == 240
    async with desk.engine.connect() as connection:
        live = (await connection.execute(select(pages).where(pages.c.state == "open"))).all()
        [link] = (await connection.execute(select(matches))).all()
    assert [(page.team, page.possible) for page in live] == [("Islington", False)]
    assert (link.child, link.decision, link.decided_by, link.reason) == ("W-1", "same", "ada", "known")


async def test_not_the_same_asks_the_other_team_which_sees_its_own_child_alone(desk: Desk) -> None:
    key = await key_of(desk)
    async with desk.signed_in("ada") as client:
        decided = await answer(client, f"/reviews/{key}/different", why="records")
        gone = await client.get(f"/reviews/{key}")
    async with desk.signed_in("cy") as client:
        shown = await client.get(f"/reviews/{key}")

    assert "another team" in decided.text
    assert gone.status_code == 404
    assert "W-9" in shown.text
    assert "W-1" not in shown.text


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"child": "W-1", "why": "a free word"}, 400),
        ({"child": "W-9", "why": "known"}, 409),
        ({"child": "W-1", "why": "known", "token": "0" * 64}, 403),
    ],
    ids=["a reason of their own", "a child of another team", "a form of another site"],
)
async def test_what_is_not_offered_is_refused_and_changes_nothing(
    desk: Desk, form: dict[str, str], status: int
) -> None:
    async with desk.signed_in("ada") as client:
        before = await desk.everything(but=("audit",))

        decided = await answer(client, f"/reviews/{await key_of(desk)}/same", **form)

        assert decided.status_code == status
        assert await desk.everything(but=("audit",)) == before


async def test_nobody_who_is_not_signed_in_sees_or_decides_anything(desk: Desk) -> None:
    key = await key_of(desk)
    async with desk.phone() as client:
        page, listed = await client.get(f"/reviews/{key}"), await client.get("/reviews")
        api = await client.get(f"/api/reviews/{key}")
        posted = await client.post(f"/api/reviews/{key}", json={"decision": "different", "why": "known"})

    assert page.headers["location"] == f"/sign-in?next=/reviews/{key}"
    assert listed.headers["location"] == "/sign-in?next=/reviews"
    assert (api.status_code, posted.status_code) == (401, 401)
    assert "Sign in" in api.json()["detail"]


async def test_a_program_of_the_team_lists_looks_and_decides_in_json(desk: Desk) -> None:
    async with desk.signed_in("ada") as client:
        listed = (await client.get("/api/reviews")).json()
        [waiting] = listed["reviews"]
        looked = (await client.get(f"/api/reviews/{waiting['event_key']}")).json()
        decision = {"decision": "same", "child": "W-1", "why": "records"}
        unsigned = await client.post(f"/api/reviews/{waiting['event_key']}", json=decision)
        sent = {"X-Nightlight-Token": listed["token"]}
        decided = await client.post(f"/api/reviews/{waiting['event_key']}", json=decision, headers=sent)
        twice = await client.post(f"/api/reviews/{waiting['event_key']}", json=decision, headers=sent)

    assert waiting["team"] == "Islington"
    assert looked["children"] == ["W-1"]
    assert (looked["scores"], looked["why"]) == ({}, [])
    named = {line["field"]: (line["said"], line["listed"][0]) for line in looked["compared"]}
    assert named["family_name"] == ("Lampwyck", ["Lampwick", "differs"])
    assert unsigned.status_code == 403
    assert (decided.json()["verdict"], decided.json()["by"]) == ("paged", "ada")
    assert (twice.json()["verdict"], twice.json()["state"]) == ("already", "same")


@pytest.mark.parametrize(
    "given",
    [
        {"decision": "same", "why": "known"},
        {"decision": "different", "child": "W-1", "why": "known"},
        {"decision": "x"},
    ],
)
async def test_an_answer_in_json_that_makes_no_sense_is_refused(desk: Desk, given: dict[str, str]) -> None:
    async with desk.signed_in("ada") as client:
        token = (await client.get("/api/reviews")).json()["token"]

        answered = await client.post(
            f"/api/reviews/{await key_of(desk)}", json=given, headers={"X-Nightlight-Token": token}
        )

    assert answered.status_code in (400, 422)


async def test_the_manager_on_call_takes_a_page_back_and_nobody_else_may(database_url: str) -> None:
    async with open_desk(database_url) as desk:
        async with desk.engine.begin() as connection:
            now = desk.watch.now
            duty = {"team": "Islington", "starts": now - timedelta(hours=1), "ends": now + timedelta(hours=1)}
            await connection.execute(insert(shifts).values(person="bo", role="manager", **duty))
        async with desk.signed_in("ada") as worker:
            refused = await answer(worker, f"/pages/{PAGE}/undo", why="another-child")
        async with desk.signed_in("bo") as manager:
            token = form_token((await manager.get(f"/pages/{PAGE}")).text)
            await manager.post(f"/pages/{PAGE}/reason", data={"token": token, "reason": "supervising"})
            shown = await manager.get(f"/pages/{PAGE}")

            undone = await answer(manager, f"/pages/{PAGE}/undo", why="another-child")

        assert refused.status_code == 403
        assert f'action="/pages/{PAGE}/undo"' in shown.text
        assert "is taken back" in undone.text
        async with desk.engine.connect() as connection:
            state = await connection.scalar(select(pages.c.state).where(pages.c.page == PAGE))
        assert state == "withdrawn"
        [line] = await desk.audit("match-undone")
        assert (line.who, line.detail["why"]) == ("bo", "another-child")
