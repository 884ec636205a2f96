"""The pager is killed at every point that has a name: nothing is told never, and nothing three times."""

import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from schemas.base import utc_now
from store import answers
from store.pages import pages
from tests.pager_cast import ADA, Night, night
from tests.test_notifiers_process import POINTS, Process

ELSEWHERE = {"before_escalate", "before_contact_asked"}
"""Points that are not around a provider's call: each has a test of its own, there or here."""


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url) as begun:
        begun.watch.now = utc_now()
        yield begun


def test_at_every_point_that_has_a_name_a_test_kills_the_pager() -> None:
    source = "\n".join(path.read_text() for path in Path("notifiers").glob("*.py"))

    named = set(re.findall(r'at_point\("(\w+)"\)', source))

    assert named == {point for point, _ in POINTS} | ELSEWHERE


async def test_killed_before_it_asks_about_contact_the_next_one_asks_once(story: Night, database_url: str) -> None:
    page, _ = await story.open_page()
    async with story.engine.begin() as connection:
        await answers.accept(connection, page, "ada", via="desk", at=story.watch())
        due = utc_now() - timedelta(seconds=1)
        await connection.execute(update(pages).where(pages.c.page == page).values(contact_due_at=due))
    killed = Process(story, database_url, die_at="before_contact_asked")
    code = await killed.died()
    killed.stop()
    before = await story.attempts(page, purpose="reminder")

    story.watch.now = utc_now()
    for _ in range(3):
        await story.round()

    assert (code, before) == (-signal.SIGKILL, [])
    assert [one.channel for one in await story.attempts(page, purpose="reminder")] == ["sms"]
    await story.phone.expects_soon(ADA, "no contact is recorded")


def test_a_pager_alone_knows_every_table_that_it_forgets_rows_of() -> None:
    asks = "import notifiers.pager; from store import subjects; from store.database import TABLES; "
    asks += "print(sorted(set(subjects.HELD) - set(TABLES.tables)))"

    said = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)

    assert said.stdout == "[]\n"
