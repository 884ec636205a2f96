"""A child who has moved, or has a new name or number, is recognised by what agencies still say; and no longer once removed."""

from datetime import date

import pytest

from schemas.child import WatchedChild
from schemas.moments import Lane
from schemas.person import Person
from store.formers import MOST, remember
from streams.matching import Matcher

BEFORE = WatchedChild(
    child_id="C1",
    authority="E09000019",
    team="Islington",
    family_name="Tallow",
    given_name="Zebedee",
    date_of_birth=date(2011, 5, 17),
    postcode="N5 2BB",
    nhs_number="9990000042",
)
NOW = BEFORE.model_copy(update={"family_name": "Wickfield", "postcode": "SW9 8XX", "nhs_number": "9990000050"})
BORN = date(2011, 5, 17)


def matcher(child: WatchedChild) -> Matcher:
    listed = Matcher(background=False)
    listed.load([child])
    return listed


@pytest.mark.parametrize(
    "said",
    [
        Person(family_name="Tallow", given_name="Zebedee", date_of_birth=BORN, postcode="N5 2BB"),
        Person(family_name="Tallow", given_name="Zebedee", date_of_birth=BORN, nhs_number="9990000042"),
        Person(family_name="Wickfield", given_name="Zebedee", date_of_birth=BORN, postcode="N5 2BB"),
        Person(family_name="Wickfield", given_name="Zebedee", date_of_birth=BORN, nhs_number="9990000042"),
        Person(family_name="Wickfield", given_name="Zebedee", date_of_birth=BORN, nhs_number="9990000050"),
    ],
    ids=["name and postcode", "name and number", "the new name, the old postcode", "the old number", "all new"],
)
def test_what_an_agency_has_not_heard_of_yet_is_still_the_child(said: Person) -> None:
    assert matcher(remember(NOW, BEFORE)).decide(said).lane is Lane.PAGE


def test_without_its_history_the_old_number_is_somebody_elses() -> None:
    said = Person(family_name="Wickfield", given_name="Zebedee", date_of_birth=BORN, nhs_number="9990000042")

    assert matcher(NOW).decide(said).lane is not Lane.PAGE


def test_a_number_that_is_neither_the_new_nor_the_old_one_still_conflicts() -> None:
    said = Person(family_name="Wickfield", given_name="Zebedee", date_of_birth=BORN, nhs_number="9990000018")

    assert matcher(remember(NOW, BEFORE)).decide(said).lane is not Lane.PAGE


def test_the_history_goes_with_the_child() -> None:
    listed = matcher(remember(NOW, BEFORE))

    listed.remove("C1")

    assert listed.decide(Person(nhs_number="9990000042")).candidates == ()


def test_a_change_is_in_force_at_once_and_looked_for_under_the_old_names_too() -> None:
    listed = matcher(BEFORE)

    listed.put(remember(NOW, BEFORE))

    near = listed.glance([remember(NOW, BEFORE)])
    assert near(Person(nhs_number="9990000042"))
    assert near(Person(nhs_number="9990000050"))
    assert not near(Person(family_name="Strangways", given_name="Ptolemy", date_of_birth=date(2001, 1, 2)))


def test_only_the_newest_are_kept_and_what_comes_back_is_not_former() -> None:
    entry = BEFORE
    for number in range(MOST + 5):
        entry = remember(entry.model_copy(update={"postcode": f"N{number + 1} 1AA"}), entry)

    back = remember(entry.model_copy(update={"postcode": entry.former_postcodes[0]}), entry)

    assert len(entry.former_postcodes) == MOST
    assert entry.former_postcodes[0] == f"N{MOST + 4} 1AA"
    assert back.postcode not in back.former_postcodes
    assert back.former_postcodes[0] == entry.postcode
