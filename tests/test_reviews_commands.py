"""`nightlight reviews` as an operator types it."""

import asyncio
from datetime import date
from pathlib import Path

import pytest

from schemas.base import utc_now
from schemas.envelope import Mode
from schemas.moments import Candidate, Decision, Fact, Lane, MomentFound, ReviewAsked
from schemas.person import Person
from schemas.sealing import KeyringFile
from store import pairs, reviews
from store.database import connect
from store.opening import open_or_join
from tests.house import RESPONDERS, children, rota
from tests.store_cast import key
from tests.terminal import Terminal

PERSON = Person(family_name="Lampwyck", given_name="Robin", date_of_birth=date(2010, 3, 14), nhs_number="9990000026")
NAMES = ("Lampwick", "Lampwyck", "Robin", "9990000026", "9990000018", "2010-03-14")


@pytest.fixture
def terminal(tmp_path: Path, database_url: str) -> Terminal:
    """A team with a rota, four children on its list, and a possible match for the first of them."""
    data = tmp_path / "data"
    settled = Terminal(tmp_path, {"NIGHTLIGHT_DATA_DIR": str(data), "NIGHTLIGHT_DATABASE_URL": database_url})
    settled.does("children", "import", settled.file("children.csv", children(utc_now().date())))
    settled.does("responders", "import", settled.file("responders.csv", RESPONDERS))
    settled("rota", "import", settled.file("rota.csv", rota(utc_now())), "--force")
    tell(settled, review=True)
    return settled


def tell(terminal: Terminal, *, review: bool, event: str = "doubt") -> None:
    """As a worker does: a possible match, or a match."""
    sealer = KeyringFile(Path(terminal.environment["NIGHTLIGHT_DATA_DIR"]) / "keyring.json")
    now = utc_now()
    times = dict.fromkeys(("occurred_at", "received_at", "matched_at"), now)
    fact = Fact(
        event_key=key(event),
        subject_key=key(f"subject of {event}"),
        type="nightlight.arrest.v1",
        feed="met-custody",
        authority=None,
        mode=Mode.LIVE,
        details={"suite": "Wick Road"},
        **times,
    )
    near = (Candidate(child="W-1", weight=8.2, probability=0.7),)
    lane = Lane.REVIEW if review else Lane.PAGE
    decision = Decision(lane=lane, child="W-1", candidates=near, why=("family_name: very similar (+4.4)",), model="t")

    async def work() -> None:
        engine = connect(terminal.environment["NIGHTLIGHT_DATABASE_URL"])
        async with engine.begin() as connection:
            if review:
                asked = ReviewAsked(fact=fact, person=PERSON, decision=decision)
                await reviews.ask_review(connection, sealer, asked, at=now)
            else:
                marks = pairs.marks(sealer, PERSON)
                found = MomentFound(fact=fact, child="W-1", decision=decision, marks=marks)
                await open_or_join(connection, sealer, found, at=now)
        await engine.dispose()

    asyncio.run(work())


def test_the_list_names_nobody_and_a_look_shows_both_records_without_the_score(terminal: Terminal) -> None:
    listed = terminal.does("reviews", "list")
    shown = terminal.does("reviews", "show", key("doubt")[:8])
    scored = terminal.does("reviews", "show", key("doubt")[:8], "--score")

    assert key("doubt")[:12] in listed
    assert not any(name in listed for name in NAMES)
    assert all(name in shown for name in ("Lampwick", "Lampwyck", "9990000026", "9990000018"))
    assert "0.700" not in shown
    assert "0.700 (+8.2 bits)" in scored
    assert terminal.rows("SELECT count(*) FROM audit WHERE what = 'review-viewed'") == [(2,)]


def test_the_same_child_is_paged_once(terminal: Terminal) -> None:
    said = terminal.does("reviews", "decide", key("doubt"), "same", "W-1", "--why", "rang the suite")
    again = terminal.refuses("reviews", "decide", key("doubt"), "different", "--why", "no")

    assert "being paged" in said
    assert again == "It was decided before: same, by command line. Nothing was changed."
    assert terminal.rows("SELECT state, possible FROM pages") == [("open", False)]


def test_not_the_same_is_remembered_and_can_be_taken_back(terminal: Terminal) -> None:
    said = terminal.does("reviews", "decide", key("doubt"), "different", "--why", "his cousin")
    assert terminal.rows("SELECT count(*) FROM exclusions WHERE ended_at IS NULL") == [(2,)]
    assert said == "Not the same: remembered.\n"

    back = terminal.does("reviews", "reopen", key("doubt"), "--why", "misread")

    assert back == "The pairs are forgotten; the review is open.\n"
    assert terminal.rows("SELECT count(*) FROM exclusions WHERE ended_at IS NULL") == [(0,)]
    assert terminal.rows("SELECT state FROM reviews") == [("open",)]


def test_a_match_is_undone_by_the_reference_of_its_text(terminal: Terminal) -> None:
    tell(terminal, review=False, event="arrest")
    [(reference,)] = terminal.rows("SELECT reference FROM pages")

    said = terminal.does("reviews", "undo", str(reference).lower(), "--why", "his cousin")
    again = terminal.refuses("reviews", "undo", str(reference), "--why", "his cousin")

    assert said == f"Page {reference} is recalled: whoever was told of it is being told so.\n"
    assert "taken back" in again
    assert terminal.rows("SELECT state FROM pages") == [("withdrawn",)]
    assert terminal.rows("SELECT decision, decided_by FROM matches ORDER BY match") == [
        ("same", "auto"),
        ("different", "command line"),
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("show", "0000"), "There is no such review"),
        (("decide", "0000", "different", "--why", "x"), "There is no such review"),
        (("decide", key("doubt"), "same", "W-2", "--why", "x"), "It was not asked about that child"),
        (("reopen", key("doubt"), "--why", "x"), "Only 'not the same' can be taken back"),
        (("undo", "K7Q4", "--why", "x"), "There is no such page"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(
    terminal: Terminal, words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in terminal.refuses("reviews", *words)
    assert terminal.rows("SELECT state FROM reviews") == [("open",)]


@pytest.mark.parametrize("words", [("same",), ("different", "W-1", "--why", "x"), ("different",)])
def test_an_answer_that_makes_no_sense_is_wrong_usage(terminal: Terminal, words: tuple[str, ...]) -> None:
    assert terminal("reviews", "decide", key("doubt"), *words).exit_code == 2


def test_a_child_who_cannot_be_read_is_named(terminal: Terminal) -> None:
    assert terminal.does("children", "check") == "Every child on the list can be read.\n"

    asyncio.run(_break(terminal))

    assert terminal.refuses("children", "check").startswith("W-3\n1 cannot be read")


async def _break(terminal: Terminal) -> None:
    engine = connect(terminal.environment["NIGHTLIGHT_DATABASE_URL"])
    async with engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE children SET sealed = 'x' WHERE child = 'W-3'")
    await engine.dispose()
