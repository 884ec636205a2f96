"""Possible matches in a whole Nightlight: decided and texted, undone and recalled, and nobody is taken for the child again."""

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from schemas.base import utc_now
from store.database import libpq_url
from tests.events import DATA, cloud_event
from tests.house import House, children, eventually, house, settle_in

ADA, MANAGER = "+447700900101", "+447700900103"
ROBIN = {
    "family_name": "Lampwick",
    "given_name": "Robin",
    "date_of_birth": "2010-03-14",
    "sex": "male",
    "postcode": "N1 9GU",
}
NUMBER = "9990000018"


pytestmark = pytest.mark.timeout(300)  # a whole house starts first, and each test is several stories


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, broker: str) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("house"), given={"NIGHTLIGHT_KAFKA": broker}) as running:
        settle_in(running, waits=(300, 300, 300))
        yield running


def arrest(home: House, name: str, who: dict[str, Any], *, type: str = "nightlight.arrest.v1", **data: Any) -> None:  # noqa: A002 - CloudEvents' own name
    event = cloud_event(type, id=name, source="met-custody")
    of = {"custody_record": name} if type == "nightlight.arrest.v1" else {}
    event["data"] = {**DATA[type], **of, "person": who, **data}
    answer = home.send(event)
    assert answer.status_code == 202, answer.text


def rows(home: House, query: str, *values: Any) -> list[Any]:
    held = json.loads((home.data / "running.json").read_text())
    with psycopg.connect(libpq_url(held["database"]), autocommit=True) as database:
        return database.execute(query, values).fetchall()


def text(home: House, words: str, *, after: int, to: str = ADA) -> str:
    """The first text to this phone with these words, among those after the first `after` of all."""
    found = eventually(
        lambda: next((t["body"] for t in home.texts()[after:] if t["to"] == to and words in t["body"]), None), within=40
    )
    return str(found)


def reference_in(body: str) -> str:
    found = re.match(r"Nightlight (\w{4})", body)
    assert found
    return found[1]


def waiting(home: House) -> str:
    """The review that waits, as the command shows it."""
    found = eventually(lambda: rows(home, "SELECT event_key FROM reviews WHERE state = 'open'"), within=30)
    return str(found[0][0])[:12]


def test_a_doubt_is_decided_and_texted_undone_and_recalled_and_the_same_person_is_not_taken_for_the_child_again(
    home: House,
) -> None:
    cousin = {**ROBIN, "given_name": "Jay"}
    before = len(home.texts())

    # Nothing but his surname, birth date and postcode: that is a brother's as well.
    arrest(home, "doubt", {name: ROBIN[name] for name in ("family_name", "date_of_birth", "postcode")})
    review = waiting(home)
    assert home.texts()[before:] == []
    home.does("reviews", "decide", review, "same", "W-1", "--why", "rang the suite")
    page = text(home, "new moment at a custody suite", after=before)
    home.does("reviews", "undo", reference_in(page), "--why", "it was his cousin")
    recalled = text(home, "withdrawn", after=before)

    assert reference_in(recalled) == reference_in(page)
    assert rows(home, "SELECT decision, decided_by FROM matches ORDER BY match") == [
        ("same", "command line"),
        ("different", "command line"),
    ]

    arrest(home, "cousin", cousin)
    home.does("reviews", "decide", waiting(home), "different", "--why", "his cousin")
    eventually(lambda: rows(home, "SELECT 1 FROM exclusions"))
    told = len(home.texts())
    arrest(home, "cousin-again", cousin)
    arrest(home, "robin", {**ROBIN, "nhs_number": NUMBER})  # behind it, and paged: so the cousin has been decided
    text(home, "new moment", after=told)

    assert rows(home, "SELECT 1 FROM reviews WHERE state = 'open'") == []
    assert len(rows(home, "SELECT 1 FROM matches WHERE child = 'W-1' AND decision = 'same'")) == 2


def test_a_child_who_is_added_is_found_in_what_was_said_before_and_a_changed_identity_at_its_own_place(
    home: House,
) -> None:
    new = {"family_name": "Strangways", "given_name": "Ptolemy", "date_of_birth": "2012-05-05", "postcode": "SW9 8XX"}
    before = len(home.texts())
    arrest(home, "before-the-list", {**new, "nhs_number": "9990000069"})
    arrest(home, "nobody", {"family_name": "Unknown", "date_of_birth": "2001-01-01", "postcode": "E1 1AA"})

    header, row, *_ = children(utc_now().date()).split("\n")
    values = row.split(",")
    values[:7] = [
        "W-9",
        new["family_name"],
        new["given_name"],
        new["date_of_birth"],
        "male",
        new["postcode"],
        "9990000069",
    ]
    file = home.data / "more.csv"
    file.write_text("\n".join((header, ",".join(values), "")))
    home.does("children", "import", str(file))
    text(home, "new moment at a custody suite", after=before)
    assert rows(home, "SELECT child FROM moments WHERE state = 'open' AND child = 'W-9'") == [("W-9",)]

    eventually(lambda: not rows(home, "SELECT 1 FROM scans"), within=40)
    of = {"source": "met-custody", "id": "nobody"}
    told = len(home.texts())
    wickfield = {
        "family_name": "Wickfield",
        "given_name": "Marnie",
        "date_of_birth": "2011-06-02",
        "nhs_number": "9990000026",
    }
    arrest(home, "it-was-marnie", wickfield, type="nightlight.identity-changed.v1", of=of)

    assert "at a custody suite" in text(home, "new moment", after=told)
