"""A person at the forms: their browser, with its cookies, and what a page shows them."""

import html
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx2

from connectors.forms import references
from store.rights import Agency, expand
from tests.gateway import MET_KEY, SCHOOL_KEY, Gateway, in_process, key_of

SERGEANT = Agency(
    "met-custody", ("met-custody",), expand(["nightlight.arrest.v1", "nightlight.missing.v1"]), frozenset({"E09000019"})
)
EVERYBODY = Agency(
    "borough",
    ("borough",),
    expand([f"nightlight.{name}.v1" for name in ("arrest", "admission", "exclusion", "missing")]),
    frozenset({"*"}),
)

WHO = {
    "family_name": "Lampwick",
    "given_name": "Robin",
    "date_of_birth-day": "14",
    "date_of_birth-month": "3",
    "date_of_birth-year": "2010",
    "nhs_number": "999 000 0018",
}


def when(name: str, time: str = "02:06", day: str = "21", month: str = "11", year: str = "2026") -> dict[str, str]:
    return {f"{name}-day": day, f"{name}-month": month, f"{name}-year": year, f"{name}-time": time}


FILLED: dict[str, dict[str, Any]] = {
    "arrest": {"custody_record": "01CB/1234/26", "force": "01", "suite": "Islington", **when("arrested_at"), **WHO},
    "release": {"custody_record": "01CB/1234/26", "force": "01", **when("released_at")},
    "admission": {"attendance": "AE-77", "site": "RKE01", **when("arrived_at"), **WHO},
    "discharge": {"attendance": "AE-77", "site": "RKE01", **when("left_at")},
    "exclusion": {
        "school_urn": "100001",
        "kind": "suspension",
        "reasons": ["OW", "DA"],
        "starts_on-day": "23",
        "starts_on-month": "11",
        "starts_on-year": "2026",
        **when("decided_at"),
        **WHO,
    },
    "missing": {"report": "M-5", "force": "01", "risk": "high", **when("reported_at"), **WHO},
    "found": {"report": "M-5", "force": "01", **when("found_at")},
}
"""Every form but the last, filled in well, at half past two on the gateway's night."""


@dataclass
class Person:
    """One browser. Nothing but its cookies is kept from page to page."""

    gateway: Gateway = field(default_factory=Gateway)
    cookies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gateway.doorkeeper.know([key_of(MET_KEY, EVERYBODY), key_of(SCHOOL_KEY, SERGEANT)])

    async def get(self, path: str) -> httpx2.Response:
        return await self._ask("GET", path, None, {})

    async def post(self, path: str, answers: dict[str, Any], **headers: str) -> httpx2.Response:
        return await self._ask("POST", path, answers, headers)

    async def sign_in(self, key: str = MET_KEY) -> httpx2.Response:
        return await self.post("/form", {"key": key})

    async def fill(self, slug: str, **changes: Any) -> httpx2.Response:
        """Open a form and send it, filled in well but for the changes."""
        page = await self.get(f"/form/{slug}")
        usual = FILLED.get(slug, {"of": references.make(self.gateway.sealer, bytes)})
        return await self.post(f"/form/{slug}", {**hidden(page), **usual, **changes})

    async def _ask(self, method: str, path: str, answers: Any, headers: dict[str, str]) -> httpx2.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if answers is not None:
            given.setdefault("content-type", "application/x-www-form-urlencoded")
        if self.cookies:
            given["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with in_process(self.gateway.app) as client:
            content = urlencode(answers, doseq=True).encode() if answers is not None else b""
            answer = await client.request(method, path, content=content, headers=given)
        for set_cookie in answer.headers.get_list("set-cookie"):
            name, _, value = set_cookie.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return answer


def hidden(page: httpx2.Response) -> dict[str, str]:
    """The hidden boxes of the main form of a page."""
    return {
        name: html.unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text)
    }


def errors(page: httpx2.Response) -> dict[str, str]:
    """What stands beside each field, by its name."""
    found = re.findall(r'<p class="error" id="([a-z_]+)-error"><span>Error:</span> (.*?)</p>', page.text)
    return {name: html.unescape(said) for name, said in found}
