"""The HTTP door: who gets 202, who gets which refusal, and what is kept."""

import json
from typing import Any

import pytest

from connectors.doorkeeper import BURST, EVENTS_A_SECOND
from schemas.settings import Mode
from tests.events import DATA, PERSON, cloud_event
from tests.gateway import (
    BATCH,
    BINARY,
    ENDED_KEY,
    MET_KEY,
    SCHOOL_KEY,
    STRUCTURED,
    Gateway,
    arrest,
    binary,
    ids,
    paths,
    refused,
)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


async def test_an_arrest_is_kept_and_its_sender_is_told_which(gateway: Gateway) -> None:
    response = await gateway.send(arrest(id="e-7", authority="E09000019"))

    assert response.status_code == 202
    assert response.json() == {
        "accepted": [{"source": "met-custody", "id": "e-7", "received_at": "2026-11-21T02:06:30.000+00:00"}]
    }
    (kept,) = gateway.shelf.kept
    assert (kept.id, kept.feed, kept.entrance, kept.authority, kept.mode) == (
        "e-7",
        "met-custody",
        "http",
        "E09000019",
        "live",
    )


@pytest.mark.parametrize("kind", sorted(DATA))
async def test_every_type_of_event_is_the_same_in_every_mode(gateway: Gateway, kind: str) -> None:
    event = cloud_event(kind, id="ä ö/%41", source="met-custody/suite-1", mode="test", tracestate="x=1")
    body, headers = binary(event)

    answers = [
        await gateway.send(event, STRUCTURED),
        await gateway.send([event], BATCH),
        await gateway.request(
            "POST",
            "/v1/events",
            content=body,
            headers={**headers, "content-type": BINARY, "authorization": f"bearer {MET_KEY}"},
        ),
    ]

    assert [answer.status_code for answer in answers] == [202, 202, 202], [answer.text for answer in answers]
    assert answers[0].content == answers[1].content == answers[2].content
    structured, batch, by_headers = gateway.shelf.kept
    assert structured == batch == by_headers
    assert structured.id == "ä ö/%41"
    assert structured.type == kind


async def test_a_batch_is_taken_in_its_order(gateway: Gateway) -> None:
    response = await gateway.send([arrest(id=str(place)) for place in range(500)], BATCH)

    assert response.status_code == 202
    assert ids(gateway.shelf.kept) == [str(place) for place in range(500)]
    assert [one["id"] for one in response.json()["accepted"]] == ids(gateway.shelf.kept)


@pytest.mark.parametrize(
    ("spoilt", "status"),
    [
        ({"data": {"person": {}}}, 422),
        ({"specversion": "0.3"}, 422),
        ({"source": "somebody-else"}, 403),
        ({"type": "nightlight.cancelled.v1", "data": {"of": {"source": "somebody-else", "id": "e-1"}}}, 403),
    ],
)
async def test_a_batch_with_one_bad_event_is_not_taken_at_all(
    gateway: Gateway, spoilt: dict[str, Any], status: int
) -> None:
    events = [arrest(id=str(place)) for place in range(5)]
    events[3] |= spoilt

    problem = refused(await gateway.send(events, BATCH), status)

    assert "[3]" in json.dumps(problem)
    assert gateway.shelf.kept == []


async def test_the_same_event_again_is_202_again_with_the_same_words(gateway: Gateway) -> None:
    first = await gateway.send(arrest())
    second = await gateway.send(arrest())

    assert (first.status_code, first.content) == (second.status_code, second.content) == (202, first.content)


async def test_answers_differ_in_nothing_but_the_id_that_was_sent(gateway: Gateway) -> None:
    known, unknown = arrest(id="aaaa"), arrest(id="bbbb")
    unknown["data"] = {**unknown["data"], "person": {**PERSON, "family_name": "Nobody", "nhs_number": "9990000026"}}

    one, other = await gateway.send(known), await gateway.send(unknown)

    assert one.content.replace(b"aaaa", b"bbbb") == other.content
    assert one.headers.raw == other.headers.raw


