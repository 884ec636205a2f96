"""The desk in Chromium: at 2 am, on a small phone, without JavaScript, in the dark, and for everybody (WCAG 2.2 AA)."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from embedded.server import choose_port
from schemas import web
from store import answers
from tests.desk_cast import PAGE, PASSWORD, Desk, open_desk
from tests.suites import find_chromium
from tests.test_desk_reviews import ask, end_everything

pytestmark = pytest.mark.browser

SMALL = {"width": 320, "height": 480}
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-dev-shm-usage",
]
QUIET += ["--disable-component-update", "--disable-sync", "--disable-default-apps", "--no-default-browser-check"]
STANDARD = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text()
WIDER_THAN_THE_SCREEN = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@dataclass
class Phone:
    """Chromium with the desk behind it. `complaints` is what it wrote to its console: a policy broken, a script failed."""

    desk: Desk
    browser: Browser
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str, **settings: Any) -> Page:
        page = await (await self.browser.new_context(**{"viewport": SMALL, **settings})).new_page()
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda problem: self.complaints.append(str(problem)))
        await page.goto(self.desk.settings.base_url + path)
        return page

    async def sign_in(self, page: Page, person: str = "ada") -> None:
        await page.goto(f"{self.desk.settings.base_url}/sign-in")
        await page.get_by_label("Your mobile number or Nightlight name").fill(person)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_label("Code from your authenticator app").fill(self.desk.credentials(person)["code"])
        await page.get_by_role("button", name="Sign in").click()


@pytest.fixture
async def phone(database_url: str) -> AsyncIterator[Phone]:
    port = choose_port("the desk", 0)
    async with open_desk(database_url, home=f"http://127.0.0.1:{port}") as desk, served(desk, port):
        await desk.give_account("ada")
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=find_chromium(), args=QUIET)
            yield Phone(desk, browser)
            await browser.close()


@asynccontextmanager
async def served(desk: Desk, port: int) -> AsyncIterator[None]:
    """The app behind a real server, in this loop."""
    server = web.server(desk.app, desk.settings.model_copy(update={"listen": f"127.0.0.1:{port}"}))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), "the server did not start"
        await asyncio.sleep(0.02)
    yield
    server.should_exit = True
    desk.live.close()
    await serving


async def violations(page: Page) -> list[str]:
    """What axe-core finds, each as its rule, where, and why."""
    await page.evaluate(AXE)
    found = await page.evaluate(f"axe.run({json.dumps({'runOnly': STANDARD})})")
    return [
        f"{each['id']}: {node['html']} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


async def picture(page: Page, name: str) -> None:
    """Keep a picture where NIGHTLIGHT_PICTURES says, for the README and for whoever wants to see."""
    if where := os.environ.get("NIGHTLIGHT_PICTURES"):
        await page.screenshot(path=Path(where) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_any_screen(phone: Phone, scheme: Any) -> None:
    token = await phone.desk.link()
    found: dict[str, list[str]] = {}

    async def judge(name: str) -> None:
        found[name] = await violations(page)
        found[name] += ["wider than the screen"] if await page.evaluate(WIDER_THAN_THE_SCREEN) else []
        await picture(page, f"{name}-{scheme}")

    page = await phone.open(f"/p/{token}", color_scheme=scheme)
    await judge("link")
    await page.goto(f"{phone.desk.settings.base_url}/p/unknown")
    await judge("no-such-link")
    await page.goto(f"{phone.desk.settings.base_url}/sign-in")
    await judge("sign-in")
    await phone.sign_in(page)
    await expect(page.get_by_role("heading", name="Not accepted: 1")).to_be_visible()
    await judge("board")
    await page.get_by_role("link", name="K7Q4").click()
    await judge("why")
    await page.get_by_role("button", name="I am responding").click()
    await expect(page.get_by_role("heading", name="Robin Lampwick")).to_be_visible()
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_text("Accepted by you")).to_be_visible()
    await judge("detail")

    assert found == {name: [] for name in found}
    assert [words for words in phone.complaints if "404" not in words] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_possible_matches_and_on_the_rota(phone: Phone, scheme: Any) -> None:
    await end_everything(phone.desk)
    await ask(phone.desk)
    found: dict[str, list[str]] = {}

    async def judge(name: str) -> None:
        found[name] = await violations(page)
        found[name] += ["wider than the screen"] if await page.evaluate(WIDER_THAN_THE_SCREEN) else []
        await picture(page, f"{name}-{scheme}")

    page = await phone.open("/sign-in", color_scheme=scheme)
    await phone.sign_in(page)
    await page.get_by_role("link", name="Rota and phones").click()
    await expect(page.get_by_role("heading", name="Rota and phones")).to_be_visible()
    await judge("rota")
    await page.goto(f"{phone.desk.settings.base_url}/reviews")
    await judge("reviews")
    await page.get_by_role("link", name="At a custody suite").click()
    await expect(page.get_by_role("heading", name="Both records")).to_be_visible()
    await judge("review")
    await page.get_by_role("link", name="Show what Nightlight makes of it").click()
    await expect(page.get_by_role("heading", name="What Nightlight makes of it")).to_be_visible()
    await judge("review-with-its-score")
    await page.get_by_role("button", name="I know the child").first.click()
    await expect(page.get_by_role("heading", name="The team is paged")).to_be_visible()
    await judge("review-decided")
    await page.goto(f"{phone.desk.settings.base_url}/reviews")
    await expect(page.get_by_text("Nothing waits")).to_be_visible()
    await judge("no-reviews")

    assert found == {name: [] for name in found}
    assert phone.complaints == []


async def test_a_keyboard_alone_decides_a_possible_match(phone: Phone) -> None:
    await end_everything(phone.desk)
    await ask(phone.desk)
    page = await phone.open("/sign-in")
    await phone.sign_in(page)
    await page.goto(f"{phone.desk.settings.base_url}/reviews")

    await press_tab_until(page, "At a custody suite")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Both records")).to_be_visible()
    table = await press_tab_until(page, "says")
    answer = await press_tab_until(page, "I know the child")
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("heading", name="The team is paged")).to_be_visible()
    assert "none" not in (table["outline"], answer["outline"])
    assert answer["ground"] == "rgb(255, 221, 0)"


async def press_tab_until(page: Page, words: str) -> dict[str, str]:
    """Go on by keyboard until what has the focus says `words`; how it shows its focus. Fails after thirty stops."""
    for _ in range(30):
        await page.keyboard.press("Tab")
        focused: dict[str, str] = await page.evaluate(
            "() => { const at = document.activeElement, s = getComputedStyle(at);"
            " return { words: at.textContent, outline: s.outlineStyle, ground: s.backgroundColor }; }"
        )
        if words in focused["words"]:
            return focused
    raise AssertionError(f"no {words!r} by keyboard")


async def test_accept_is_seen_without_scrolling_on_a_small_phone(phone: Phone) -> None:
    page = await phone.open(f"/p/{await phone.desk.link()}")

    box = await page.get_by_role("button", name="Accept").bounding_box()

    assert box is not None
    assert box["y"] + box["height"] <= SMALL["height"]
    assert box["height"] >= 44
    assert box["width"] >= 280


async def test_accepting_needs_no_javascript_and_no_signing_in(phone: Phone) -> None:
    page = await phone.open(f"/p/{await phone.desk.link()}", java_script_enabled=False)

    await page.get_by_role("button", name="Accept").click()

    await expect(page.get_by_role("heading", name="You accepted at 2:14am")).to_be_visible()
    await page.get_by_role("link", name="Sign in for who and where").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.url.endswith(f"/sign-in?next=/pages/{PAGE}")


async def test_the_desk_reads_and_acts_without_javascript(phone: Phone) -> None:
    page = await phone.open("/sign-in", java_script_enabled=False)
    await phone.sign_in(page)

    await page.get_by_role("button", name="Accept K7Q4").click()
    await page.get_by_role("button", name="I am responding").click()
    await page.get_by_role("button", name="Contact made").click()
    for question in ("Was contact made", "Did the child want it"):
        await page.get_by_role("group", name=question).get_by_label("Yes").check()
    await page.get_by_role("group", name="any harm").get_by_label("No", exact=True).check()
    await page.get_by_role("button", name="Close").click()

    [entry] = await phone.desk.audit("page-closed")
    assert entry.detail == {"via": "desk", "contact": "yes", "wanted": "yes", "harm": "none"}


async def test_the_board_changes_by_itself_and_says_when_it_is_not_live(phone: Phone) -> None:
    page = await phone.open("/sign-in")
    await phone.sign_in(page)
    await expect(page.get_by_text("Live 2:14:00am")).to_be_visible()
    assert await page.title() == "(1) Duty desk – Nightlight"

    async with phone.desk.engine.begin() as connection:
        await answers.accept(connection, PAGE, "bo", via="reply", at=phone.desk.watch.now)

    await expect(page.get_by_text("Bo Marsh accepted at 2:14am")).to_be_visible(timeout=2000)
    assert await page.title() == "Duty desk – Nightlight"

    phone.desk.live._listening = False  # as while PostgreSQL is away
    await expect(page.get_by_role("alert")).to_contain_text("Not live", timeout=8000)
    assert await violations(page) == []
    phone.desk.live._listening = True
    await expect(page.get_by_text("Live 2:14:00am")).to_be_visible(timeout=5000)


async def test_the_board_asks_to_sign_in_again_when_the_shift_is_over(phone: Phone) -> None:
    page = await phone.open("/sign-in")
    await phone.sign_in(page)
    await expect(page.get_by_text("Live 2:14:00am")).to_be_visible()

    phone.desk.watch.later(hours=12)

    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_keyboard_reaches_accept_third_and_the_focus_is_seen(phone: Phone) -> None:
    page = await phone.open(f"/p/{await phone.desk.link()}")

    for _ in range(3):
        await page.keyboard.press("Tab")

    assert await page.evaluate("document.activeElement.textContent") == "Accept"
    assert await page.evaluate("getComputedStyle(document.activeElement).backgroundColor") == "rgb(255, 221, 0)"


async def test_buttons_have_an_edge_in_forced_colours(phone: Phone) -> None:
    page = await phone.open(f"/p/{await phone.desk.link()}", forced_colors="active")

    for name in ("Accept", "I can’t"):
        style = await page.get_by_role("button", name=name).evaluate(
            "button => { const s = getComputedStyle(button); return [s.borderTopWidth, s.borderTopColor, s.backgroundColor]; }"
        )
        assert style[0] == "2px"
        assert style[1] != style[2]


async def test_nothing_is_left_in_the_phones_storage(phone: Phone) -> None:
    page = await phone.open("/sign-in")
    await phone.sign_in(page)
    await page.get_by_role("link", name="K7Q4").click()
    await page.get_by_role("button", name="I am responding").click()
    await expect(page.get_by_role("heading", name="Robin Lampwick")).to_be_visible()

    kept = await page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")

    assert kept == [0, 0, ""]
