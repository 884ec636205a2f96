"""`nightlight model try`: another model on the events of the last 72 hours, and nothing is changed or told."""

import json
from datetime import date, timedelta
from pathlib import Path

from schemas.person import Person
from schemas.settings import Settings
from schemas.wire import event_key
from store import audit, matches
from streams import trial
from streams.matching.model import Model
from tests.streams_cast import KEYS, arrest
from tests.terminal import Terminal
from tests.test_rematch import HIM, ROBIN, SOMEBODY, House, house

__all__ = ["house"]

DOUBT = Person(family_name="Lampwick", date_of_birth=date(2010, 3, 14), postcode="N1 9GU")


async def test_what_another_model_would_decide_is_told_by_keyed_hash_lane_and_bits(house: House) -> None:
    today = {"starts_on": date.min, "review_on": date.max, "expires_on": date.max}
    await house.add(ROBIN.model_copy(update=today))
    fits = HIM.model_copy(update={"nhs_number": None})
    house.retained.hold(arrest(fits), ago=timedelta(hours=3), id="arrest")
    house.retained.hold(arrest(SOMEBODY, custody_record="2"), ago=timedelta(hours=2), id="somebody")
    house.retained.hold(arrest(DOUBT, custody_record="3"), ago=timedelta(hours=1), id="doubt")
    shipped = Model.load()
    doubting = shipped.thresholds.model_copy(update={"page": 0.999999})
    other = shipped.model_copy(update={"name": "doubting", "thresholds": doubting})
    before = [await house.all(table) for table in (audit.audit, matches.matches)]

    told = [
        fact
        async for fact in trial.differences(
            Settings(),
            house.engine,
            KEYS,
            shipped,
            other,
            window=house.retained.open,  # type: ignore[arg-type]
        )
    ]

    *changed, counts = told
    assert (counts["events"], counts["children"], counts["changed"]) == (3, 1, len(changed))
    assert [(fact["old"]["lane"], fact["new"]["lane"]) for fact in changed] == [("page", "review")]
    assert (counts["old"], counts["new"]) == (shipped.label, other.label)
    names = {event_key(KEYS, "/police/met", each) for each in ("arrest", "somebody", "doubt")}
    assert {fact["event"] for fact in changed} <= names
    said = json.dumps(told)
    assert not any(value in said for value in ("Lampwick", "Robin", "9990000018", "N1 9GU", "2010"))
    assert [await house.all(table) for table in (audit.audit, matches.matches)] == before


async def test_the_same_model_changes_nothing(house: House) -> None:
    await house.add(ROBIN)
    house.retained.hold(arrest(HIM), ago=timedelta(hours=3), id="arrest")
    model = Model.load()

    [counts] = [
        fact
        async for fact in trial.differences(
            Settings(),
            house.engine,
            KEYS,
            model,
            model,
            window=house.retained.open,  # type: ignore[arg-type]
        )
    ]

    assert (counts["events"], counts["changed"], counts["changes"]) == (1, 0, {})


def test_without_kafka_it_is_one_sentence(tmp_path: Path, database_url: str) -> None:
    given = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": database_url, "KAFKA": "127.0.0.1:9"}
    terminal = Terminal(tmp_path, {f"NIGHTLIGHT_{name}": value for name, value in given.items()})

    said = terminal.refuses("model", "try", "shipped")

    assert said == "Kafka does not answer at NIGHTLIGHT_KAFKA: start it, or mend the address."
