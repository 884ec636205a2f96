"""The rota and its phones on the desk: one's own teams, what is wrong first, and nobody's number."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import update

from store import drills
from store.people import responders
from tests.desk_cast import Desk, open_desk


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    async with open_desk(database_url) as opened:
        yield opened


async def test_a_manager_sees_what_is_wrong_and_every_phone_of_their_teams(desk: Desk) -> None:
    async with desk.engine.begin() as connection:
        stopped = update(responders).where(responders.c.person == "ada").values(stopped_at=desk.watch.now)
        await connection.execute(stopped)

    async with desk.signed_in("bo") as phone:
        board = (await phone.get("/")).text
        shown = (await phone.get("/rota")).text

    assert '<a href="/rota">' in board
    assert "Islington: ada cannot be reached by sms in step 1: their phone has opted out (STOP)" in shown
    assert "Islington: no backup on call" in shown
    for words in ("Ada Quill", "has opted out (STOP)", "Bo Marsh", "not verified", "not drilled yet"):
        assert words in shown
    for hidden in ("Camden", "Cy Tern", "+4477"):
        assert hidden not in shown


async def test_the_rota_is_for_whoever_is_signed_in(desk: Desk) -> None:
    async with desk.phone() as phone:
        answer = await phone.get("/rota")

    assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/sign-in")


async def test_a_drill_looks_like_one_everywhere(desk: Desk) -> None:
    await desk.set_page(state="withdrawn", next_step_at=None, ended_at=desk.watch.now)
    async with desk.engine.begin() as connection:
        reference = await drills.begin(connection, "Islington", at=desk.watch.now, who="test")

    async with desk.signed_in("bo") as phone:
        board = (await phone.get("/")).text
        rota = (await phone.get("/rota")).text

    assert reference in board
    assert "Drill: no child is waiting" in board
    assert "last drilled at" in rota
