"""The seven promises of the design, each kept by a whole Nightlight: gateway, broker, both lanes, pager, desk, and a phone."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiokafka
import psycopg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from embedded import broker as tansu
from schemas.events import EVENT_TOPICS
from schemas.moments import DEAD_LETTERS, MOMENTS, OUTCOMES, REVIEWS, Decided, Outcome
from schemas.sealing import KeyringFile
from schemas.wire import event_key, read_message
from store.database import libpq_url
from tests.events import DATA, cloud_event
from tests.house import RESPONDERS, WHO, House, eventually, house, settle_in
from tests.kafka import broker as apache

ADA, BO, MO = "+447700900101", "+447700900102", "+447700900103"
SENDERS = {
    "nightlight.arrest.v1": "met-custody",
    "nightlight.admission.v1": "whittington",
    "nightlight.exclusion.v1": "highbury-school",
    "nightlight.missing.v1": "met-missing",
}
FIELDS = ("child_id", "family_name", "given_name", "date_of_birth", "sex", "postcode", "nhs_number")
STRANGER = {"family_name": "Strangways", "given_name": "Ptolemy", "date_of_birth": "2012-05-05", "postcode": "SW9 8XX"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house on a broker of its own, in which nobody else's records lie: Apache Kafka where there is one."""
    start = partial(apache.start, 0) if apache.missing() is None else tansu.start
    with (
        start(tmp_path_factory.mktemp("broker")) as kafka,
        house(tmp_path_factory.mktemp("house"), given={"NIGHTLIGHT_KAFKA": kafka.url}) as running,
    ):
        settle_in(running)
        yield running


@pytest.fixture(autouse=True)
def nothing_open(home: House) -> Iterator[None]:
    """Each test begins with no page open and everybody in bed: what the last one left is closed as a worker would."""
    yield
    for page, _ in rows(home, "SELECT reference, state FROM pages WHERE ended_at IS NULL"):
        home.reply(MO, f"{page} 1")
        home.reply(MO, f"{page} 3")
    execute(home, "UPDATE pages SET state = 'withdrawn', ended_at = now(), next_step_at = NULL WHERE ended_at IS NULL")
    execute(home, "UPDATE moments SET state = 'closed', ended_at = now() WHERE state = 'open'")


def person(child: str, *, but: tuple[str, ...] = ()) -> dict[str, Any]:
    """A watched child as an agency knows them, without the fields named in `but`."""
    found = next(dict(zip(FIELDS, who, strict=True)) for who in WHO if who[0] == child)
    return {field: value for field, value in found.items() if field != "child_id" and field not in but}


def tell(home: House, kind: str, name: str, who: dict[str, Any], **data: Any) -> None:
    """Send one event of this kind about somebody, and see it accepted."""
    event = cloud_event(kind, id=name, source=SENDERS[kind])
    of = {"custody_record": name} if kind == "nightlight.arrest.v1" else {}
    event["data"] = {**DATA[kind], **of, "person": who, **data}
    answer = home.send(event, agency=SENDERS[kind])
    assert answer.status_code == 202, answer.text


def connection(home: House) -> "psycopg.Connection[Any]":
    held = json.loads((home.data / "running.json").read_text())
    return psycopg.connect(libpq_url(held["database"]), autocommit=True)


def rows(home: House, query: str, *values: Any) -> list[Any]:
    with connection(home) as database:
        return database.execute(query, values).fetchall()


def execute(home: House, statement: str) -> None:
    with connection(home) as database:
        database.execute(statement)


