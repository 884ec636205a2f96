"""What a newcomer sees: the demo's page in a browser, from a click to an accepted page on the phone. Takes the README's picture."""

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright

from tests.house import ROOT, free_ports
from tests.suites import find_chromium
from tests.test_demo import demo, read_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PICTURE = ROOT / "docs" / "pictures" / "demo.png"
WINDOW = {"width": 1280, "height": 800}
PARTS = """[...document.querySelectorAll("main > section, .wrong")].map((part) => {
    const {top, bottom} = part.getBoundingClientRect();
    return {top, bottom, spilt: part.scrollHeight > part.clientHeight};
})"""
SOON = 20_000  # milliseconds: 3 s on an idle machine


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running demo's page."""
    first = free_ports(10)
    with demo(tmp_path_factory.mktemp("demo"), "--ports-from", str(first)) as process:
        read_until(process, lambda line: "Ctrl-C stops all" in line)
        yield f"http://127.0.0.1:{first + 2}/"


@pytest.fixture
def page(screen: str) -> Iterator[Page]:
    """That page in a window of its own; whatever the console complains of fails the test."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        opened = browser.new_context(viewport=WINDOW).new_page()  # type: ignore[arg-type]
        complaints: list[str] = []
        opened.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        opened.on("pageerror", lambda problem: complaints.append(str(problem)))
        opened.goto(screen)
        expect(opened.locator("#live")).to_contain_text("Live", timeout=SOON)
        yield opened
        assert complaints == []
        browser.close()


def test_of_a_child_who_is_not_watched_it_says_that_nothing_was_kept(page: Page) -> None:
    before = page.locator("#texts li").count()

    page.get_by_role("button", name="Send an A&E arrival of a child who is not watched").click()

    expect(page.locator("#ending")).to_have_text("not watched: nothing was kept", timeout=SOON)
    assert page.locator("#texts li").count() == before


def test_the_link_in_a_text_opens_the_page_where_one_button_accepts(page: Page) -> None:
    page.get_by_role("button", name="Send an exclusion of a watched child").click()
    expect(page.locator("#texts")).to_contain_text("new moment at a school", timeout=SOON)

    with page.context.expect_page() as opening:
        page.locator("#texts li", has_text="new moment at a school").last.get_by_role("link").click()
    accepting = opening.value
    accepting.get_by_role("button", name="Accept").click()

    expect(page.locator("#ending")).to_contain_text("accepted in", timeout=SOON)


def test_an_arrest_becomes_a_text_and_a_reply_of_1_accepts_it(page: Page) -> None:
    page.get_by_role("button", name="Send an arrest of a watched child").click()
    expect(page.locator("#texts")).to_contain_text("new moment at a custody suite", timeout=SOON)
    expect(page.locator("#ending")).to_contain_text("waiting for", timeout=SOON)

    page.get_by_role("button", name="1 accept").click()

    expect(page.locator("#ending")).to_contain_text("accepted in", timeout=SOON)
    expect(page.locator("#texts")).to_contain_text("accepted by you", timeout=SOON)
    expect(page.locator("#stages tr.done")).to_have_count(6, timeout=SOON)
    take_the_picture(page)


def test_it_fits_a_window_of_1280_by_800_without_scrolling(page: Page) -> None:
    size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")

    assert size[0] <= WINDOW["width"]
    assert size[1] <= WINDOW["height"]


@pytest.mark.parametrize("width", [390, 768])
def test_on_a_narrower_screen_one_part_comes_below_the_other(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})

    parts = page.evaluate(PARTS)

    assert all(above["bottom"] <= below["top"] for above, below in pairwise(parts))
    assert not any(part["spilt"] for part in parts)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_axe_finds_nothing_wrong_with_it(page: Page) -> None:
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})

    assert found.violations_count == 0, found.generate_report()


def test_a_text_that_fails_is_told_to_the_next_person_at_once(page: Page) -> None:
    page.get_by_role("button", name="The text fails").click()

    expect(page.locator("#ending")).to_contain_text("step 2", timeout=15_000)  # the wait alone would be 20 s


def take_the_picture(page: Page) -> None:
    """The screenshot for the README, when it is asked for: NIGHTLIGHT_PICTURES=1."""
    if os.environ.get("NIGHTLIGHT_PICTURES") == "1":
        Path(PICTURE).parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURE)
