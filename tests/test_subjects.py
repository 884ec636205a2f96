"""Everything that is held about a child can be read, and erased: from every table, and for good."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store import answers, audit, subjects
from store.moments import moments, reviews
from store.opening import open_or_join
from store.pages import pages
from store.reviews import ask_review
from store.schema import TABLES
from tests.store_cast import DUTY, NOON, ROBIN, SEALER, WREN, asked, found, house
from tests.terminal import Terminal

NOT_ABOUT_A_CHILD = {
    "accounts": "staff",
    "agencies": "agencies",
    "agency_keys": "agencies",
    "audit": "kept: ids alone",
    "dead_letters": "pointers",
    "feed_hours": "counts",
    "drill_schedules": "teams",
    "duties": "staff",
    "held_follow_ups": "keyed hashes, for a day",
    "hl7_senders": "agencies",
    "visits": "by visit, sealed, until it is over",
    "inbox_files": "hashes of files",
    "phones": "staff",
    "planned": "staff",
    "provider_changes": "providers",
    "providers": "providers",
    "responders": "staff",
    "rota_changes": "staff",
    "sessions": "staff",
    "shifts": "staff",
    "steps": "teams",
}


def test_for_every_table_it_is_decided_whether_it_holds_a_child() -> None:
    assert {table.name for table in TABLES.sorted_tables} == {*subjects.HELD, *NOT_ABOUT_A_CHILD}


def test_every_sealed_column_of_a_childs_tables_has_its_place() -> None:
    sealed = {
        (table.name, column.name)
        for table in TABLES.sorted_tables
        for column in table.columns
        if table.name in subjects.HELD
        and column.type.__class__.__name__ == "LargeBinary"
        and column.name not in ("digest", "session")
    }

    assert sealed == set(subjects.SEALED)


async def test_everything_that_is_held_about_a_child_is_in_the_answer_and_of_no_other(database_url: str) -> None:
    async with house(database_url) as engine, engine.begin() as connection:
        await open_or_join(connection, SEALER, found("arrest"), at=NOON)
        await open_or_join(connection, SEALER, found("other", WREN), at=NOON)
        await ask_review(connection, SEALER, asked("perhaps"), at=NOON)

        held = {one["table"]: one async for one in subjects.read(connection, SEALER, ROBIN)}

    assert {"children", "moments", "facts", "pages", "attempts", "reviews", "audit"} <= set(held)
    assert held["children"]["rows"][0]["sealed"]["nhs_number"] == "9990000018"
    assert held["facts"]["rows"][0]["details"] == {"custody_record": "01CB/1234/26"}
    assert held["reviews"]["rows"][0]["person"]["family_name"] == "Lampwick"
    assert held["reviews"]["look_at_before_disclosure"]
    told = json.dumps({name: one for name, one in held.items() if name != "audit"})
    assert WREN not in told


async def test_a_child_of_whom_a_page_is_open_is_not_erased(database_url: str) -> None:
    async with house(database_url) as engine, engine.begin() as connection:
        await open_or_join(connection, SEALER, found("arrest"), at=NOON)

        with pytest.raises(subjects.StillNeeded, match="close it"):
            await subjects.erase(connection, ROBIN, at=NOON, who="test", why="asked for")


async def test_a_child_to_whom_somebody_is_on_the_way_is_erased_once_contact_is_recorded(database_url: str) -> None:
    async with house(database_url) as engine, engine.begin() as connection:
        await open_or_join(connection, SEALER, found("arrest"), at=NOON)
        page = (await connection.execute(select(pages.c.page))).scalar_one()
        await answers.accept(connection, page, DUTY, via="reply", at=NOON)
        with pytest.raises(subjects.StillNeeded, match="record contact"):
            await subjects.erase(connection, ROBIN, at=NOON, who="test", why="asked for")
        await answers.record_contact(connection, page, DUTY, via="reply", at=NOON)

        erased = await subjects.erase(connection, ROBIN, at=NOON, who="test", why="asked for")

        left = [one["table"] async for one in subjects.read(connection, SEALER, ROBIN)]
    assert erased["children"] == erased["moments"] == erased["pages"] == 1
    assert left == ["children_changes", "audit"]


async def test_a_child_whom_an_open_review_names_is_not_erased(database_url: str) -> None:
    async with house(database_url) as engine, engine.begin() as connection:
        await ask_review(connection, SEALER, asked("perhaps"), at=NOON)

        with pytest.raises(subjects.StillNeeded, match="decide it"):
            await subjects.erase(connection, ROBIN, at=NOON, who="test", why="asked for")


async def test_an_erased_child_is_in_no_table_and_the_chain_holds_and_says_so(database_url: str) -> None:
    async with house(database_url) as engine:
        await _told_and_over(engine)
        async with engine.begin() as connection:
            erased = await subjects.erase(connection, ROBIN, at=NOON, who="test", why="asked for")

        async with engine.connect() as connection:
            left = [one["table"] async for one in subjects.read(connection, SEALER, ROBIN)]
            others = {one["table"] async for one in subjects.read(connection, SEALER, WREN)}
            mentions = await _tables_that_say(connection, ROBIN)
            assert await audit.verify(connection) is None
    assert erased["children"] == erased["moments"] == erased["pages"] == erased["facts"] == 1
    # The change of the list stays for a day, so that every worker hears of it: an id and a number.
    assert left == ["children_changes", "audit"]
    assert mentions == {"audit", "children_changes"}
    assert {"moments", "pages", "facts", "children"} <= others


async def test_erasing_twice_finds_nothing_more(database_url: str) -> None:
    async with house(database_url) as engine:
        await _told_and_over(engine)
        async with engine.begin() as connection:
            await subjects.erase(connection, ROBIN, at=NOON, who="test", why="asked for")

            again = await subjects.erase(connection, ROBIN, at=NOON, who="test", why="asked for")

    assert again == {}


async def test_what_ended_long_ago_is_forgotten_and_what_ended_lately_is_not(database_url: str) -> None:
    async with house(database_url) as engine:
        await _told_and_over(engine)
        async with engine.begin() as connection:
            early = await subjects.forget_ended(connection, before=NOON - timedelta(days=1))
            late = await subjects.forget_ended(connection, before=NOON + timedelta(days=1))
            left = {one["table"] async for one in subjects.read(connection, SEALER, ROBIN)}

    assert (early, late) == (0, 2)
    assert "children" in left  # the child is watched as before
    assert not {"moments", "pages", "facts", "attempts", "reviews"} & left


async def _told_and_over(engine: AsyncEngine) -> None:
    """A moment of each child, and a review of one of them, all ended at noon."""
    async with engine.begin() as connection:
        await open_or_join(connection, SEALER, found("arrest"), at=NOON)
        await open_or_join(connection, SEALER, found("other", WREN), at=NOON)
        await ask_review(connection, SEALER, asked("perhaps"), at=NOON)
        ended = {"ended_at": NOON, "next_step_at": None}
        await connection.execute(update(pages).values(state="withdrawn", **ended))
        await connection.execute(update(moments).values(state="withdrawn", ended_at=NOON))
        await connection.execute(update(reviews).values(state="expired", decided_at=NOON, decided_by="test"))


async def _tables_that_say(connection: AsyncConnection, word: str) -> set[str]:
    """Every table in which the word stands anywhere, whatever the column."""
    found = set()
    for table in TABLES.sorted_tables:
        if await connection.scalar(text(f"SELECT count(*) FROM {table.name} AS t WHERE t::text LIKE '%{word}%'")):  # noqa: S608
            found.add(table.name)
    return found


def test_a_subjects_document_names_every_table_and_that_it_was_given_out_is_written_down(settled: Terminal) -> None:
    told = json.loads(settled.does("subject", "W-1"))

    assert told["child"] == "W-1"
    assert "children" in [section["table"] for section in told["held"]]
    assert told["elsewhere"]
    assert settled.rows("SELECT about FROM audit WHERE what = 'subject-disclosed'") == [("child/W-1",)]


def test_an_erased_child_is_gone_and_the_others_stay(settled: Terminal) -> None:
    said = settled.does("erase", "W-1", "--why", "moved away")

    assert said.startswith("Erased W-1: 1 of children")
    assert len(settled.rows("TABLE children")) == 3
    assert settled.does("audit", "verify") == "The chain holds.\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("subject", "nobody"), "Nothing is held about nobody: 'nightlight children list' names those on the list."),
        (("erase", "nobody", "--why", "asked"), "Nothing is held about nobody: there is nothing to erase."),
    ],
)
def test_of_a_child_of_whom_nothing_is_held_that_is_said(words: tuple[str, ...], says: str, terminal: Terminal) -> None:
    assert terminal.refuses(*words) == says
