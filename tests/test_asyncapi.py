"""The AsyncAPI document: what the specification allows, and true of what is really sent."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deploy import asyncapi
from schemas.events import EVENT_TOPICS, EVENTS
from schemas.moments import DEAD_LETTERS, MESSAGES, Decided, Ended, Message, Outcome
from schemas.wire import message_record
from streams.incoming import Incoming
from streams.pointers import Pointer, Reason
from tests import asyncapi_schema
from tests.events import DATA
from tests.store_cast import NOON, SEALER, asked, cancelled, found, key, released

DOCUMENT = asyncapi.document()
ENDED = Ended(event_key=key("e-5"), type="nightlight.arrest.v1", outcome=Outcome.NOT_WATCHED)
SENT: list[Message] = [
    found("e-1"),
    asked("e-2"),
    cancelled("e-3", of="e-1"),
    released("e-4", about="e-1"),
    Decided(ended=(ENDED,), worker_lane="a", decided_at=NOON),
]


def complaints(name: str, payload: Any) -> list[str]:
    """What the schema of this message says against a payload."""
    schema = {**DOCUMENT["components"]["messages"][name]["payload"], "components": DOCUMENT["components"]}
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(payload)]


@pytest.mark.npm
def test_it_is_what_the_asyncapi_specification_allows() -> None:
    schema = asyncapi_schema.load()
    validator = jsonschema.validators.validator_for(schema)(schema)

    said = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(DOCUMENT)]

    assert said == []
    assert list(validator.iter_errors(DOCUMENT | {"channels": "none"}))


def test_the_committed_document_is_this_one() -> None:
    assert yaml.safe_load(Path("docs/asyncapi.yaml").read_text()) == DOCUMENT


def test_every_topic_and_every_message_is_in_it() -> None:
    assert DOCUMENT["channels"].keys() == {*EVENT_TOPICS, DEAD_LETTERS, *(kind.topic for kind in MESSAGES.values())}
    assert DOCUMENT["components"]["messages"].keys() == {*EVENTS, *MESSAGES, "dead-letter"}
    assert {message.kind for message in SENT} == MESSAGES.keys()


def test_every_reference_leads_somewhere() -> None:
    references = [value for value in everything(DOCUMENT) if isinstance(value, str) and value.startswith("#/")]

    assert references
    for reference in references:
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step.replace("~1", "/").replace("~0", "~")]


def everything(part: Any) -> list[Any]:
    if isinstance(part, dict):
        return [leaf for value in part.values() for leaf in everything(value)]
    if isinstance(part, list):
        return [leaf for value in part for leaf in everything(value)]
    return [part]


@pytest.mark.parametrize("kind", sorted(DATA))
def test_an_event_as_an_agency_writes_it_and_as_we_keep_it_fits_its_schema(kind: str) -> None:
    kept = json.loads(EVENTS[kind].model_validate(DATA[kind]).model_dump_json(exclude_none=True))

    assert complaints(kind, DATA[kind]) == []
    assert complaints(kind, kept) == []
    assert complaints(kind, {**kept, "nickname": "Minnie"})


@pytest.mark.parametrize("message", SENT, ids=lambda message: message.kind)
def test_a_message_of_our_own_fits_its_schema_and_has_its_headers(message: Message) -> None:
    record = message_record(message, SEALER)

    described = DOCUMENT["components"]["messages"][message.kind]["headers"]["properties"]
    assert complaints(message.kind, json.loads(message.model_dump_json())) == []
    assert complaints(message.kind, {})
    assert {name for name, _ in record.headers} <= described.keys()
    assert record.topic == message.topic


def test_a_dead_letter_fits_its_schema() -> None:
    letter = Incoming("nightlight.moments", 1, 7, 0.0, b"k", b"v", {})
    pointer = Pointer.to(letter, LookupError("words"), reason=Reason.FAILED, lane="a", at=NOON)

    said = json.loads(pointer.model_dump_json())

    assert complaints("dead-letter", said) == []
    assert said.keys() == set(DOCUMENT["components"]["schemas"]["dead-letter"]["properties"])
    assert complaints("dead-letter", {**said, "offset": "7"})
