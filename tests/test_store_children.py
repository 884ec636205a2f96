"""The list of watched children: sealed at rest, followed by version, and gone when it is gone."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.sealing import SealBroken
from store import audit, children, scans
from store.csvs import BadFile
from store.roster import Action, Change
from tests.store_cast import NOON, ROBIN, SEALER, TODAY, WREN, child, engine, rows, watch


def add(*ids: str) -> list[Change]:
    return [Change(line, Action.ADD, each, child(each)) for line, each in enumerate(ids, start=2)]


def remove(*ids: str) -> list[Change]:
    return [Change(line, Action.REMOVE, each, None) for line, each in enumerate(ids, start=2)]


async def take(connection: AsyncConnection, changes: Sequence[Change]) -> children.Difference:
    return await children.apply_import(connection, SEALER, changes, at=NOON, who="test")


async def test_an_import_can_be_read_back_whole(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        done = await take(connection, add(ROBIN, WREN))

        read = [pair async for pair in children.snapshot(connection, SEALER)]
    assert str(done) == "2 added, 0 updated, 0 removed"
    assert sorted(read) == [(ROBIN, child(ROBIN)), (WREN, child(WREN))]


async def test_nothing_that_says_who_lies_open_in_the_table(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await take(connection, add(ROBIN))

        stored = repr(await rows(connection, children.children)) + repr(await rows(connection, audit.audit))
    for value in ("Lampwick", "Robin", "2010", "9990000018", "strategy"):
        assert value not in stored


async def test_an_entry_moved_to_another_child_does_not_open(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await take(connection, add(ROBIN, WREN))
        swap = (
            "UPDATE children SET sealed = (SELECT sealed FROM children WHERE child = 'c-wren') WHERE child = 'c-robin'"
        )
        await connection.execute(text(swap))

        with pytest.raises(SealBroken):
            await children.find(connection, SEALER, ROBIN)


async def test_an_update_is_the_whole_new_entry(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await take(connection, add(ROBIN))
        new = child(ROBIN, team="Camden", nhs_number=None)

        done = await take(connection, [Change(2, Action.UPDATE, ROBIN, new)])

        found = await children.find(connection, SEALER, ROBIN)
        (listed,) = await children.listing(connection)
    assert found == new.model_copy(update={"former_identifiers": (("nhs_number", "9990000018"),)})
    assert (done.updated, listed.team) == ((ROBIN,), "Camden")


async def test_what_updates_have_replaced_is_kept_beside_the_new_and_goes_with_the_child(database_url: str) -> None:
    moved = child(ROBIN, family_name="Tallow", postcode="N1 9GU")
    again = child(ROBIN, family_name="Tallow", postcode="SW9 8XX", previous_family_names=("Lampwick",))
    async with engine(database_url) as made, made.begin() as connection:
        await take(connection, add(ROBIN))
        for entry in (moved, again):
            await take(connection, [Change(2, Action.UPDATE, ROBIN, entry)])
        found = await children.find(connection, SEALER, ROBIN)

        await children.remove(connection, ROBIN, at=NOON, who="test", why="moved away")
        await take(connection, add(ROBIN))

        fresh = await children.find(connection, SEALER, ROBIN)
    assert found is not None
    assert found.former_postcodes == ("N1 9GU",)
    assert found.former_family_names == ()  # the file says it itself now
    assert fresh == child(ROBIN)


async def test_a_child_whose_seal_is_broken_is_named_and_the_others_are_there(database_url: str) -> None:
    broken: list[str] = []
    async with engine(database_url) as made, made.begin() as connection:
        await take(connection, add(ROBIN, WREN))
        await connection.execute(text("UPDATE children SET sealed = 'x' WHERE child = 'c-robin'"))

        read = [each async for each, _ in children.snapshot(connection, SEALER, broken=broken.append)]
        changed = await children.changes_since(connection, SEALER, 0, broken=broken.append)

    assert read == [WREN]
    assert [(each, entry is None) for _, each, entry in changed] == [(ROBIN, True), (WREN, False)]
    assert broken == [ROBIN, ROBIN]


async def test_whoever_is_added_or_changed_is_looked_for_and_whoever_is_removed_is_not(database_url: str) -> None:
    later = NOON + timedelta(minutes=1)
    async with engine(database_url) as made, made.begin() as connection:
        await take(connection, add(ROBIN, WREN))
        await children.remove(connection, WREN, at=NOON, who="test", why="moved away")

        early = await scans.take(connection, "a", known=0, before=later, at=NOON)
        scan = await scans.take(connection, "a", known=100, before=later, at=NOON)
        other = await scans.take(connection, "b", known=100, before=later, at=NOON)
        after_a_kill = await scans.take(connection, "b", known=100, before=later, at=NOON + 2 * scans.HOLD)
        await take(connection, [Change(2, Action.UPDATE, ROBIN, child(ROBIN, team="Camden"))])
        assert after_a_kill is not None
        await scans.done(connection, "b", after_a_kill)
        left = await scans.waiting(connection)

    assert early is None  # this worker's list does not have it yet
    assert scan is not None
    assert scan.children == after_a_kill.children == {ROBIN}
    assert other is None
    assert left == 1  # changed meanwhile: looked for anew


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (Change(7, Action.ADD, ROBIN, child(ROBIN)), "action"),
        (Change(7, Action.UPDATE, "c-new", child("c-new")), "child_id"),
        (Change(7, Action.REMOVE, "c-new", None), "child_id"),
    ],
)
async def test_an_action_that_does_not_fit_the_list_is_named_and_nothing_is_taken(
    database_url: str, change: Change, column: str
) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await take(connection, add(ROBIN))

        with pytest.raises(BadFile) as refused:
            await take(connection, [*add(WREN), change])

        assert [listed.child for listed in await children.listing(connection)] == [ROBIN]
    assert [(problem.line, problem.column) for problem in refused.value.problems] == [(7, column)]


async def test_a_dry_run_shows_the_difference_and_changes_nothing(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await take(connection, add(ROBIN))
        before = await children.latest_version(connection)

        shown = await children.difference(connection, [*remove(ROBIN), *add(WREN)])

        assert await children.latest_version(connection) == before
    assert shown == children.Difference(added=(WREN,), updated=(), removed=(ROBIN,))


async def test_a_worker_follows_every_change_in_order(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await take(connection, add(ROBIN, WREN))
        version = await children.latest_version(connection)
        new = child(WREN, team="Camden")

        await take(connection, [Change(2, Action.UPDATE, WREN, new)])
        await children.remove(connection, ROBIN, at=NOON, who="test", why="plan ended")

        changed = await children.changes_since(connection, SEALER, version)
        assert await children.latest_version(connection) == version + 2
        assert await children.changes_since(connection, SEALER, version + 2) == []
    assert changed == [(version + 1, WREN, new), (version + 2, ROBIN, None)]


async def test_versions_are_seen_in_the_order_in_which_they_are_committed(database_url: str) -> None:
    """A reader that has seen version 2 must never be shown version 1 afterwards: it would step past it."""
    async with engine(database_url) as made:
        seen: list[int] = []

        async def write(number: int) -> None:
            async with made.begin() as connection:
                await take(connection, add(f"c-{number}"))

        async def read() -> None:
            while len(seen) < 20:
                async with made.connect() as connection:
                    after = seen[-1] if seen else 0
                    seen.extend(v for v, _, _ in await children.changes_since(connection, SEALER, after))
                await asyncio.sleep(0)

        async with asyncio.timeout(30):
            await asyncio.gather(read(), *(write(number) for number in range(20)))
    assert seen == sorted(set(seen))
    assert len(seen) == 20


async def test_nobody_takes_a_version_while_another_import_is_not_committed(database_url: str) -> None:
    async with engine(database_url) as made, made.connect() as watching:
        async with made.begin() as first:
            await take(first, add(ROBIN))

            async def write() -> None:
                async with made.begin() as second:
                    await take(second, add(WREN))

            writing = asyncio.create_task(write())
            await asyncio.sleep(0.3)  # so that it waits its turn
            taken = await watching.scalar(text("SELECT last_value FROM children_versions"))

        # The first import is committed here.
        await writing

        after = await watching.scalar(text("SELECT last_value FROM children_versions"))
    assert (taken, after) == (1, 2)


async def test_a_worker_that_slept_too_long_is_told_to_load_again(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await take(connection, add(ROBIN))
        slept_at = await children.latest_version(connection)
        await take(connection, add(WREN))
        await children.remove(connection, ROBIN, at=NOON, who="test", why="plan ended")
        tomorrow = NOON + timedelta(days=1, seconds=1)

        await children.forget_changes(connection, tomorrow)

        with pytest.raises(children.TooFarBehind):
            await children.changes_since(connection, SEALER, slept_at)
        newest = await children.latest_version(connection)
        assert await children.changes_since(connection, SEALER, newest) == []


async def test_a_removed_child_leaves_an_id_and_nothing_else(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        await take(connection, add(ROBIN))

        removed = await children.remove(connection, ROBIN, at=NOON, who="mina", why="plan ended")
        again = await children.remove(connection, ROBIN, at=NOON, who="mina", why="plan ended")

        assert await rows(connection, children.children) == []
        last = (await rows(connection, audit.audit))[-1]
    assert (removed, again) == (True, False)
    assert (last.what, last.who, last.about) == ("child-removed", "mina", f"child/{ROBIN}")


async def test_entries_that_need_a_decision_soon_are_due(database_url: str) -> None:
    async with engine(database_url) as made, made.begin() as connection:
        soon, later = TODAY + timedelta(days=14), TODAY + timedelta(days=15)
        await watch(connection, child("c-soon", review_on=soon), child("c-later", review_on=later))

        due = await children.due(connection, TODAY)
    assert [entry.child for entry in due] == ["c-soon"]


async def test_an_import_of_thousands_is_one_transaction_in_versions_of_its_own(database_url: str) -> None:
    changes = [replace(add("c")[0], child_id=f"c-{n}", child=child(f"c-{n}")) for n in range(6000)]
    async with engine(database_url) as made:
        async with made.begin() as connection:
            await take(connection, changes)

        async with made.connect() as connection:
            versions = [row.version for row in await rows(connection, children.children, "version")]
            read = [child_id async for child_id, _ in children.snapshot(connection, SEALER)]
    assert len(set(versions)) == len(set(read)) == 6000
