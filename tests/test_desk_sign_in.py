"""Signing in: the same answer whatever is wrong, and a cookie that only this phone can use."""

import statistics
import time
from collections.abc import AsyncIterator

import pytest

from desk.sign_in import afterwards
from tests.desk_cast import PAGE, Desk, form_token, open_desk


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    async with open_desk(database_url) as opened:
        await opened.give_account("ada")
        yield opened


async def test_the_right_name_password_and_code_lead_to_where_one_was_going(desk: Desk) -> None:
    async with desk.phone() as phone:
        sent_away = await phone.get(f"/pages/{PAGE}")
        form = await phone.get(sent_away.headers["location"])
        answer = await phone.post("/sign-in", data=desk.credentials("ada", next=f"/pages/{PAGE}"))

    assert sent_away.status_code == 303
    assert f'name="next" value="/pages/{PAGE}"' in form.text
    assert answer.headers["location"] == f"/pages/{PAGE}"


async def test_the_cookie_is_held_to_this_host_and_to_https(desk: Desk) -> None:
    async with desk.phone() as phone:
        answer = await phone.post("/sign-in", data=desk.credentials("ada"))

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-nightlight=")
    assert {part.strip().lower() for part in cookie.split(";")[1:]} == {
        "httponly",
        "max-age=43200",
        "path=/",
        "samesite=lax",
        "secure",
    }


@pytest.mark.parametrize(
    "wrong", [{"name": "nobody"}, {"name": "bo"}, {"password": "guess"}, {"code": "000000"}, {"code": ""}]
)
async def test_whatever_is_wrong_the_answer_is_the_same(desk: Desk, wrong: dict[str, str]) -> None:
    async with desk.phone() as phone:
        expected = await phone.post("/sign-in", data=desk.credentials("ada", password="another guess"))
        answer = await phone.post("/sign-in", data=desk.credentials("ada", **wrong))

    assert answer.status_code == expected.status_code == 403
    assert answer.text == expected.text
    assert "set-cookie" not in answer.headers


async def test_an_unknown_name_takes_as_long_as_a_known_one(desk: Desk) -> None:
    took: dict[str, list[float]] = {"ada": [], "nobody": []}
    async with desk.phone() as phone:
        await phone.post("/sign-in", data=desk.credentials("ada", password="warm up"))
        for _ in range(4):
            for name in took:
                begun = time.perf_counter()
                await phone.post("/sign-in", data=desk.credentials("ada", name=name, password="guess"))
                took[name].append(time.perf_counter() - begun)

    # Without the stand-in an unknown name would take a tenth of the time.
    assert statistics.median(took["nobody"]) > statistics.median(took["ada"]) * 0.5


async def test_what_was_typed_is_written_nowhere(desk: Desk) -> None:
    async with desk.phone() as phone:
        answer = await phone.post("/sign-in", data={"name": "my-secret-as-name", "password": "p", "code": "1"})

    [entry] = await desk.audit("sign-in-refused")
    assert (entry.who, entry.detail["reason"]) == ("nobody", "unknown")
    assert "my-secret-as-name" not in answer.text + str(await desk.everything())


async def test_the_21st_try_from_one_address_must_wait(desk: Desk) -> None:
    async with desk.phone() as phone:
        for _ in range(20):
            await phone.post("/sign-in", data={"name": "nobody", "password": "p", "code": "1"})
        answer = await phone.post("/sign-in", data=desk.credentials("ada"))
        desk.watch.later(minutes=5)
        after = await phone.post("/sign-in", data=desk.credentials("ada"))

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "301"
    assert after.status_code == 303


async def test_signing_out_ends_the_session_and_empties_the_phone(desk: Desk) -> None:
    async with desk.signed_in("ada") as phone:
        token = form_token((await phone.get("/")).text)
        cookie = phone.cookies["__Host-nightlight"]
        answer = await phone.post("/sign-out", data={"token": token})
        gone = dict(phone.cookies)
        phone.cookies.set("__Host-nightlight", cookie)
        kept_by_a_thief = await phone.get("/")

    assert answer.headers["clear-site-data"] == '"cache", "cookies", "storage"'
    assert gone == {}
    assert kept_by_a_thief.status_code == 303
    assert [entry.who for entry in await desk.audit("signed-out")] == ["ada"]


@pytest.mark.parametrize(
    ("wanted", "led_to"),
    [
        (f"/pages/{PAGE}", f"/pages/{PAGE}"),
        ("/", "/"),
        ("", "/"),
        ("//elsewhere.example", "/"),
        ("https://elsewhere.example/", "/"),
        ("/pages/../sign-out", "/"),
        (f"/pages/{PAGE}\r\nSet-Cookie: a=b", "/"),
    ],
)
def test_signing_in_leads_nowhere_but_to_our_own_pages(wanted: str, led_to: str) -> None:
    assert afterwards(wanted) == led_to
