"""The events of the last 72 hours, read beside the workers on each broker: all of them, in order, and nothing committed."""

from datetime import timedelta

from aiokafka import AIOKafkaProducer

from embedded.broker import create_topics
from schemas.base import utc_now
from schemas.events import ARRESTS, EVENT_TOPICS, EventName, FeedBeat, IdentityChanged
from schemas.settings import Settings
from schemas.wire import Record, event_record
from store.database import connect
from streams.facts import fact_of
from streams.originals import Originals
from streams.window import open_window
from tests.streams_cast import KEYS, WATCHED, arrest, envelope


async def send(url: str, records: list[Record]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=url, acks="all")
    await producer.start()
    try:
        for record in records:
            await producer.send_and_wait(record.topic, record.value, key=record.key, headers=list(record.headers))
    finally:
        await producer.stop()


async def test_everything_since_then_is_read_in_order_and_what_comes_meanwhile_is_not(
    each_broker: str, unique: str
) -> None:
    create_topics(each_broker, dict.fromkeys(EVENT_TOPICS, 2))
    names = [f"{unique}-{number}" for number in range(30)]
    records = [event_record(envelope(arrest(custody_record=f"{unique}/{name[-1]}"), id=name), KEYS) for name in names]
    await send(each_broker, records)

    found: dict[bytes, list[bytes]] = {}
    async with open_window(Settings(kafka=each_broker)) as window:
        end = await window.end()
        start = await window.back(end)
        await send(each_broker, [event_record(envelope(FeedBeat(), id=f"{unique}-late"), KEYS)])
        async for batch in window.records(start, end):
            for letter in batch:
                if letter.headers["ce_id"].decode().startswith(unique):
                    found.setdefault(letter.key or b"", []).append(letter.headers["ce_id"])
        nothing = [batch async for batch in window.records(await window.end(), end)]

    assert sorted(name for several in found.values() for name in several) == sorted(name.encode() for name in names)
    ordered = {
        record.key: [dict(each.headers)["ce_id"] for each in records if each.key == record.key] for record in records
    }
    assert found == ordered
    assert nothing == []


async def test_the_original_of_a_changed_identity_is_found_among_them(
    each_broker: str, unique: str, database_url: str
) -> None:
    create_topics(each_broker, dict.fromkeys(EVENT_TOPICS, 2))
    engine, now = connect(database_url), utc_now()
    first = envelope(arrest(custody_record=unique), id=f"{unique}-first").model_copy(update={"received_at": now})
    again = IdentityChanged(of=EventName(source=first.source, id=first.id), person=WATCHED)
    once_more = IdentityChanged(of=EventName(source=first.source, id=f"{unique}-again"), person=WATCHED)
    sent = [event_record(first, KEYS), event_record(envelope(again, id=f"{unique}-again"), KEYS)]
    await send(each_broker, sent)
    originals = Originals(Settings(kafka=each_broker), engine, KEYS, utc_now)

    told, until = await originals.told(fact_of(envelope(once_more, id=unique), sealer=KEYS, at=now))

    assert (told.type, told.details["custody_record"]) == ("nightlight.arrest.v1", unique)
    assert told.subject_key == KEYS.mark("subject", first.event.subject)
    assert until == now + timedelta(hours=12)
    assert sent[0].topic == ARRESTS
    await engine.dispose()


async def test_a_broker_that_is_away_leaves_the_fact_as_it_is(database_url: str) -> None:
    engine = connect(database_url)
    changed = IdentityChanged(of=EventName(source="/police/met", id="gone"), person=WATCHED)
    fact = fact_of(envelope(changed), sealer=KEYS, at=utc_now())

    told = await Originals(Settings(kafka="127.0.0.1:9"), engine, KEYS, utc_now, seconds=0.5).told(fact)

    assert told == (fact, None)
    await engine.dispose()
