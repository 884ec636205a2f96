"""The demo: its made-up data is sound, its words are right, and headless it plays the whole story on a whole Nightlight."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from commands.demo import is_live, scrub
from connectors import cloudevents
from embedded.demo import cast, view
from embedded.demo.cast import WRITTEN_ON, file, moved
from embedded.demo.handset import FailingOnce, Handset
from embedded.demo.headless import lacking
from embedded.demo.keys import pressed
from embedded.demo.load import MANAGER, NotOurs, load
from embedded.demo.outcomes import Outcomes
from embedded.demo.scenes import FEEDS, SCENES, event, heartbeat
from embedded.demo.seen import STAGES, Seen, Sent, at_first
from embedded.demo.stage import Stage, Text
from embedded.demo.story import Line, slowest, spoken, tell, timeline, took
from schemas.events import EVENTS, AboutPerson
from schemas.identifiers import is_synthetic_nhs_number
from schemas.london import today
from schemas.moments import Decided, Ended, Outcome
from schemas.sealing import Keyring
from schemas.settings import Mode, Settings
from schemas.wire import message_record
from store import agencies, gaps, policies, responders, roster, rotas
from store.board import Tried
from store.children import apply_import, children, remove
from store.database import connect
from tests.house import ROOT, free_ports

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PAGE = UUID(int=1)
STARTS_WITHIN = 100.0
STOPS_WITHIN = 10.0


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


SENT = Sent("k1", "arrest", "custody-north", "Theo Ashdown", "ISL-101", at(0), at(2))
STRANGER = replace(SENT, key="k2", child="Toby Harrow-Finch", child_id=None)
ADA = Tried(PAGE, "Ada Marsh", "page", 1, "sms", "sent", None, at(2.5), at(2.6), None, None)
PAGED = Seen(
    SENT,
    {"occurred": at(0), "received": at(2), "matched": at(2.5), "sent": at(2.6)},
    outcome=Outcome.PAGED,
    page=PAGE,
    reference="K7Q4",
    state="open",
    step=1,
    next_step_at=at(22.5),
    tried=(ADA,),
)
ACCEPTED = replace(
    PAGED,
    at={**PAGED.at, "delivered": at(3), "accepted": at(14)},
    state="accepted",
    next_step_at=None,
    accepted_by="Ada Marsh",
    tried=(replace(ADA, state="delivered", delivered_at=at(3)),),
)
UNWATCHED = Seen(STRANGER, {"occurred": at(0), "received": at(2), "matched": at(2.3)}, outcome=Outcome.NOT_WATCHED)
SIGN_IN = re.compile(r"sign in: (\S+), password (\S+), code (\d{6})")


# The made-up data


@pytest.mark.parametrize(
    "day", [WRITTEN_ON, date(2027, 2, 28), date(2027, 3, 28), date(2027, 10, 31), date(2028, 2, 29)]
)
def test_the_files_are_taken_by_the_importers_whatever_day_it_is(day: date) -> None:
    changes = roster.read(file("children", today=day), mode=Mode.REHEARSAL, today=day)
    people = responders.read(file("responders", today=day), mode=Mode.REHEARSAL)
    shifts = rotas.read(file("rota", today=day))
    steps = policies.read(file("policies", today=day))

    assert len(changes) == 12
    assert {change.child.authority for change in changes if change.child} == {"E09000019", "E09000007"}
    assert {shift.person for shift in shifts} <= {person.person for person in people}
    assert {policy.team for policy in steps} == {"Islington", "Camden"}
    assert all(sum(step.wait_seconds for step in policy.steps) < 75 for policy in steps)


def test_dates_of_the_present_move_and_a_date_of_birth_does_not() -> None:
    data = b"date_of_birth,starts_on,starts\n2010-03-14,2026-11-02,2026-11-02 08:00\n"

    shifted = moved(data, by=timedelta(days=3))

    assert shifted == b"date_of_birth,starts_on,starts\n2010-03-14,2026-11-05,2026-11-05 08:00\n"


def test_every_made_up_child_has_a_synthetic_nhs_number_of_their_own() -> None:
    numbers = [child.person["nhs_number"] for child in (*cast.watched(), *cast.not_watched())]

    assert all(is_synthetic_nhs_number(number) and number.startswith("999") for number in numbers)
    assert len(set(numbers)) == len(numbers)


def test_there_are_twins_and_siblings_on_the_list_and_nobody_who_is_not_looks_like_one_who_is() -> None:
    watched = [child.person for child in cast.watched()]
    others = [child.person for child in cast.not_watched()]
    families = [(person["family_name"], person["postcode"]) for person in watched]
    births = [(*family, person["date_of_birth"]) for family, person in zip(families, watched, strict=True)]

    assert len(set(births)) < len(births), "no twins"
    assert len(set(families)) < len(set(births)), "no siblings"
    assert not {p["date_of_birth"] for p in watched} & {p["date_of_birth"] for p in others}
    assert not {p["family_name"] for p in watched} & {p["family_name"] for p in others}


async def test_the_house_is_loaded_with_nobody_missing_from_the_rota_for_a_fortnight(database_url: str) -> None:
    engine, sealer, now = connect(database_url), Keyring.make(), datetime.now(UTC)

    async with engine.begin() as connection:
        house = await load(connection, sealer, at=now)
        found = await gaps.check(connection, now)
        keys = await agencies.keys_in_force(connection, at=now)
    await engine.dispose()

    assert found == []
    assert set(house.keys) == set(FEEDS) == {key.agency.name for key in keys}
    assert house.sign_in.person == MANAGER


async def test_a_second_load_changes_the_keys_and_leaves_the_children(database_url: str) -> None:
    engine, sealer, now = connect(database_url), Keyring.make(), datetime.now(UTC)

    async with engine.begin() as connection:
        first = await load(connection, sealer, at=now)
    async with engine.begin() as connection:
        second = await load(connection, sealer, at=now + timedelta(seconds=1))
        listed = list(await connection.scalars(select(children.c.child)))
    await engine.dispose()

    assert len(listed) == 12
    assert not set(first.keys.values()) & set(second.keys.values())


async def test_a_database_with_somebody_elses_children_is_left_alone(database_url: str) -> None:
    engine, sealer, now = connect(database_url), Keyring.make(), datetime.now(UTC)
    stranger = file("children", today=today(now)).replace(b"ISL-101", b"W-117")
    async with engine.begin() as connection:
        await load(connection, sealer, at=now)
        for child in cast.watched():
            await remove(connection, child.id or "", at=now, who="test", why="test")
        changes = roster.read(stranger, mode=Mode.REHEARSAL, today=today(now))
        await apply_import(connection, sealer, changes, at=now, who="test")

    async with engine.begin() as connection:
        with pytest.raises(NotOurs):
            await load(connection, sealer, at=now)
    await engine.dispose()


@pytest.mark.parametrize("kind", SCENES)
@pytest.mark.parametrize("child", [cast.watched()[0], cast.not_watched()[0]])
def test_every_scene_is_an_event_that_the_gateway_takes(kind: str, child: cast.Child) -> None:
    said = event(SCENES[kind], child, id="e-1", now=NOON)

    (told,) = cloudevents.read(cloudevents.Style.STRUCTURED, json.dumps(said).encode(), [])
    attributes, problems = cloudevents.check_attributes(told)
    happened, more = cloudevents.check_data(told, EVENTS[said["type"]])

    assert [*problems, *more] == []
    assert attributes
    assert isinstance(happened, AboutPerson)


@pytest.mark.parametrize("feed", FEEDS)
def test_a_heartbeat_says_nothing_but_that_the_feed_is_alive(feed: str) -> None:
    said = heartbeat(feed, id="b-1", now=NOON)

    (told,) = cloudevents.read(cloudevents.Style.STRUCTURED, json.dumps(said).encode(), [])
    _, problems = cloudevents.check_attributes(told)

    assert problems == []
    assert said["data"] == {}


def test_only_a_hospital_knows_the_nhs_number() -> None:
    knowing = {
        kind for kind, scene in SCENES.items() if "nhs_number" in str(event(scene, cast.watched()[0], id="e", now=NOON))
    }

    assert knowing == {"arrival"}


# The words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.004, "0.00 s"), (0.04, "0.04 s"), (0.26, "0.3 s"), (12.34, "12.3 s"), (125, "2 min 5 s"), (-0.1, "0.00 s")],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert took(seconds) == words


def test_a_number_is_said_as_people_write_it() -> None:
    assert spoken("+447700900101") == "07700 900101"


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        pytest.param(None, at_first(SENT), [Line(at(2), "custody-north: a child was booked in")], id="it came in"),
        pytest.param(PAGED, PAGED, [], id="nothing new"),
        pytest.param(
            at_first(SENT),
            PAGED,
            [
                Line(at(2.5), "matched ISL-101: page K7Q4 is open"),
                Line(at(2.6), "K7Q4 text to Ada Marsh: the provider has taken it"),
            ],
            id="matched and sent",
        ),
        pytest.param(
            PAGED,
            ACCEPTED,
            [
                Line(at(3), "K7Q4 text is on Ada Marsh's phone"),
                Line(at(14), "K7Q4 accepted in 12.0 s; slowest part: you (by Ada Marsh)"),
            ],
            id="delivered and accepted",
        ),
        pytest.param(
            at_first(STRANGER), UNWATCHED, [Line(at(2.3), "not watched: nothing was kept")], id="nobody's child"
        ),
        pytest.param(
            at_first(SENT),
            replace(UNWATCHED, sent=SENT),
            [Line(at(2.3), "ISL-101 was not recognised: not watched: nothing was kept")],
            id="a watched child who was missed is not passed off as unwatched",
        ),
        pytest.param(
            PAGED,
            replace(PAGED, tried=(replace(ADA, state="undelivered", reason="phone-unreachable"),)),
            [Line(at(2.6), "K7Q4 text to Ada Marsh undelivered: phone-unreachable; the pager goes on at once")],
            id="undelivered",
        ),
        pytest.param(
            PAGED,
            replace(PAGED, step=2, tried=(ADA, replace(ADA, name="Bo Lindley", step=2, due_at=at(22.5), sent_at=None))),
            [Line(at(22.5), "K7Q4 nobody has accepted: step 2 begins")],
            id="the next step",
        ),
        pytest.param(
            PAGED,
            replace(PAGED, tried=(replace(ADA, passed_at=at(5)),)),
            [Line(at(5), "K7Q4 Ada Marsh passes it on")],
            id="passed on",
        ),
        pytest.param(
            ACCEPTED,
            replace(ACCEPTED, at={**ACCEPTED.at, "contact": at(60)}),
            [Line(at(60), "K7Q4 contact with the child is recorded")],
            id="contact",
        ),
    ],
)
def test_the_story_tells_what_is_new_and_nothing_twice(before: Seen | None, after: Seen, lines: list[Line]) -> None:
    assert tell(before, after) == lines


@pytest.mark.parametrize(
    ("readings", "whose"),
    [
        ({"received": 2, "matched": 2.5, "sent": 2.6, "delivered": 3, "accepted": 14}, "you"),
        ({"received": 2, "matched": 9, "sent": 9.1, "delivered": 9.2, "accepted": 10}, "recognising the child"),
        ({"received": 2, "matched": 2.1, "sent": 8, "delivered": 8.1, "accepted": 9}, "sending the text"),
        ({"received": 2, "matched": 2.1, "sent": 2.2, "delivered": 30, "accepted": 31}, "the phone network"),
        ({"received": 2, "matched": 2.1, "sent": 2.2, "accepted": 31}, "you"),
    ],
)
def test_the_slowest_part_is_named(readings: dict[str, float], whose: str) -> None:
    seen = replace(ACCEPTED, at={"occurred": at(0), **{stage: at(seconds) for stage, seconds in readings.items()}})

    assert slowest(seen).endswith(f"slowest part: {whose}")


def test_a_timeline_has_each_stage_with_its_reading_and_both_durations() -> None:
    assert timeline(ACCEPTED) == [
        "An arrest: ISL-101 K7Q4, told by custody-north",
        "  occurred  12:00:00.0    +0.00 s     0.00 s",
        "  received  12:00:02.0     +2.0 s      2.0 s",
        "  matched   12:00:02.5     +0.5 s      2.5 s",
        "  sent      12:00:02.6     +0.1 s      2.6 s",
        "  delivered 12:00:03.0     +0.4 s      3.0 s",
        "  accepted  12:00:14.0    +11.0 s     14.0 s",
        "  accepted in 12.0 s; slowest part: you (by Ada Marsh)",
    ]


@pytest.mark.parametrize(
    ("seen", "kinds"),
    [
        (at_first(SENT), ["done", "done", "next", "later", "later", "later", "later"]),
        (PAGED, ["done", "done", "done", "done", "next", "later", "later"]),
        (ACCEPTED, ["done"] * 6 + ["later"]),
        (UNWATCHED, ["done"] * 3),
    ],
)
def test_the_page_shows_what_is_reached_what_is_next_and_nothing_that_will_not_come(
    seen: Seen, kinds: list[str]
) -> None:
    rows = view.stages(seen, at(20))

    assert [row["kind"] for row in rows] == kinds
    assert [row["name"] for row in rows] == list(STAGES[: len(kinds)])


@pytest.mark.parametrize(
    ("seen", "words", "mood"),
    [
        (PAGED, "K7Q4: waiting for Ada Marsh to reply 1; step 1, the next is told in 12 s", "waiting"),
        (ACCEPTED, "accepted in 12.0 s; slowest part: you (by Ada Marsh)", "accepted"),
        (UNWATCHED, "not watched: nothing was kept", "nothing"),
        (at_first(SENT), "being matched", ""),
        (
            replace(PAGED, outcome=Outcome.JOINED, state="accepted"),
            "joined the open moment K7Q4: one page, one more fact",
            "nothing",
        ),
    ],
)
def test_the_page_says_in_a_sentence_how_it_stands(seen: Seen, words: str, mood: str) -> None:
    assert view.sentence(seen, at(10)) == words
    assert view.mood(seen) == mood


def test_the_phone_that_rang_last_is_picked_up_and_an_answer_is_not_a_ring() -> None:
    asks = Text("t1", "+447700900101", mine=False, words="Nightlight K7Q4: new moment. Reply 1 to accept", at=at(0))
    back = Text("t2", "+447700900102", mine=False, words="Nightlight K7Q4: accepted by you.", at=at(1))

    assert view.rang([asks, back]) == {"id": "t1", "phone": "+447700900101"}
    assert view.rang([back]) is None


def test_a_feed_that_has_not_been_heard_for_fifteen_seconds_is_called_silent() -> None:
    rows = {
        row["words"].split(":")[0]: row for row in view.feeds({"custody-north": at(0), "missing-unit": at(10)}, at(20))
    }

    assert rows["custody-north"] == {"words": "custody-north: SILENT, heard 20 s ago", "bad": True}
    assert rows["missing-unit"] == {"words": "missing-unit: heard 10 s ago", "bad": False}


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (ACCEPTED, ""),
        (at_first(SENT), "not matched"),
        (UNWATCHED, "decided as not-watched"),
        (replace(PAGED, at={stage: PAGED.at[stage] for stage in STAGES[:3]}), "no text was sent"),
        (PAGED, "was not accepted"),
    ],
)
def test_what_a_moment_lacks_is_named(seen: Seen, says: str) -> None:
    assert says in lacking(seen)
    assert bool(says) == bool(lacking(seen))


def test_nothing_of_the_operators_providers_is_passed_on() -> None:
    environment = {
        "PATH": "/bin",
        "NIGHTLIGHT_DATA_DIR": "/d",
        "NIGHTLIGHT_TWILIO_AUTH_TOKEN_FILE": "/run/secret",
        "NIGHTLIGHT_TWILIO_API": "https://api.twilio.com",
        "NIGHTLIGHT_NOTIFY_API_KEY": "k",
        "NIGHTLIGHT_SMTP_URL": "smtps://mail",
        "NIGHTLIGHT_KAFKA": "kafka:9092",
        "NIGHTLIGHT_DATABASE_URL": "postgresql://db",
        "NIGHTLIGHT_HEARTBEAT_URL": "https://beat",
    }
    beside = dict(environment)

    scrub(environment)
    scrub(beside, here=True)

    assert environment == {"PATH": "/bin", "NIGHTLIGHT_DATA_DIR": "/d"}
    assert set(beside) - set(environment) == {"NIGHTLIGHT_KAFKA", "NIGHTLIGHT_DATABASE_URL"}


@pytest.mark.parametrize(
    ("said", "live"), [({}, False), ({"NIGHTLIGHT_MODE": "live"}, True), ({"NIGHTLIGHT_MODE": "rehearsal"}, False)]
)
def test_live_is_known_whatever_else_the_operator_has_set(said: dict[str, str], live: bool) -> None:
    # An account without an address is refused in rehearsal; the demo does not use it, so it does not mind.
    assert is_live({**said, "NIGHTLIGHT_TWILIO_ACCOUNT_SID": "AC1"}) is live


# The phone and the stage


HERE = Settings.model_validate({"public_url": "http://127.0.0.1:9", "listen": "127.0.0.1:9"})


def test_a_text_that_fails_is_the_first_of_a_page_and_only_one() -> None:
    network = FailingOnce("AC1", "token", "http://127.0.0.1:9")
    network.take("+447700900103", network.sender, "Nightlight AAA4: new moment at a school", None, None)
    network.to_lose = 1

    texts = [
        network.take("+447700900101", network.sender, body, None, None)
        for body in (
            "Nightlight AAA4: new moment at a school",
            "Nightlight AAA4: somebody else has accepted.",
            "Nightlight CCC4: new moment at a school",
            "Nightlight DDD4: new moment at a school",
        )
    ]

    assert [text.rang for text in texts] == [True, True, False, True]


async def test_a_phone_whose_desk_is_away_says_so_and_goes_on() -> None:
    handset = Handset(HERE)

    await handset.answer("+447700900101", "1")

    assert [(text.mine, text.words) for text in handset.texts()] == [
        (True, "1"),
        (False, "(not sent: the desk did not answer)"),
    ]


class PhoneThatRemembers:
    """Holds the texts that it is given, and remembers what is typed."""

    def __init__(self, *texts: Text) -> None:
        self.given = list(texts)
        self.typed: list[tuple[str, str]] = []

    def texts(self) -> list[Text]:
        return self.given

    def fail_next(self) -> None:
        raise AssertionError("nothing was to fail")

    async def answer(self, number: str, words: str) -> None:
        self.typed.append((number, words))


def stage_with(phone: PhoneThatRemembers, *seen: Seen) -> Stage:
    """A stage that has only looked: no database, no gateway."""
    nothing: Any = None
    stage = Stage(engine=nothing, feeds=nothing, phone=phone, processes=nothing, outcomes=nothing, say=print)
    stage.seen = list(seen)
    return stage


def page_text(reference: str, number: str) -> Text:
    return Text(reference, number, mine=False, words=f"Nightlight {reference}: new moment at a school", at=at(0))


async def test_whoever_was_texted_last_accepts_with_a_1() -> None:
    phone = PhoneThatRemembers(page_text("K7Q4", "+447700900101"), page_text("K7Q4", "+447700900102"))

    accepted = await stage_with(phone, PAGED).accept()

    assert accepted
    assert phone.typed == [("+447700900102", "1")]


async def test_somebody_with_two_open_pages_says_which() -> None:
    other = replace(PAGED, sent=replace(SENT, key="k9"), reference="M3XA")
    phone = PhoneThatRemembers(page_text("K7Q4", "+447700900101"), page_text("M3XA", "+447700900101"))

    await stage_with(phone, PAGED, other).answer_all()

    assert phone.typed == [("+447700900101", "K7Q4 1"), ("+447700900101", "M3XA 1")]


async def test_there_is_nothing_to_accept_once_it_is_accepted() -> None:
    phone = PhoneThatRemembers(page_text("K7Q4", "+447700900101"))

    accepted = await stage_with(phone, ACCEPTED).accept()

    assert not accepted
    assert phone.typed == []


def test_an_outcome_is_known_by_its_key_and_the_first_lane_to_say_it_counts() -> None:
    sealer = Keyring.make()
    outcomes = Outcomes({}, sealer)
    ended = Ended(event_key="k1", type="nightlight.arrest.v1", outcome=Outcome.NOT_WATCHED)
    for lane, seconds in (("a", 2), ("b", 3)):
        decided = Decided(ended=(ended,), worker_lane=lane, decided_at=at(seconds))
        record = message_record(decided, sealer)
        outcomes.hear(record.value, dict(record.headers))
    outcomes.hear(b"not ours", {})

    assert outcomes.heard == {"k1": (Outcome.NOT_WATCHED, at(2))}


def test_both_teams_take_turns() -> None:
    first = [child.id for child in cast.in_turn(cast.watched())[:4]]

    assert first == ["ISL-101", "CAM-201", "ISL-104", "CAM-202"]


async def test_without_a_terminal_there_are_no_keys() -> None:
    with pressed(lambda _: None) as listening:
        assert not listening


# The whole of it


@contextlib.contextmanager
def demo(home: Path, *words: str, **variables: str) -> Iterator["subprocess.Popen[str]"]:
    """A `nightlight demo` without a terminal; at the end it is stopped if it has not stopped by itself."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NIGHTLIGHT_")}
    environment |= {"NIGHTLIGHT_DATA_DIR": str(home), "PYTHONUNBUFFERED": "1", **variables}
    with subprocess.Popen(
        [sys.executable, "-m", "nightlight", "demo", *words],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=20)


