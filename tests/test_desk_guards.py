"""What every route of the desk keeps to, made from the table of routes: a new one cannot forget."""

import re
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from fastapi.routing import APIRoute
from starlette.datastructures import Headers

from desk import guards
from desk.throttle import Throttle
from tests.desk_cast import HOME, PAGE, Desk, open_desk
from tests.watch import NIGHT

OPEN_TO_ALL = {"/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/sign-in", "/static/{name}"}
FOR_PHONES = "/p/{token}"
FOR_PROVIDERS = ("/twilio/", "/notify/")
HOST = "desk.nightlight.example"


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    async with open_desk(database_url) as opened:
        await opened.give_account("ada")
        yield opened


def routes(desk: Desk) -> Iterator[tuple[str, str]]:
    """Every (method, path) with something real in its place holders, as the app's own reference has it, and what it hides."""
    hidden = [("get", path) for path in ("/docs", "/openapi.json", "/static/{name}")]
    known = [(method, path) for path, methods in desk.app.openapi()["paths"].items() for method in methods]
    yield from ((method.upper(), path) for method, path in known + hidden)


def filled(path: str, token: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: {"page": str(PAGE), "token": token}.get(found[1], "desk.css"), path)


def needs_sign_in(path: str) -> bool:
    return path not in OPEN_TO_ALL and not path.startswith((FOR_PHONES, *FOR_PROVIDERS))


async def ask(phone: httpx2.AsyncClient, method: str, path: str, **headers: str) -> httpx2.Response:
    """One request; of a stream, its head."""
    async with phone.stream(method, path, headers=headers) as answer:
        if "event-stream" not in answer.headers.get("content-type", ""):
            await answer.aread()
        return answer


async def test_every_route_of_the_app_is_in_its_reference_or_on_the_short_list(desk: Desk) -> None:
    listed = {path for _, path in routes(desk)}

    assert {route.path for route in desk.app.routes if isinstance(route, APIRoute)} <= listed


async def test_every_route_without_a_session_leads_to_signing_in(desk: Desk) -> None:
    async with desk.phone() as phone:
        answers = {
            (method, path): await ask(phone, method, filled(path, "x"))
            for method, path in routes(desk)
            if needs_sign_in(path)
        }

    assert len(answers) >= 9
    for asked, answer in answers.items():
        if asked[1].startswith("/api/"):  # a program is told so, and not led to a page
            assert answer.status_code == 401, asked
            continue
        assert answer.status_code == 303, asked
        assert answer.headers["location"].startswith("/sign-in"), asked


async def test_no_get_changes_anything_but_the_record_of_who_looked(desk: Desk) -> None:
    token = await desk.link()
    async with desk.signed_in("ada") as phone:
        before = await desk.everything(but=("audit", "links"))  # when a link was first opened is on its page's timeline
        for method, path in routes(desk):
            if method == "GET" and path != "/events":
                await ask(phone, "GET", filled(path, token), **{"Sec-Fetch-Site": "cross-site"})
                await ask(phone, "HEAD", filled(path, token))

    assert await desk.everything(but=("audit", "links")) == before


async def test_every_unsafe_method_refuses_another_site(desk: Desk) -> None:
    token = await desk.link()
    async with desk.signed_in("ada") as phone:
        before = await desk.everything()
        for method, path in routes(desk):
            if method == "GET":
                continue
            for headers in (
                {"Sec-Fetch-Site": "cross-site"},
                {"Sec-Fetch-Site": "same-site"},
                {"Origin": "https://e.example"},
            ):
                answer = await ask(phone, method, filled(path, token), **headers)
                assert answer.status_code == 403, (method, path, headers)

    assert await desk.everything() == before


async def test_every_answer_has_the_headers_whatever_its_status(desk: Desk) -> None:
    token = await desk.link()
    async with desk.signed_in("ada") as phone:
        paths = [("GET", "/nowhere"), ("DELETE", "/"), ("POST", "/p/x/accept")]
        paths += [(method, filled(path, token)) for method, path in routes(desk) if path != "/events"]
        for method, path in paths:
            answer = await ask(phone, method, path)
            _has_the_headers(answer, but_kept=path.startswith("/static"))


async def test_an_answer_to_something_broken_has_the_headers_too(desk: Desk) -> None:
    async with desk.engine.begin() as connection:
        await connection.exec_driver_sql("SET ROLE NONE")
        await connection.exec_driver_sql("DROP TABLE links CASCADE")

    async with desk.phone() as phone:
        answer = await phone.get("/p/x")

    assert answer.status_code == 500
    _has_the_headers(answer)
    assert "links" not in answer.text


def _has_the_headers(answer: httpx2.Response, *, but_kept: bool = False) -> None:
    policy = answer.headers["content-security-policy"]
    for rule in (
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    ):
        assert rule in policy, answer.url
    assert "unsafe" not in policy
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert but_kept or answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "sent", "status"),
    [
        ("GET", {"sec-fetch-site": "cross-site"}, None),
        ("POST", {"sec-fetch-site": "same-origin"}, None),
        ("POST", {"sec-fetch-site": "same-origin", "origin": "null"}, None),
        ("POST", {"sec-fetch-site": "none"}, None),
        ("POST", {"origin": HOME}, None),
        ("POST", {"origin": "null"}, None),
        ("POST", {}, None),
        ("POST", {"origin": "http://127.0.0.1:8080", "host": "127.0.0.1:8080"}, None),
        ("POST", {"sec-fetch-site": "same-site"}, 403),
        ("POST", {"sec-fetch-site": "cross-site", "origin": HOME}, 403),
        ("POST", {"origin": "https://elsewhere.example"}, 403),
        ("POST", {"origin": f"{HOME}.elsewhere.example"}, 403),
        ("DELETE", {"origin": "https://elsewhere.example"}, 403),
        ("POST", {"content-length": "65537"}, 413),
        ("POST", {"content-length": "-1"}, 413),
        ("POST", {"transfer-encoding": "chunked"}, 411),
    ],
)
def test_where_a_request_may_come_from_and_how_large_it_may_be(
    method: str, sent: dict[str, str], status: int | None
) -> None:
    refused = guards.refusal(method, Headers(sent), HOST)

    assert (refused[0] if refused else None) == status


def test_a_throttle_forgets_the_longest_silent_address_first() -> None:
    throttle = Throttle(tries=1, remembered=2)
    for address in ("a", "b", "a", "c"):
        throttle.failed(address, NIGHT)

    waits = [bool(throttle.wait(address, NIGHT)) for address in ("a", "b", "c")]

    assert waits == [True, False, True]


async def test_it_is_not_ready_while_the_database_is_away(desk: Desk) -> None:
    async with desk.phone() as phone:
        before = await phone.get("/readyz")
        async with desk.engine.begin() as connection:
            await connection.exec_driver_sql("SET ROLE NONE")
            await connection.exec_driver_sql("DROP TABLE pages CASCADE")
        after = await phone.get("/readyz")

    assert (before.status_code, after.status_code) == (200, 503)
    assert "nightlight migrate" in after.json()["because"][0]
