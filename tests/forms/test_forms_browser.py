"""The forms in Chromium: for everybody (WCAG 2.2 AA), on a small screen, in the dark, by keyboard, and without JavaScript."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from connectors.forms.fields import PAGES
from tests.forms.cast import Person
from tests.gateway import MET_KEY, Gateway
from tests.suites import find_chromium
from tests.test_browser import QUIET, SMALL, WIDER_THAN_THE_SCREEN, picture, violations
from tests.test_openapi import serving

pytestmark = pytest.mark.browser


@dataclass
class Office:
    """Chromium with the gateway behind it. `complaints` is what it wrote to its console."""

    gateway: Gateway
    address: str
    browser: Browser
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str = "/form", **settings: Any) -> Page:
        page = await (await self.browser.new_context(**{"viewport": SMALL, **settings})).new_page()
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        await page.goto(self.address + path)
        return page

    async def sign_in(self, page: Page) -> None:
        await page.get_by_label("Key", exact=True).fill(MET_KEY)
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_role("heading", name="What has happened?")).to_be_visible()


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    gateway = Person().gateway
    with serving(gateway.app) as address:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=find_chromium(), args=QUIET)
            yield Office(gateway, address, browser)
            await browser.close()


async def fill(page: Page) -> None:
    """An arrest, as a sergeant types it."""
    await page.get_by_label("Custody record number").fill("01CB/1234/26")
    await page.get_by_label("Police force").fill("01")
    await page.get_by_label("Custody suite").fill("Islington")
    await page.get_by_role("group", name="When were they arrested?").get_by_label("Time").fill("2:06am")
    await page.get_by_label("Family name").fill("Lampwick")
    birth = page.get_by_role("group", name="Date of birth")
    for label, value in (("Day", "14"), ("Month", "3"), ("Year", "2010")):
        await birth.get_by_label(label).fill(value)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_any_form(office: Office, scheme: Any) -> None:
    found: dict[str, list[str]] = {}

    async def judge(name: str) -> None:
        found[name] = await violations(page)
        found[name] += ["wider than the screen"] if await page.evaluate(WIDER_THAN_THE_SCREEN) else []
        await picture(page, f"form-{name}-{scheme}")

    page = await office.open(color_scheme=scheme)
    await judge("key")
    await page.get_by_label("Key", exact=True).fill("nl_wrong")
    await page.get_by_role("button", name="Continue").click()
    await judge("wrong-key")
    await office.sign_in(page)
    await judge("list")
    for each in PAGES:
        await page.goto(f"{office.address}/form/{each.slug}")
        await judge(each.slug)
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await judge(f"{each.slug}-wrong")
    await page.goto(f"{office.address}/form/arrest")
    await fill(page)
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="Received")).to_be_visible()
    await judge("sent")

    assert found == {name: [] for name in found}
    assert [words for words in office.complaints if "status of 4" not in words] == []


async def test_an_arrest_is_told_without_javascript_and_nothing_is_left_behind(office: Office) -> None:
    page = await office.open(java_script_enabled=False)
    await office.sign_in(page)

    await page.get_by_role("link", name="A child has been arrested").click()
    await fill(page)
    await page.get_by_role("button", name="Send").click()

    await expect(page.get_by_role("heading", name="Received")).to_be_visible()
    [envelope] = office.gateway.shelf.kept
    await expect(page.get_by_text(envelope.id)).to_be_visible()
    assert page.url == f"{office.address}/form/arrest"
    [cookie] = await page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


async def test_an_error_leads_to_its_field(office: Office) -> None:
    page = await office.open()
    await office.sign_in(page)
    await page.goto(f"{office.address}/form/arrest")
    await fill(page)
    await page.get_by_label("Custody suite").fill("")
    await page.get_by_role("button", name="Send").click()

    await page.get_by_role("link", name="Custody suite: Fill this in").click()

    assert await page.evaluate("document.activeElement.id") == "suite"
    assert await page.evaluate("document.activeElement.getAttribute('aria-describedby')") == "suite-error"
    assert await page.get_by_label("Family name").input_value() == "Lampwick"
    assert await page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


async def test_a_keyboard_is_enough_and_its_focus_is_seen(office: Office) -> None:
    page = await office.open()
    await office.sign_in(page)
    await page.goto(f"{office.address}/form/found")

    for _ in range(4):
        await page.keyboard.press("Tab")

    assert await page.evaluate("document.activeElement.id") == "report"
    assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
