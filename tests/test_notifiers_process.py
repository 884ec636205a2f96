"""The pager as a process: woken in an instant, killed at the worst moments, stopped politely."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx2
import pytest

from embedded.notify import KEY
from embedded.phone import Mode
from embedded.server import choose_port
from schemas.authorities import authorities
from schemas.base import utc_now
from tests.pager_cast import ADA, BEN, Night, eventually, night

ROOT = Path(__file__).parent.parent
POINTS = [
    ("after_attempt_row", Mode.DELIVER),
    ("before_http", Mode.SILENT),
    ("after_http_reply", Mode.DELIVER),
    ("before_status_row", Mode.SILENT),
    ("after_status_row", Mode.SILENT),
]


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url) as begun:
        begun.watch.now = utc_now()
        yield begun


SENT_THREE = 'nightlight_attempts_total{channel="sms",outcome="sent",provider="twilio"} 3.0'


class Process:
    """The pager in a process of its own, at the database and the network of a story."""

    def __init__(
        self, story: Night, database_url: str, *, die_at: str = "", more: Mapping[str, str] | None = None
    ) -> None:
        self.port = choose_port("The pager", 0)
        given = {
            "DATABASE_URL": database_url,
            "TWILIO_ACCOUNT_SID": story.phone.account,
            "TWILIO_AUTH_TOKEN": story.phone.token,
            "TWILIO_FROM": story.phone.sender,
            "TWILIO_API": story.phone.url,
            "PUBLIC_URL": story.settings.base_url,
            "LISTEN": f"127.0.0.1:{self.port}",
            "DIE_AT": die_at,
            **(more or {}),
        }
        environment = {f"NIGHTLIGHT_{name}": value for name, value in given.items()}
        self._running = subprocess.Popen(
            [sys.executable, "-m", "tests.dying_pager"],
            cwd=ROOT,
            env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log = ""

    async def ready(self) -> None:
        async def answers() -> bool:
            async with httpx2.AsyncClient(verify=authorities(), trust_env=False) as http:
                try:
                    return (await http.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200
                except httpx2.TransportError:
                    return False

        await eventually(answers, within=20)

    async def metrics(self, *, until: str) -> str:
        """What it shows to Prometheus, once it shows this line."""
        shown = ""

        async def there() -> bool:
            nonlocal shown
            async with httpx2.AsyncClient(verify=authorities(), trust_env=False) as http:
                shown = (await http.get(f"http://127.0.0.1:{self.port}/metrics")).text
            return until in shown

        await eventually(there, within=5)
        return shown

    async def died(self) -> int:
        async def gone() -> bool:
            return self._running.poll() is not None

        await eventually(gone, within=20)
        return int(self._running.returncode)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        if self._running.poll() is None:
            self._running.send_signal(number)
        try:
            self.log = self._running.communicate(timeout=10)[1]
        finally:
            self._running.kill()
        return int(self._running.returncode)


@pytest.mark.parametrize(("point", "mode"), POINTS)
async def test_killed_around_the_providers_call_one_or_two_texts_go_out_with_one_reference(
    story: Night, database_url: str, point: str, mode: Mode
) -> None:
    story.phone.behave(mode)
    page, reference = await story.open_page()
    killed = Process(story, database_url, die_at=point)
    code = await killed.died()
    killed.stop()

    # The one that comes after it, with the clock a deadline later: what was begun is settled, or done once more.
    story.watch.now = utc_now()
    await story.round()
    await story.rounds(12)

    texts = [text.body for text in story.phone.rang(ADA)]
    assert code == -signal.SIGKILL
    assert 1 <= len(texts) <= 2
    assert all(reference in text for text in texts)
    assert (await story.page(page)).state == "open"
    assert "sending" not in await story.states(page)


@pytest.mark.parametrize(("point", "mode"), POINTS)
async def test_killed_around_the_call_with_two_providers_the_second_text_goes_through_the_other(
    database_url: str, point: str, mode: Mode
) -> None:
    async with night(database_url, every_channel=True) as story:
        story.watch.now = utc_now()
        story.phone.behave(mode)
        page, reference = await story.open_page()
        notify = {name: getattr(story.settings, name.casefold()) for name in ("NOTIFY_TEMPLATE_ID", "NOTIFY_API")}
        killed = Process(story, database_url, die_at=point, more={**notify, "NOTIFY_API_KEY": KEY})
        code = await killed.died()
        killed.stop()

        story.watch.now = utc_now()
        await story.round()
        await story.rounds(12)

        texts = story.phone.rang(ADA)
        assert code == -signal.SIGKILL
        assert 1 <= len(texts) <= 2
        assert all(reference in text.body for text in texts)
        assert len({text.provider for text in texts}) == len(texts)
        assert (await story.page(page)).state == "open"
        assert "sending" not in await story.states(page)


async def test_killed_before_it_escalates_the_next_one_escalates_once(story: Night, database_url: str) -> None:
    story.phone.behave(Mode.INVALID, ADA)
    page, _ = await story.open_page()
    killed = Process(story, database_url, die_at="before_escalate")
    code = await killed.died()
    killed.stop()

    story.watch.now = utc_now()
    for _ in range(3):
        await story.round()

    assert code == -signal.SIGKILL
    assert [(one.person, one.step) for one in await story.attempts(page)] == [("ada", 1), ("ben", 2)]


async def test_a_running_pager_is_woken_by_the_database_and_stops_when_asked(story: Night, database_url: str) -> None:
    running = Process(story, database_url)
    try:
        await running.ready()
        took = []
        for _ in range(3):
            started = time.monotonic()
            _, reference = await story.open_page()
            await story.phone.expects_soon(ADA, reference)
            took.append(time.monotonic() - started)
        # The phone has a text a moment before the pager has counted it.
        metrics = await running.metrics(until=SENT_THREE)
        asked = time.monotonic()
    finally:
        code = running.stop()

    # After a round its own tick alone would take a second to notice; the first page may fall just before one.
    assert min(took[1:]) < 0.9
    assert time.monotonic() - asked < 10
    assert code == 0
    assert SENT_THREE in metrics
    assert ADA not in running.log + metrics
    assert "/p/" not in running.log


@pytest.mark.parametrize("how", ["passes", "is out of reach"])
async def test_a_running_pager_tells_the_next_person_as_soon_as_the_first_one_passes_or_is_out_of_reach(
    story: Night, database_url: str, how: str
) -> None:
    story.phone.behave(Mode.DELIVER if how == "passes" else Mode.UNDELIVERED, ADA)
    running = Process(story, database_url)
    try:
        await running.ready()
        page, reference = await story.open_page()
        if how == "passes":
            await story.phone.expects_soon(ADA, reference)
            await story.phone.reply(ADA, "2")
        else:
            await story.until_states(page, "undelivered", person="ada")
        heard = time.monotonic()
        await story.phone.expects_soon(BEN, reference)
        took = time.monotonic() - heard
    finally:
        running.stop()

    # Looked at a quarter of a second later at most; the rest is for a busy machine.
    assert took < 1.5