@pytest.mark.parametrize("key", [None, "", "nl_", MET_KEY[:-1], MET_KEY + "0", "nl_" + "00" * 20, ENDED_KEY, "ü"])
async def test_without_a_key_in_force_there_is_401(gateway: Gateway, key: str | None) -> None:
    headers = {} if key is None else {"authorization": f"Bearer {key}".encode("latin-1")}

    response = await gateway.request("POST", "/v1/events", content=b"{}", headers=headers)

    refused(response, 401)
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert gateway.metric("nightlight_events_refused_total", feed="unknown", reason="unknown-key") == 1


@pytest.mark.parametrize("scheme", ["Basic", "Token", ""])
async def test_a_key_in_another_scheme_is_no_key(gateway: Gateway, scheme: str) -> None:
    headers = {"authorization": f"{scheme} {MET_KEY}", "content-type": STRUCTURED}

    refused(await gateway.request("POST", "/v1/events", content=b"{}", headers=headers), 401)


@pytest.mark.parametrize(
    "event",
    [
        cloud_event("nightlight.exclusion.v1", source="met-custody"),
        cloud_event("nightlight.exclusion.v1", source="hill-school-2"),
        cloud_event("nightlight.exclusion.v1", source="hill-schoo"),
        cloud_event("nightlight.arrest.v1", source="hill-school"),
        cloud_event("nightlight.exclusion.v1", source="hill-school", authority="E09000020"),
        cloud_event("nightlight.cancelled.v1", source="hill-school"),  # of an event of met-custody
        cloud_event("nightlight.identity-changed.v1", source="hill-school"),
    ],
)
async def test_what_is_not_the_agencys_own_is_403(gateway: Gateway, event: dict[str, Any]) -> None:
    refused(await gateway.send(event, key=SCHOOL_KEY), 403)

    assert gateway.shelf.kept == []


@pytest.mark.parametrize("source", ["hill-school", "hill-school/office", "hill-school:office"])
async def test_a_path_below_a_registered_source_is_the_agencys_own(gateway: Gateway, source: str) -> None:
    event = cloud_event("nightlight.exclusion.v1", source=source, authority="E09000019")

    assert (await gateway.send(event, key=SCHOOL_KEY)).status_code == 202


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/xml", "application/json; charset=latin-1", "application/cloudevents"]
)
async def test_another_content_type_is_415(gateway: Gateway, kind: str | None) -> None:
    refused(await gateway.send(arrest(), kind), 415)


async def test_an_event_that_says_nothing_needs_no_content_type_in_binary_mode(gateway: Gateway) -> None:
    _, headers = binary(cloud_event("nightlight.heartbeat.v1", source="met-custody"))

    answer = await gateway.send(b"", None, **{name.replace("-", "_"): value for name, value in headers.items()})

    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize("kind", ["Application/CloudEvents+JSON", STRUCTURED + "; charset=UTF-8"])
async def test_a_content_type_may_be_in_capitals_and_say_utf_8(gateway: Gateway, kind: str) -> None:
    assert (await gateway.send(arrest(), kind)).status_code == 202


async def test_a_compressed_body_is_415(gateway: Gateway) -> None:
    refused(await gateway.send(arrest(), content_encoding="gzip"), 415)


@pytest.mark.parametrize("declared", [None, "10", "999999999", "9" * 400])
async def test_a_body_of_more_than_256_kib_is_413_whatever_length_it_declares(
    gateway: Gateway, declared: str | None
) -> None:
    async def pieces() -> Any:
        for _ in range(300):
            yield b" " * 1024

    headers = {"content-type": STRUCTURED, "authorization": f"Bearer {MET_KEY}"}
    headers |= {} if declared is None else {"content-length": declared}

    refused(await gateway.request("POST", "/v1/events", content=pieces(), headers=headers), 413)


async def test_a_body_of_exactly_256_kib_is_read(gateway: Gateway) -> None:
    body = json.dumps(arrest()).encode()

    assert (await gateway.send(body + b" " * (256 * 1024 - len(body)))).status_code == 202


