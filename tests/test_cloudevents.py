"""CloudEvents: what others write is read as they meant it, in every mode."""

import json
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings import http as oracle
from cloudevents.core.v1.event import CloudEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.cloudevents import Told, check_attributes
from schemas.envelope import Envelope, pack, unpack
from schemas.events import EVENTS, AboutEvent, AboutPerson
from schemas.identifiers import authority_code
from tests.events import DATA, KINDS, cloud_event
from tests.gateway import BATCH, BINARY, MET_KEY, STRUCTURED, Gateway, binary, paths, refused

SAMPLES = Path(os.environ.get("NIGHTLIGHT_TEST_SAMPLES", Path(__file__).parents[2] / "shared" / "samples"))
FILES = sorted((SAMPLES / "cloudevents").glob("*.json"))
LIKE_THE_NHS = {
    "specversion": "1.0",
    "id": "236a1d4a-5d69-4fa9-9c7f-e72bf505aa5b",
    "source": "uk.nhs.personal-demographics-service",
    "type": "pds-change-of-gp-2",
    "time": "2020-06-01T13:00:00Z",
    "dataref": "https://nhs.example/Patient/9990000018",
    "subject": "9990000018",
}

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
SOME_TEXT = TEXT.map(str.strip).filter(bool)
IDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=60)
SOURCES = st.from_regex(r"\Amet-custody([/:][A-Za-z0-9._~%]{0,20})?\Z").map(lambda text: text.replace("%", "%41"))
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=ZONES)  # noqa: DTZ001 - hypothesis wants them bare
DATES = st.dates().map(str).filter(lambda text: text > "1900")

PEOPLE = st.fixed_dictionaries(
    {"family_name": SOME_TEXT, "date_of_birth": DATES},
    optional={
        "given_name": TEXT,
        "other_names": st.lists(TEXT, max_size=3),
        "previous_family_names": st.lists(TEXT, max_size=3),
        "date_of_birth_is": st.sampled_from(["recorded", "estimated", "claimed"]),
        "sex": st.sampled_from(["female", "male", "other", "unknown"]),
        "postcode": st.sampled_from(["N1 9GU", "ec1a1bb", "nowhere", "ZZ99 3VZ"]),
        "address_line": TEXT,
        "nhs_number": st.sampled_from(["9990000018", "999 000 0026", "0000000000", "not known"]),
        "upn": TEXT,
        "pnc_id": TEXT,
        "cro_number": TEXT,
        "identity_reliable": st.booleans(),
    },
)


@st.composite
def cloud_events(draw: st.DrawFn) -> dict[str, Any]:
    """A valid event of any type, as an agency would write it."""
    kind = draw(KINDS)
    data = dict(DATA[kind])
    if issubclass(EVENTS[kind], AboutPerson):
        data["person"] = draw(PEOPLE)
    if issubclass(EVENTS[kind], AboutEvent):
        data["of"] = {"source": draw(SOURCES), "id": draw(IDS)}
    event = {"specversion": "1.0", "id": draw(IDS), "source": draw(SOURCES), "type": kind, "data": data}
    extensions = st.fixed_dictionaries(
        {},
        optional={
            "authority": st.sampled_from(["E09000019", "W06000015"]),
            "mode": st.sampled_from(["live", "test"]),
            "datacontenttype": st.just("application/json"),
            "traceparent": IDS,
        },
    )
    return {**event, "time": draw(TIMES).isoformat(), **draw(extensions)}


async def taken(body: Any, kind: str, **headers: str) -> list[Envelope]:
    gateway = Gateway()
    response = await gateway.request(
        "POST",
        "/v1/events",
        content=body,
        headers={**headers, "content-type": kind, "authorization": f"Bearer {MET_KEY}"},
    )
    assert response.status_code == 202, response.text
    return gateway.shelf.kept


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cloud_events())
async def test_an_event_is_the_same_in_three_modes_and_after_its_way_through_kafka(event: dict[str, Any]) -> None:
    body, headers = binary(event)

    (structured,) = await taken(json.dumps(event).encode(), STRUCTURED)
    (batch,) = await taken(json.dumps([event], ensure_ascii=False).encode(), BATCH)
    (by_headers,) = await taken(body, BINARY, **headers)

    assert structured == batch == by_headers
    assert (structured.id, structured.source, structured.type) == (event["id"], event["source"], event["type"])
    assert structured.time == datetime.fromisoformat(event["time"])
    assert unpack(pack(structured)) == structured


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cloud_events())
async def test_what_the_cloudevents_library_writes_is_read_as_it_was_meant(event: dict[str, Any]) -> None:
    attributes = {name: value for name, value in event.items() if name != "data"}
    written = CloudEvent({**attributes, "time": datetime.fromisoformat(event["time"])}, event["data"])

    by_headers, structured = oracle.to_binary_event(written), oracle.to_structured_event(written)
    # The library sends no content type when the event names none, and then there is nothing to go by.
    (one,) = await taken(by_headers.body, **with_kind(by_headers.headers, BINARY))
    (other,) = await taken(structured.body, **with_kind(structured.headers, STRUCTURED))

    assert one == other
    assert (one.id, one.source, one.type) == (written.get_id(), written.get_source(), written.get_type())
    assert one.time == written.get_time()


