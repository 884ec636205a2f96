"""The timeline of a page: every attempt, receipt, reply, link and entry of the chain, in order, in one file, and no child's name."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from commands.paper import render
from embedded.phone import Mode
from store import audit, links, receipts, timeline
from store.pages import pages
from store.receipts import Receipt
from tests.house import own_environment, run
from tests.pager_cast import ADA, BEN, NIGHT, Night, night


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url) as begun:
        yield begun


async def played(story: Night) -> tuple[UUID, str]:
    """Ada's phone is off; Ben is told, opens his link, and accepts by text."""
    story.phone.behave(Mode.UNDELIVERED, ADA)
    page, reference = await story.open_page()
    for _ in range(3):
        await story.round()
        story.watch.later(seconds=1)
    text = await story.phone.expects_soon(BEN, reference)
    token = text.body.rpartition("/p/")[2]
    async with story.engine.begin() as connection:
        await links.mark_opened(connection, token, at=story.watch.later(seconds=5))
    story.watch.later(seconds=5)
    await story.phone.reply(BEN, f"{reference} 1")
    return page, reference


async def of(story: Night, page: UUID) -> timeline.Timeline:
    async with story.engine.connect() as connection:
        return await timeline.of_page(connection, page)


async def test_everything_that_happened_is_in_it_in_order_of_time(story: Night) -> None:
    page, reference = await played(story)

    told = await of(story, page)

    what = [line.what for line in told.lines]
    assert told.reference == reference
    assert [line.at for line in told.lines] == sorted(line.at for line in told.lines)
    assert {
        "to-be-told", "sent", "undelivered", "receipt", "link-made", "link-opened", "answered", "written: page-accepted",
        "written: page-stepped",
    } <= set(what)  # fmt: skip
    lost = next(line for line in told.lines if line.what == "undelivered")
    assert (lost.who, lost.detail["code"], lost.detail["reason"]) == ("ada (Ada)", "30003", "phone-unreachable")
    answer = next(line for line in told.lines if line.what == "answered")
    assert (answer.who, answer.detail["understood_as"]) == ("ben (Ben)", "accept")


async def test_every_line_of_the_chain_about_the_page_is_in_it_with_its_hash(story: Night) -> None:
    page, _ = await played(story)

    told = await of(story, page)

    async with story.engine.connect() as connection:
        rows = await connection.execute(select(audit.audit).where(audit.audit.c.about == f"page/{page}"))
        chain = {bytes(row.hash).hex() for row in rows}
    assert chain
    assert chain == {line.detail["hash"] for line in told.lines if line.what.startswith("written: ")}


async def test_it_holds_no_phone_and_no_free_words_of_a_reply(story: Night) -> None:
    page, _ = await story.open_page()
    await story.round()
    await story.phone.reply(ADA, "is it little Robin Lampwick again?")
    await story.phone.reply(ADA, "1")

    whole = json.dumps((await of(story, page)).as_json())

    assert "Lampwick" not in whole
    assert "+4477" not in whole


async def test_other_children_whom_the_matcher_compared_are_not_in_it(story: Night) -> None:
    page, _ = await story.open_page()
    async with story.engine.begin() as connection:
        detail = {"lane": "page", "candidates": [{"child": "W-other"}], "why": ["family_name: equal (+5.0)"]}
        about = f"page/{page}"
        await audit.record(connection, audit.What.EVENT_DECIDED, who="streams", about=about, at=NIGHT, detail=detail)

    whole = json.dumps((await of(story, page)).as_json())

    assert "family_name: equal" in whole
    assert "W-other" not in whole


async def test_a_key_that_was_pressed_in_a_call_is_in_it(story: Night) -> None:

    page, _ = await story.open_page()
    [attempt] = await story.attempts(page)
    async with story.engine.begin() as connection:
        pressed = Receipt("twilio", "CA1", "key", "1", attempt.attempt)
        await receipts.keep(connection, pressed, at=NIGHT)

    told = await of(story, page)

    pressed = [line for line in told.lines if line.what == "key-pressed"]
    assert [(line.who, line.detail["code"]) for line in pressed] == [("ada (Ada)", "1")]


async def test_what_somebody_said_that_was_not_understood_is_in_it_from_when_they_were_told(story: Night) -> None:
    page, _ = await story.open_page()
    await story.phone.reply(BEN, "is anything open?")  # who was told of nothing
    await story.round()
    story.watch.later(seconds=5)
    await story.phone.reply(ADA, "on my way")
    story.watch.later(seconds=5)
    await story.phone.reply(ADA, "1")

    told = await of(story, page)

    said = [line for line in told.lines if line.what in ("said-of-no-page", "answered")]
    assert [(line.what, line.who, line.detail["understood_as"]) for line in said] == [
        ("said-of-no-page", "ada (Ada)", "unclear"),
        ("answered", "ada (Ada)", "accept"),
    ]
    assert "said_back" not in said[0].detail


