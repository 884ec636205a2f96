"""Ids are the same on every replay, and references can be read aloud."""

from itertools import islice
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from schemas.pages import REFERENCE_LETTERS
from store import sending
from store.ids import attempt_id, moment_id, page_id, references
from store.opening import open_or_join
from store.pages import pages
from tests.store_cast import NOON, ROBIN, SEALER, TEAM, WREN, found, house, key, rows


@given(st.uuids())
def test_a_reference_has_four_letters_without_look_alikes_and_a_digit(page: UUID) -> None:
    for reference in islice(references(page), 5):
        assert len(reference) == 4
        assert set(reference) <= set(REFERENCE_LETTERS)
        assert any(letter.isdigit() for letter in reference)


@given(st.uuids())
def test_a_page_has_the_same_references_every_time(page: UUID) -> None:
    assert list(islice(references(page), 5)) == list(islice(references(page), 5))


@given(st.uuids(), st.text(max_size=10), st.integers(1, 9))
def test_an_attempt_has_one_id_whoever_writes_it(page: UUID, person: str, step: int) -> None:
    mine = attempt_id(page, "page", step, 1, person, "sms")

    assert mine == sending.attempt_id(page, "page", step, 1, person, "sms", 1)


async def test_two_live_pages_never_share_a_reference(database_url: str) -> None:
    wanted = next(references(page_id(moment_id(WREN, key("second")), TEAM)))
    async with house(database_url) as engine, engine.begin() as connection:
        await open_or_join(connection, SEALER, found("first", ROBIN), at=NOON)
        await connection.execute(update(pages).values(reference=wanted))

        await open_or_join(connection, SEALER, found("second", WREN), at=NOON)

        used = [row.reference for row in await rows(connection, pages, "reference")]
    assert wanted in used
    assert len(set(used)) == 2