def with_kind(headers: dict[str, str], otherwise: str) -> dict[str, str]:
    lower = {name.lower(): value for name, value in headers.items()}
    return {
        **{name: value for name, value in lower.items() if name != "content-type"},
        "kind": lower.get("content-type", otherwise),
    }


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("e-1", "e-1"),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),  # the binding's own example
        ('"quoted"', "quoted"),
        ('"a\\"b%20c"', 'a"b c'),
        ("%2541", "%41"),  # decoded once
        ("50%", "50%"),
    ],
)
async def test_header_values_are_unquoted_then_percent_decoded_once(written: str, meant: str) -> None:
    event = {"specversion": "1.0", "id": "-", "source": "met-custody", "type": "nightlight.heartbeat.v1"}
    _, headers = binary({**event, "time": "2026-11-21T02:06:00Z"})

    (kept,) = await taken(b"", BINARY, **(headers | {"ce-id": written}))

    assert kept.id == meant


@given(st.from_regex(r"\A[EWS][01][0-9]{7}\Z") | st.text(max_size=12))
def test_an_authority_is_taken_exactly_if_it_is_a_gss_code(code: str) -> None:
    beat = cloud_event("nightlight.heartbeat.v1", authority=code)
    told = Told("", {name: value for name, value in beat.items() if name != "data"}, None)

    attributes, _ = check_attributes(told)

    assert (attributes is not None) == (authority_code(code).canonical == code)


@pytest.mark.parametrize("data", [{}, {"data": None}, {"data": {}}])
async def test_a_heartbeat_needs_no_data(data: dict[str, Any]) -> None:
    beat = {"specversion": "1.0", "id": "b", "source": "met-custody", "type": "nightlight.heartbeat.v1"}

    (kept,) = await taken(json.dumps({**beat, "time": "2026-11-21T02:06:00Z", **data}).encode(), STRUCTURED)

    assert kept.type == "nightlight.heartbeat.v1"


async def test_an_attribute_of_null_is_not_there() -> None:
    beat = {"specversion": "1.0", "id": "b", "source": "met-custody", "type": "nightlight.heartbeat.v1"}
    nulls = {"subject": None, "authority": None, "mode": None, "data_base64": None}

    (kept,) = await taken(json.dumps({**beat, "time": "2026-11-21T02:06:00Z", **nulls}).encode(), STRUCTURED)

    assert (kept.authority, kept.mode) == (None, "live")


async def test_an_instant_keeps_its_place_in_time() -> None:
    beat = {"specversion": "1.0", "id": "b", "source": "met-custody", "type": "nightlight.heartbeat.v1"}

    (kept,) = await taken(json.dumps({**beat, "time": "2026-10-25t01:30:00.5+01:00"}).encode(), STRUCTURED)

    assert kept.time == datetime(2026, 10, 25, 0, 30, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "sample", [LIKE_THE_NHS, *map(json.loads, map(Path.read_text, FILES))], ids=lambda sample: sample["type"]
)
async def test_a_sample_from_another_system_is_refused_for_its_type_and_its_subject_and_not_repeated(
    sample: dict[str, Any],
) -> None:
    """The NHS's samples carry an NHS number in `subject`: that is why ours is refused."""
    response = await Gateway().send(sample)

    assert paths(refused(response, 422)) == ["subject", "type"]
    assert sample["subject"] not in response.text


def test_the_samples_of_other_systems_are_all_here_or_their_directory_is_not() -> None:
    """NIGHTLIGHT_TEST_SAMPLES names it; by default it is `shared/samples` beside the repository."""
    assert len(FILES) == (3 if SAMPLES.is_dir() else 0)