async def test_the_paper_is_a_pdf_with_its_language_its_title_and_every_line(story: Night) -> None:
    page, reference = await played(story)
    told = await of(story, page)

    paper = render(told, at=NIGHT, why="case review")

    assert paper.startswith(b"%PDF-")
    assert b"/Lang (en-GB)" in paper
    assert b"/Outlines" in paper
    assert reference.encode("utf-16-be") in paper or reference.encode() in paper
    assert len(render(told, at=NIGHT, why="Łódź – “quoted”")) > 1000  # letters that the font lacks break nothing


def nightlight(database_url: str, home: Path, *words: str) -> Any:
    return run(*words, environment=own_environment(home, {"NIGHTLIGHT_DATABASE_URL": database_url}))


async def test_the_command_writes_both_files_and_writes_down_that_it_has(
    story: Night, database_url: str, tmp_path: Path
) -> None:
    page, reference = await played(story)
    words = ("timeline", reference.lower(), "--json", str(tmp_path / "a.json"), "--pdf", str(tmp_path / "a.pdf"))

    done = await asyncio.to_thread(nightlight, database_url, tmp_path, *words, "--why", "review 7")

    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads((tmp_path / "a.json").read_text())
    assert (said["format"], said["reference"], said["page"], said["why"]) == (
        timeline.FORMAT,
        reference,
        str(page),
        "review 7",
    )
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF-")
    assert {oct((tmp_path / name).stat().st_mode & 0o777) for name in ("a.json", "a.pdf")} == {"0o600"}
    async with story.engine.connect() as connection:
        rows = (await connection.execute(select(audit.audit).order_by(audit.audit.c.entry))).all()
    (last,) = [row for row in rows if row.what == "timeline-exported"]
    assert (last.about, last.detail["why"], last.detail["as"]) == (f"page/{page}", "review 7", ["json", "pdf"])
    assert audit.first_broken(rows) is None


async def test_without_a_file_it_is_on_the_screen(story: Night, database_url: str, tmp_path: Path) -> None:
    _, reference = await played(story)

    done = await asyncio.to_thread(nightlight, database_url, tmp_path, "timeline", reference)

    assert done.returncode == 0
    assert "link-opened" in done.stdout


async def test_a_reference_that_no_page_has_and_one_that_several_have_are_refused_with_one_sentence(
    story: Night, database_url: str, tmp_path: Path
) -> None:
    first, reference = await story.open_page()
    second, other = await story.open_page()
    async with story.engine.begin() as connection:
        ended = {"state": "withdrawn", "next_step_at": None, "ended_at": NIGHT + timedelta(hours=1)}
        await connection.execute(update(pages).where(pages.c.page == second).values(reference=reference, **ended))

    none = await asyncio.to_thread(nightlight, database_url, tmp_path, "timeline", other)
    several = await asyncio.to_thread(nightlight, database_url, tmp_path, "timeline", reference)
    chosen = await asyncio.to_thread(nightlight, database_url, tmp_path, "timeline", reference, "--page", str(first))
    nowhere = await asyncio.to_thread(
        nightlight, database_url, tmp_path, "timeline", reference, "--json", str(tmp_path / "not" / "there.json")
    )

    assert (none.returncode, none.stderr.count("\n")) == (1, 1)
    assert (several.returncode, str(first) in several.stderr, str(second) in several.stderr) == (1, True, True)
    assert chosen.returncode == 0
    assert (nowhere.returncode, nowhere.stderr.count("\n")) == (1, 1)


async def test_the_auditors_questions_can_be_asked_by_hand(story: Night, database_url: str, tmp_path: Path) -> None:
    page, _ = await story.open_page()
    late = await asyncio.to_thread(nightlight, database_url, tmp_path, "auditor")
    async with story.engine.begin() as connection:
        ended = {"state": "withdrawn", "next_step_at": None, "ended_at": NIGHT}
        await connection.execute(update(pages).values(**ended))
        await connection.exec_driver_sql("UPDATE attempts SET state = 'dropped', settled_at = due_at")
        await connection.exec_driver_sql("UPDATE moments SET state = 'withdrawn', ended_at = opened_at")

    well = await asyncio.to_thread(nightlight, database_url, tmp_path, "auditor")

    assert late.returncode == 1
    assert "step-late" in late.stdout
    assert str(page) in late.stdout
    assert (well.returncode, well.stdout) == (0, "Nothing is broken.\n")
