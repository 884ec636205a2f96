"""Not the same: what tells two people apart is remembered as keyed hashes, and never hides the child."""

from collections.abc import AsyncIterator
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.moments import Candidate, Decision, Lane
from schemas.person import Person
from store import children, pairs
from store.roster import Action, Change
from streams.pairs import Pairs
from tests.store_cast import NOON, ROBIN, SEALER, child, house, key, rows

BORN = date(2010, 3, 14)
TWIN = Person(family_name="Lampwick", given_name="Jay", date_of_birth=BORN, postcode="N1 9GU", nhs_number="9990000026")
NAMESAKE = Person(family_name="Lampwick", given_name="Robin", date_of_birth=BORN, postcode="SW9 8XX")


@pytest.fixture
async def made(database_url: str) -> AsyncIterator[AsyncEngine]:
    async with house(database_url) as engine:
        yield engine


@pytest.fixture
async def known(made: AsyncEngine) -> Pairs:
    """A worker's pairs, before anything was said."""
    followed = Pairs(made, SEALER, lambda: NOON)
    await followed.load()
    return followed


def near(person: str = ROBIN) -> Decision:
    candidate = Candidate(child=person, weight=20.0, probability=0.9)
    return Decision(lane=Lane.REVIEW, child=person, candidates=(candidate,), model="test")


async def say(made: AsyncEngine, person: Person, event: str = "arrest", **child_is: object) -> int:
    async with made.begin() as connection:
        told = pairs.marks(SEALER, person)
        return await pairs.exclude(
            connection, SEALER, child(ROBIN, **child_is), told, event_key=key(event), who="dora", at=NOON
        )


@pytest.mark.parametrize(
    ("again", "is_known"),
    [
        (TWIN, True),
        (Person(nhs_number="999 000 0026"), True),
        (Person(family_name="LAMPWICK ", given_name="Jáy", date_of_birth=BORN), True),
        (Person(family_name="Lampwick", given_name="Jay", date_of_birth=date(2010, 3, 15)), False),
        (Person(family_name="Lampwick", given_name="Robin", date_of_birth=BORN), False),
        (Person(family_name="Lampwick", date_of_birth=BORN, postcode="N1 9GU"), False),
        # Whoever typed this opened the twin's record, and yet has the child's own number.
        (Person(family_name="Lampwick", given_name="Jay", date_of_birth=BORN, nhs_number="9990000018"), False),
    ],
    ids=["all", "number", "name and birth date", "another day", "the child", "no given name", "the child's number"],
)
async def test_the_same_person_again_is_known_not_to_be_the_child(
    made: AsyncEngine, known: Pairs, again: Person, is_known: bool
) -> None:
    assert await say(made, TWIN) == 3

    await known.catch_up()

    assert known.unlike(again, near()) == (frozenset({ROBIN}) if is_known else frozenset())
    assert known.unlike(again, near("c-wren")) == frozenset()


async def test_of_somebody_who_shares_name_and_birth_date_only_what_differs_is_remembered(
    made: AsyncEngine, known: Pairs
) -> None:
    assert await say(made, NAMESAKE) == 1

    await known.catch_up()

    assert known.unlike(NAMESAKE, near()) == {ROBIN}
    assert known.unlike(NAMESAKE.model_copy(update={"postcode": "N1 9GU"}), near()) == frozenset()


async def test_where_everything_said_is_the_childs_nothing_is_remembered(made: AsyncEngine, known: Pairs) -> None:
    assert await say(made, NAMESAKE, postcode="SW9 8XX") == 0

    await known.catch_up()

    assert known.unlike(NAMESAKE, near()) == frozenset()


async def test_of_an_identity_that_is_not_reliable_only_identifiers_count() -> None:
    unsure = TWIN.model_copy(update={"identity_reliable": False})

    assert pairs.marks(SEALER, unsure) == pairs.marks(SEALER, Person(nhs_number="9990000026"))


async def test_an_entry_that_gets_the_mark_ends_the_pair(made: AsyncEngine, known: Pairs) -> None:
    await say(made, TWIN)
    await known.catch_up()
    corrected = child(ROBIN, nhs_number="9990000026", other_names=("Jay",))

    async with made.begin() as connection:
        changes = [Change(2, Action.UPDATE, ROBIN, corrected)]
        await children.apply_import(connection, SEALER, changes, at=NOON, who="test")
    await known.catch_up()

    assert known.unlike(TWIN, near()) == frozenset()


async def test_it_can_be_taken_back_and_said_again(made: AsyncEngine, known: Pairs) -> None:
    await say(made, TWIN)
    async with made.begin() as connection:
        forgotten = await pairs.take_back(connection, key("arrest"), at=NOON)
    await known.catch_up()
    assert (forgotten, known.unlike(TWIN, near())) == (3, frozenset())

    await say(made, TWIN, event="admission")
    await known.catch_up()

    assert known.unlike(TWIN, near()) == {ROBIN}


async def test_with_the_child_go_its_pairs(made: AsyncEngine, known: Pairs) -> None:
    await say(made, TWIN)
    await known.catch_up()

    async with made.begin() as connection:
        await children.remove(connection, ROBIN, at=NOON, who="test", why="moved away")
        left = await rows(connection, pairs.exclusions)
    await known.load()

    assert left == []
    assert known.unlike(TWIN, near()) == frozenset()


async def test_nothing_that_says_who_lies_in_the_table(made: AsyncEngine) -> None:
    await say(made, TWIN)

    async with made.connect() as connection:
        stored = repr(await rows(connection, pairs.exclusions))
    for value in ("Jay", "Lampwick", "9990000026", "2010", "N1", "9990000018"):
        assert value not in stored


NAMES = st.sampled_from(("Robin", "Jay", "Ó Néill", "  robin ", "Anne-Marie", None))


@given(given_name=NAMES, family_name=NAMES, number=st.sampled_from(("9990000018", "999 000 0026", "123", None)))
def test_a_childs_own_marks_hold_every_mark_of_a_person_who_says_the_same(
    given_name: str | None, family_name: str | None, number: str | None
) -> None:
    said = {"given_name": given_name, "family_name": family_name, "postcode": "N1 9GU", "date_of_birth": BORN}
    person = Person(**said, upn="B801200005001", nhs_number=number)
    entry = child(ROBIN, **said, upn="B801200005001", nhs_number=number)

    assert set(pairs.marks(SEALER, person)) <= pairs.marks_of_child(SEALER, entry)