def read_until(process: "subprocess.Popen[str]", found: Callable[[str], Any]) -> list[str]:
    """The lines of its story up to the one that is looked for."""
    lines: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if found(line):
            return lines
    assert process.stderr is not None
    raise AssertionError(f"the demo ended early:\n{process.stderr.read()}\n" + "\n".join(lines))


@pytest.mark.timeout(180)
def test_headless_plays_all_four_kinds_and_every_one_is_paged_and_accepted(home: Path) -> None:
    with demo(home, "--headless", "--ports-from", str(free_ports(10))) as process:
        told, complaints = process.communicate(timeout=STARTS_WITHIN)

    assert (process.returncode, complaints) == (0, "")
    for scene in SCENES.values():
        told_of = re.search(rf"^ {re.escape(scene.button)}: \S+ \w{{4}}, told by.*?(?=^ \S)", told, re.M | re.S)
        assert told_of, told
        assert all(f"  {stage}" in told_of[0] for stage in STAGES[:6]), told_of[0]
    assert told.count("accepted in ") == 8  # in the story and in the timelines
    assert "a child who is not watched" in told
    assert "not watched: nothing was kept" in told
    assert list((home / "demo").iterdir()) == []


@pytest.mark.timeout(180)
def test_sigterm_stops_everything_within_ten_seconds_and_leaves_nothing_behind(home: Path) -> None:
    first = free_ports(10)
    with demo(home, "--ports-from", str(first)) as process:
        lines = read_until(process, lambda line: "Ctrl-C stops all" in line)
        group = descendants(process.pid)

        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        lasted = time.monotonic() - began

    assert lasted < STOPS_WITHIN
    assert process.returncode == 0
    assert any(SIGN_IN.search(line) for line in lines)
    assert len(group) >= 7, "the broker, the database, gateway, desk, pager and two lanes"
    assert not {pid for pid in group if Path(f"/proc/{pid}").exists()}
    assert not taken(first)
    assert list((home / "demo").iterdir()) == []


def test_it_refuses_to_run_live(home: Path) -> None:
    with demo(home, NIGHTLIGHT_MODE="live") as process:
        _, complaints = process.communicate(timeout=60)

    assert process.returncode == 1
    assert complaints.strip() == "The demo is a rehearsal and does not run with NIGHTLIGHT_MODE=live: unset it first."


def test_a_port_that_is_taken_is_named_in_one_sentence(home: Path) -> None:
    first = free_ports(10)
    with socket.socket() as other:
        other.bind(("127.0.0.1", first + 2))
        other.listen()
        with demo(home, "--headless", "--ports-from", str(first)) as process:
            _, complaints = process.communicate(timeout=60)

    assert process.returncode == 1
    assert complaints.count("\n") == 1
    assert f"port {first + 2}" in complaints


def descendants(pid: int) -> set[int]:
    """Process ids of everything that a process has started, and what that has started."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listed.splitlines())}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def taken(first: int) -> list[int]:
    """Which of ten ports somebody listens on."""
    found = []
    for port in range(first, first + 10):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found