async def read_topics(home: House, *topics: str) -> list[Any]:
    """Every record of these topics, from the beginning."""
    consumer = aiokafka.AIOKafkaConsumer(
        *topics, bootstrap_servers=home.urls["kafka"], auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    try:
        found = []
        while batch := await consumer.getmany(timeout_ms=1500):
            found += [record for part in batch.values() for record in part]
        return found
    finally:
        await consumer.stop()


async def outcomes(home: House) -> dict[str, set[Outcome]]:
    """Event key → every outcome that either lane has recorded for it."""
    keyring, found = KeyringFile(home.data / "keyring.json"), {}
    for record in await read_topics(home, OUTCOMES):
        message = read_message(OUTCOMES, record.value, dict(record.headers), keyring)
        assert isinstance(message, Decided)
        for ended in message.ended:
            found.setdefault(ended.event_key, set()).add(ended.outcome)
    return found


def first_text(home: House, number: str, words: str, *, after: int) -> dict[str, Any]:
    """The first text to this number with these words, among those after the first `after` of all."""
    return eventually(
        lambda: next((t for t in home.texts()[after:] if t["to"] == number and words in t["body"]), None), within=30
    )


def reference_in(body: str) -> str:
    found = re.match(r"Nightlight (\w{4})", body)
    assert found, body
    return found[1]


async def test_nothing_accepted_is_lost(home: House) -> None:
    """Both workers are killed while events flow; every event that was accepted ends in exactly one recorded outcome."""
    keyring = KeyringFile(home.data / "keyring.json")
    sent = []
    for number in range(60):
        kind = sorted(SENDERS)[number % 4]
        who = person(WHO[number % 4][0]) if number % 3 == 0 else STRANGER
        tell(home, kind, f"lost-{number}", who)
        sent.append(event_key(keyring, SENDERS[kind], f"lost-{number}"))
        if number in (20, 40):
            os.kill(home.pids()[f"streams-{'ab'[number // 40]}"], signal.SIGKILL)

    async def all_there() -> dict[str, set[Outcome]] | None:
        found = await outcomes(home)
        return found if set(sent) <= set(found) else None

    for _ in range(20):
        if found := await all_there():
            break

    assert found is not None
    assert {key: len(found[key]) for key in sent} == dict.fromkeys(sent, 1)
    assert {next(iter(found[key])) for key in sent} == {Outcome.PAGED, Outcome.JOINED, Outcome.NOT_WATCHED}


def test_one_moment_one_page_one_clock(home: House) -> None:
    """An arrest, its replay, and the hospital telling the same night: one moment with two facts, one page, one reference."""
    before = len(home.texts())

    tell(home, "nightlight.arrest.v1", "one-1", person("W-1"))
    tell(home, "nightlight.arrest.v1", "one-1", person("W-1"))
    tell(home, "nightlight.admission.v1", "one-2", person("W-1"), attendance="one-2")
    first_text(home, BO, "new moment", after=before)

    eventually(
        lambda: (
            rows(home, "SELECT 1 FROM facts JOIN moments USING (moment) WHERE child = 'W-1' AND state = 'open'") * 2
            == [(1,)] * 4
        )
    )
    pages = rows(
        home, "SELECT reference FROM pages JOIN moments USING (moment) WHERE child = 'W-1' AND moments.state = 'open'"
    )
    assert len(pages) == 1
    assert {reference_in(text["body"]) for text in home.texts()[before:]} == {pages[0][0]}


def test_the_right_child_or_a_human_decides(home: House) -> None:
    """A twin's surname, birth date and address fit two children: nobody is paged, and a person is asked."""
    before = len(home.texts())

    tell(home, "nightlight.missing.v1", "twin-1", person("W-3", but=("given_name", "nhs_number")), report="twin-1")

    eventually(lambda: rows(home, "SELECT 1 FROM reviews WHERE state = 'open'"))
    tell(home, "nightlight.arrest.v1", "twin-2", person("W-4"))
    first_text(home, ADA, "new moment", after=before)
    assert rows(home, "SELECT child FROM moments WHERE state = 'open'") == [("W-4",)]


def test_a_person_answers(home: House) -> None:
    """Nobody replies: the backup is told, then the manager, and again, until one of them accepts; then nobody is told more."""
    before = len(home.texts())

    tell(home, "nightlight.exclusion.v1", "answer-1", person("W-2"), exclusion="answer-1")
    page = first_text(home, ADA, "new moment at a school (Islington team)", after=before)
    first_text(home, BO, "new moment", after=before)
    manager = first_text(home, MO, "new moment", after=before)
    eventually(
        lambda: len([t for t in home.texts()[before:] if t["to"] == MO and "new moment" in t["body"]]) >= 2, within=30
    )
    home.reply(MO, "1")

    eventually(
        lambda: rows(
            home, "SELECT 1 FROM pages WHERE reference = %s AND accepted_by = 'mo'", reference_in(page["body"])
        )
    )
    assert reference_in(manager["body"]) == reference_in(page["body"])
    told = len([t for t in home.texts()[before:] if "new moment" in t["body"]])
    eventually(
        lambda: rows(home, "SELECT 1 WHERE now() > (SELECT max(accepted_at) + interval '4 seconds' FROM pages)"),
        within=10,
    )
    assert len([t for t in home.texts()[before:] if "new moment" in t["body"]]) == told


async def test_no_personal_data_where_it_is_not_needed(home: House) -> None:
    """Every byte of texts, logs, metrics, topics, headers and refusals of this whole run, searched for every name, date and number."""
    before = len(home.texts())
    tell(home, "nightlight.arrest.v1", "leak-1", person("W-1"))
    tell(home, "nightlight.arrest.v1", "leak-2", STRANGER)
    first_text(home, ADA, "new moment", after=before)
    wrong = cloud_event(
        "nightlight.arrest.v1",
        id="leak-3",
        data={**DATA["nightlight.arrest.v1"], "person": {**person("W-1"), "sex": "Lampwick"}},
    )
    refused = home.send(wrong)

    assert refused.status_code == 422
    said = [refused.text, str(refused.headers), *(text["body"] for text in home.texts()), *texts_of_files(home)]
    said += [home.metrics(process) for process in ("gateway", "desk", "pager", "streams-a", "streams-b")]
    for record in await read_topics(home, *EVENT_TOPICS, MOMENTS, REVIEWS, OUTCOMES, DEAD_LETTERS):
        said += [repr(part) for part in (record.key, record.value, *record.headers)]
    secrets = {value for who in WHO for value in who[1:] if value not in ("male", "female")} | set(
        STRANGER.values()
    ) - {"Known"}
    secrets |= {line.split(",")[1].split()[1] for line in RESPONDERS.splitlines()[1:]}
    whole = "\n".join(said).casefold()
    assert [secret for secret in secrets if secret.casefold() in whole] == []
    assert not re.search(r"\+4477009001\d\d", "\n".join(texts_of_files(home)))


def texts_of_files(home: House) -> list[str]:
    """Every log that the run has written: the terminal's, the broker's, the database's."""
    return [path.read_text(errors="replace") for path in home.data.rglob("*.log")]


def test_every_second_is_accounted_for(home: House) -> None:
    """Seven clock readings on the page, in order, and seven histograms that have counted them."""
    before = len(home.texts())

    tell(home, "nightlight.arrest.v1", "clock-1", person("W-2"))
    reference = reference_in(first_text(home, ADA, "new moment", after=before)["body"])
    eventually(lambda: rows(home, "SELECT 1 FROM pages WHERE reference = %s AND delivered_at IS NOT NULL", reference))
    home.reply(ADA, "1")
    home.reply(ADA, "3")

    eventually(lambda: rows(home, "SELECT 1 FROM pages WHERE reference = %s AND contact_at IS NOT NULL", reference))
    (readings,) = rows(
        home,
        "SELECT occurred_at, received_at, matched_at, sent_at, delivered_at, accepted_at, contact_at"
        " FROM pages WHERE reference = %s ORDER BY opened_at DESC LIMIT 1",
        reference,
    )
    assert None not in readings
    assert list(readings) == sorted(readings)
    assert readings[0] == datetime(2026, 11, 21, 2, 6, tzinfo=UTC)
    whole = "\n".join(home.metrics(process) for process in ("gateway", "desk", "pager", "streams-a", "streams-b"))
    for metric in (
        "occurred_to_received",
        "received_to_matched",
        "received_to_sent",
        "sent_to_delivered",
        "sent_to_accepted",
        "accepted_to_contact",
    ):
        assert re.search(rf"^nightlight_{metric}_seconds_count{{.*}} [1-9]", whole, re.M), metric
    assert "nightlight_probe_seconds_count" in whole


async def test_replays_are_boring(home: House) -> None:
    """The same events again, in another order: the same rows, and nobody is told twice."""
    before = len(home.texts())
    events = [("nightlight.arrest.v1", "again-1", "W-1"), ("nightlight.arrest.v1", "again-2", "W-2")]
    for kind, name, child in events:
        tell(home, kind, name, person(child))
    first_text(home, ADA, "new moment", after=before)
    eventually(lambda: len(rows(home, "SELECT 1 FROM pages WHERE ended_at IS NULL AND sent_at IS NOT NULL")) == 2)
    await everything_is_read(home)
    kept = rows(home, "SELECT event_key, moment, outcome, joined_at FROM facts ORDER BY event_key")

    for kind, name, child in reversed(events * 3):
        tell(home, kind, name, person(child))
    await everything_is_read(home)

    assert rows(home, "SELECT event_key, moment, outcome, joined_at FROM facts ORDER BY event_key") == kept
    assert len(rows(home, "SELECT 1 FROM pages WHERE ended_at IS NULL")) == 2


async def everything_is_read(home: House) -> None:
    """Until both lanes have acknowledged every record of every topic they read, twice in a row: a step may have made another."""
    idle = 0
    async with asyncio.timeout(30):
        while idle < 2:
            idle = idle + 1 if await lag(home) == 0 else 0
            await asyncio.sleep(0.5)


async def lag(home: House) -> int:
    """Records that a lane has still to acknowledge."""
    admin = AIOKafkaAdminClient(bootstrap_servers=home.urls["kafka"])
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=home.urls["kafka"], group_id=None)
    await admin.start()
    await consumer.start()
    try:
        behind = 0
        for lane in ("nightlight-a", "nightlight-b"):
            done = await admin.list_consumer_group_offsets(lane)
            ends = await consumer.end_offsets(list(done))
            behind += sum(ends[place] - done[place].offset for place in done)
        return behind
    finally:
        await consumer.stop()
        await admin.close()