async def test_too_many_events_are_429_until_the_seconds_named_have_passed(gateway: Gateway) -> None:
    batch = [arrest(id=str(place)) for place in range(500)]
    for _ in range(BURST // 500):
        assert (await gateway.send(batch, BATCH)).status_code == 202

    response = await gateway.send(batch, BATCH)

    refused(response, 429)
    wait = int(response.headers["retry-after"])
    assert wait == 1
    other = cloud_event("nightlight.exclusion.v1", source="hill-school")
    assert (await gateway.send(other, key=SCHOOL_KEY)).status_code == 202
    gateway.ticks += max(wait, 500 / EVENTS_A_SECOND)
    assert (await gateway.send(batch, BATCH)).status_code == 202


async def test_while_kafka_is_away_there_is_503_and_nothing_is_counted_as_accepted(gateway: Gateway) -> None:
    gateway.shelf.away = True

    response = await gateway.send(arrest())

    refused(response, 503)
    assert int(response.headers["retry-after"]) > 0
    assert gateway.metric("nightlight_events_refused_total", feed="met-custody", reason="kafka-away") == 1
    labels = {"feed": "met-custody", "type": "nightlight.arrest.v1", "door": "http"}
    assert gateway.metric("nightlight_events_accepted_total", **labels) is None


async def test_what_was_accepted_is_counted_and_timed(gateway: Gateway) -> None:
    await gateway.send(arrest())

    labels = {"feed": "met-custody", "type": "nightlight.arrest.v1"}
    assert gateway.metric("nightlight_events_accepted_total", **labels, door="http") == 1
    assert gateway.metric("nightlight_occurred_to_received_seconds_sum", **labels) == 30
    seen = gateway.metric("nightlight_feed_last_seen_timestamp_seconds", feed="met-custody")
    assert seen == pytest.approx(1795226790)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/events", 405), ("DELETE", "/healthz", 405), ("GET", "/v2", 404), ("POST", "/", 404)],
)
async def test_a_wrong_address_or_method_is_a_problem_too(
    gateway: Gateway, method: str, path: str, status: int
) -> None:
    response = await gateway.request(method, path)

    refused(response, status)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize("nhs_number", ["4010232137", "401 023 2137"])
async def test_a_rehearsal_takes_made_up_children_only(gateway: Gateway, nhs_number: str) -> None:
    event = arrest(data={**DATA["nightlight.arrest.v1"], "person": {**PERSON, "nhs_number": nhs_number}})

    response = await gateway.send(event)

    problem = refused(response, 422)
    assert paths(problem) == ["data.person.nhs_number"]
    assert "rehearsal" in problem["errors"][0]["message"]
    assert nhs_number not in response.text
    assert (await Gateway(Mode.LIVE).send(event)).status_code == 202


@pytest.mark.parametrize(
    ("kind", "field", "typed"),
    [
        ("nightlight.arrest.v1", "custody_record", "01CB;1234"),
        ("nightlight.arrest.v1", "force", "01/CB"),
        ("nightlight.admission.v1", "site", "Whittington"),
        ("nightlight.discharge.v1", "site", "?"),
        ("nightlight.exclusion.v1", "school_urn", "10001"),
        ("nightlight.missing.v1", "force", "x" * 31),
        ("nightlight.threat-to-life.v1", "force", "?"),
        ("nightlight.stop-search.v1", "force", "?"),
    ],
)
async def test_a_code_that_cannot_be_one_is_noted_and_rejects_nothing(
    gateway: Gateway, kind: str, field: str, typed: str
) -> None:
    answer = await gateway.send(cloud_event(kind, data={**DATA[kind], field: typed}))

    assert answer.status_code == 202, answer.text
    assert gateway.metric("nightlight_identifiers_unusable_total", feed="met-custody", field=field) == 1


@pytest.mark.parametrize("nhs_number", ["4010232138", "9990000018", "0000000000", "not known"])
async def test_an_unusable_identifier_rejects_nothing(gateway: Gateway, nhs_number: str) -> None:
    event = arrest(data={**DATA["nightlight.arrest.v1"], "person": {**PERSON, "nhs_number": nhs_number}})

    assert (await gateway.send(event)).status_code == 202
