"""The watched folder, and the process that watches it: whole files only, nothing but files, one process, and nothing left for ever."""

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

from connectors.inbox.folder import SETTLED_SECONDS, UNENDED_SECONDS, Watch
from connectors.inbox.process import alone, tidy
from tests.inbox.cast import ARRESTS, Room, aged, arrest_row, table, until


def names(watch: Watch, now: float) -> list[str]:
    return [str(file.path.relative_to(watch.root)) for file in watch.look(now)]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_a_file_is_whole_once_it_has_stood_still(room: Room) -> None:
    watch, path = Watch(room.root), room.drop("met-custody/a.csv", ARRESTS)

    seen = [names(watch, 0.0), names(watch, 0.5), names(watch, SETTLED_SECONDS)]
    path.write_text(ARRESTS + "more")
    seen += [names(watch, 2.0), names(watch, 2.0 + SETTLED_SECONDS), names(watch, 2.0 + UNENDED_SECONDS)]

    assert seen == [[], [], ["met-custody/a.csv"], [], [], ["met-custody/a.csv"]]


@pytest.mark.parametrize(
    "name",
    [
        "a.csv.part",
        "a.csv.tmp",
        "a.part.csv",
        ".a.csv",
        "~$a.csv",
        "a.xlsx",
        "a.rejected.csv",
        "A.2.REJECTED.CSV",
        "a.summary.json",
        "met-custody/deeper/a.csv",
        ".hidden/a.csv",
        "mapping.toml",
    ],
)
def test_what_is_not_a_whole_csv_of_somebodys_is_left_alone(room: Room, name: str) -> None:
    watch = Watch(room.root)
    room.drop(name, ARRESTS)

    assert [names(watch, now) for now in (0.0, 100.0)] == [[], []]


def test_a_link_a_pipe_and_a_folder_are_no_files(room: Room) -> None:
    outside = room.drop("outside.txt", ARRESTS)
    (room.root / "met-custody").mkdir()
    (room.root / "met-custody/link.csv").symlink_to(outside)
    (room.root / "linked").symlink_to("/etc")
    (room.root / "met-custody/folder.csv").mkdir()
    os.mkfifo(room.root / "met-custody/pipe.csv")
    watch = Watch(room.root)

    assert [names(watch, now) for now in (0.0, 100.0)] == [[], []]


def test_the_oldest_file_comes_first(room: Room) -> None:
    aged(room.drop("met-custody/b.csv", ARRESTS), days=2)
    aged(room.drop("a.csv", ARRESTS), days=1)
    watch = Watch(room.root)
    watch.look(0.0)

    assert names(watch, 10.0) == ["met-custody/b.csv", "a.csv"]


def test_what_nobody_mended_is_removed_after_its_days_and_what_is_not_ours_is_not(room: Room) -> None:
    for name in ("a.rejected.csv", "met-custody/b.summary.json", "met-custody/mapping.toml", "met-custody/c.csv"):
        aged(room.drop(name, ARRESTS), days=31)
    room.drop("met-custody/d.rejected.csv", ARRESTS)

    tidy(room.root, before=time.time() - 30 * 86400)

    assert room.left() == ["met-custody/c.csv", "met-custody/d.rejected.csv", "met-custody/mapping.toml"]


def test_a_second_inbox_stands_by_until_the_first_is_gone(room: Room) -> None:
    with alone(room.root) as first:
        assert first()
        with alone(room.root) as second:
            assert not second()
    with alone(room.root) as third:
        assert third()


async def test_one_agencys_long_file_does_not_hold_up_anothers(room: Room) -> None:
    held, entered = threading.Event(), asyncio.Event()
    publish = room.shelf.publish

    async def slow(*envelopes: object) -> None:
        if len(envelopes) > 1:
            entered.set()
            await asyncio.to_thread(held.wait, 20)
        await publish(*envelopes)  # type: ignore[arg-type]

    room.shelf.publish = slow  # type: ignore[assignment,method-assign]
    room.drop("met-custody/big.csv", table(arrest_row(number) for number in range(900)))
    row = {"type": "missing", "report": "M-1", "force": "01", "risk": "high", "reported_at": "2026-11-21T02:06:00Z"}
    room.drop("met-missing/one.csv", table([{**row, "family_name": "Tallow", "date_of_birth": "2010-03-14"}]))
    watching = asyncio.create_task(room.inbox.watch())

    await asyncio.wait_for(entered.wait(), 20)
    await until(lambda: bool(room.shelf.kept))
    first = list(room.shelf.kept)
    held.set()
    await until(lambda: len(room.shelf.kept) == 901)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

    assert [one.feed for one in first] == ["met-missing"]


async def test_a_mapping_that_is_mended_lets_the_waiting_file_in(room: Room) -> None:
    room.drop("met-custody/mapping.toml", "type = ")
    room.drop("met-custody/night.csv", ARRESTS)
    watching = asyncio.create_task(room.inbox.watch())

    await asyncio.sleep(2.5)
    waited = not room.shelf.kept and (room.root / "met-custody/night.csv").exists()
    room.drop("met-custody/mapping.toml", "")
    await until(lambda: bool(room.shelf.kept))
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

    assert waited
