"""What the gateway does with bodies that no agency should send: a 4xx that says what to mend, and never what was sent."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.strict import DEEPEST, Malformed, read_json
from tests.events import DATA, KINDS, PERSON, cloud_event
from tests.gateway import BATCH, BINARY, STRUCTURED, Gateway, arrest, paths, refused

MARKER = "Quillfeather"  # stands for a child's name: no sentence of ours holds it
ROOM = Path(__file__).parent.parent / "connectors"


def with_data(**changed: Any) -> dict[str, Any]:
    return arrest(data={**DATA["nightlight.arrest.v1"], **changed})


def with_person(**changed: Any) -> dict[str, Any]:
    return with_data(person={**PERSON, **changed})


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in arrest().items() if key != name}


def raw(text: str) -> bytes:
    return text.replace("NAME", MARKER).encode()


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "a space": b" ",
    "half an event": json.dumps(arrest()).encode()[:-20],
    "two events in a row": json.dumps(arrest()).encode() * 2,
    "a comma too many": raw('{"id": "NAME",}'),
    "single quotes": raw("{'id': 'NAME'}"),
    "a comment": raw('{"id": 1 /* NAME */}'),
    "a bare word": raw("NAME"),
    "NaN": raw('{"id": NaN, "NAME": 1}'),
    "Infinity": raw('{"id": -Infinity, "NAME": 1}'),
    "a number beyond floats": raw('{"NAME": 1e999}'),
    "a number of a hundred digits": raw('{"NAME": ' + "9" * 100 + "}"),
    "a fraction of a hundred digits": raw('{"NAME": 0.' + "9" * 100 + "}"),
    "a number of 200,000 digits": raw('{"NAME": ' + "9" * 200_000 + "}"),
    "the same key twice": raw('{"NAME": 1, "NAME": 2}'),
    "the same key twice, deep": raw('{"data": {"person": {"NAME": 1, "\\u0051uillfeather": 2}}}'),
    "too many keys": json.dumps({f"{MARKER}{number}": 1 for number in range(201)}).encode(),
    "lists 100,000 deep": b"[" * 100_000,
    "objects 20,000 deep": b'{"a":' * 20_000,
    "33 deep and closed": b"[" * 33 + b"]" * 33,
    "UTF-16": json.dumps(arrest()).encode("utf-16"),
    "Latin-1": '{"id": "Müller"}'.encode("latin-1"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a lone surrogate": raw('{"NAME": "\\ud800"}'),
    "a lone surrogate as a key": raw('{"\\udfffNAME": 1}'),
    "NUL, escaped": raw('{"NAME": "a\\u0000b"}'),
    "NUL, raw": raw('{"NAME": "a\0b"}'),
    "a line end inside a text": raw('{"NAME": "a\nb"}'),
    "a quote that never ends": raw('{"NAME": "') + b'\\"' * 100_000,
    "null": b"null",
    "a number": b"42",
    "a text": raw('"NAME"'),
    "a list where one event belongs": json.dumps([arrest()]).encode(),
    "bytes": bytes(range(256)),
}

INVALID: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no specversion": (without("specversion"), ["specversion"]),
    "no id": (without("id"), ["id"]),
    "no source": (without("source"), ["source"]),
    "no type": (without("type"), ["type"]),
    "no time": (without("time"), ["time"]),
    "nothing at all": ({}, ["specversion", "id", "source", "type", "time"]),
    "an older specversion": (arrest() | {"specversion": "0.3"}, ["specversion"]),
    "a specversion that is a number": (arrest() | {"specversion": 1.0}, ["specversion"]),
    "an empty id": (arrest(id=""), ["id"]),
    "an id that ends in a space": (arrest(id=MARKER + " "), ["id"]),
    "an id with a line end": (arrest(id=f"{MARKER}\nx"), ["id"]),
    "an id of 201 characters": (arrest(id="x" * 201), ["id"]),
    "an id that is a list": (arrest() | {"id": [MARKER]}, ["id"]),
    "a source with a space": (arrest(source=f"met-custody/{MARKER} x"), ["source"]),
    "an unknown type": (arrest() | {"type": MARKER}, ["type"]),
    "a type of a later version": (arrest() | {"type": "nightlight.arrest.v2"}, ["type"]),
    "a time without an offset": (arrest() | {"time": "2026-11-21T02:06:00"}, ["time"]),
    "a time that is a number": (arrest() | {"time": 1795226790}, ["time"]),
    "a time that is a number as text": (arrest() | {"time": "1795226790"}, ["time"]),
    "a time with a space": (arrest() | {"time": "2026-11-21 02:06:00Z"}, ["time"]),
    "a 30th of February": (arrest() | {"time": "2026-02-30T02:06:00Z"}, ["time"]),
    "a time at the end of the calendar": (arrest() | {"time": "9999-12-31T23:59:59-14:00"}, ["time"]),
    "XML": (arrest(datacontenttype="application/xml"), ["datacontenttype"]),
    "a subject": (arrest(subject=MARKER), ["subject"]),
    "data in base 64": (without("data") | {"data_base64": "e30="}, ["data_base64"]),
    "an authority that is none": (arrest(authority=MARKER), ["authority"]),
    "an authority in small letters": (arrest(authority="e09000019"), ["authority"]),
    "a mode that is none": (arrest(mode=MARKER), ["mode"]),
    "an attribute in capitals": (arrest() | {MARKER: "x"}, [""]),
    "an attribute that is an object": (arrest() | {"extra": {MARKER: 1}}, [""]),
    "no data": (without("data"), ["data.custody_record", "data.force", "data.person", "data.suite"]),
    "data that is a text": (arrest(data=MARKER), ["data"]),
    "an unknown field": (with_data(**{MARKER: 1}), ["data"]),
    "an unknown field of the person": (with_person(**{MARKER: 1}), ["data.person"]),
    "nobody": (with_data(person={}), ["data.person"]),
    "a surname alone": (with_data(person={"family_name": MARKER}), ["data.person"]),
    "a birthday the English way": (with_person(date_of_birth=f"14/03/2010 {MARKER}"), ["data.person.date_of_birth"]),
    "a birthday that is a number as text": (with_person(date_of_birth="1699920000"), ["data.person.date_of_birth"]),
    "a sex that is none": (with_person(sex=MARKER), ["data.person.sex"]),
    "names that are no list": (with_person(other_names=MARKER), ["data.person.other_names"]),
    "a name that is a number": (with_person(other_names=["A", 7]), ["data.person.other_names[1]"]),
    "a name of 201 characters": (with_person(family_name=MARKER * 20), ["data.person.family_name"]),
    "a yes that is a text": (with_person(identity_reliable="yes"), ["data.person.identity_reliable"]),
    "an empty custody record": (with_data(custody_record=" "), ["data.custody_record"]),
    "a time in data without an offset": (with_data(arrested_at="2026-11-21T02:06"), ["data.arrested_at"]),
    "no earlier event": (cloud_event("nightlight.cancelled.v1", data={}), ["data.of"]),
    "an earlier event without its id": (
        cloud_event("nightlight.cancelled.v1", data={"of": {"source": MARKER}}),
        ["data.of.id"],
    ),
    "a heartbeat with words": (cloud_event("nightlight.heartbeat.v1", data={MARKER: 1}), ["data"]),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_body_that_cannot_be_read_is_400_and_not_repeated(name: str) -> None:
    gateway = Gateway()

    response = await gateway.send(MALFORMED[name])

    refused(response, 400)
    assert MARKER not in response.text
    assert gateway.shelf.kept == []


@pytest.mark.parametrize("name", INVALID)
async def test_an_event_against_the_contract_is_422_with_the_path_and_without_the_value(name: str) -> None:
    gateway = Gateway()
    event, where = INVALID[name]

    response = await gateway.send(event)

    problem = refused(response, 422)
    assert sorted(paths(problem)) == sorted(where)
    assert MARKER not in response.text
    assert gateway.shelf.kept == []


@pytest.mark.parametrize("name", INVALID)
async def test_in_a_batch_the_path_says_which_event(name: str) -> None:
    event, where = INVALID[name]

    response = await Gateway().send([arrest(), event], BATCH)

    problem = refused(response, 422)
    assert sorted(paths(problem)) == sorted(".".join(part for part in ("[1]", path) if part) for path in where)
    assert MARKER not in response.text


@pytest.mark.parametrize("body", [b"{}", b'"x"', b"[1]", b"[[]]"])
async def test_a_batch_is_a_list_of_objects(body: bytes) -> None:
    refused(await Gateway().send(body, BATCH), 400)


async def test_a_batch_of_501_is_422() -> None:
    refused(await Gateway().send([cloud_event("nightlight.heartbeat.v1")] * 501, BATCH), 422)


async def test_a_batch_of_many_bad_events_is_answered_briefly() -> None:
    problem = refused(await Gateway().send([{}] * 500, BATCH), 422)

    assert len(problem["errors"]) == 50


@pytest.mark.parametrize(
    "headers",
    [
        [("ce-id", "a%FFb")],
        [("ce-id", b"\xe4")],
        [("ce-id", "a"), ("CE-ID", "b")],
    ],
)
async def test_binary_headers_that_cannot_be_read_are_400(headers: list[tuple[str, Any]]) -> None:
    gateway = Gateway()
    key = [("authorization", "Bearer nl_" + "a1" * 20), ("content-type", BINARY)]

    refused(await gateway.request("POST", "/v1/events", content=b"{}", headers=[*key, *headers]), 400)


async def test_binary_mode_without_its_headers_is_422() -> None:
    problem = refused(await Gateway().send(DATA["nightlight.arrest.v1"], BINARY), 422)

    assert paths(problem) == ["specversion", "id", "source", "type", "time"]


@pytest.mark.parametrize("depth", [1, DEEPEST - 1, DEEPEST])
def test_json_up_to_the_depth_is_read(depth: int) -> None:
    assert read_json(b"[" * depth + b"]" * depth) is not None


@pytest.mark.parametrize(
    "text", ['["' + "[" * 100 + '"]', '["\\"' + "{" * 100 + '"]', '["\\\\u0000"]', '["\\ud83d\\ude00"]']
)
def test_brackets_and_escapes_inside_a_text_are_only_text(text: str) -> None:
    assert read_json(text.encode()) == json.loads(text)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**15), 10**15)
        | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0")), inner, max_size=4)
        ),
        max_leaves=20,
    ),
    st.booleans(),
)
def test_honest_json_is_read_as_json_reads_it(value: Any, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped)

    assert read_json(text.encode()) == json.loads(text)


@given(st.binary(max_size=200) | st.text('[]{}",:\\u0d8Ee+-1 nulltr', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        value = read_json(body)
    except Malformed:
        return

    assert value == json.loads(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(st.sampled_from([STRUCTURED, BATCH, BINARY]), st.binary(max_size=300) | JSON)
async def test_no_body_is_a_fault_of_ours(kind: str, body: Any) -> None:
    response = await Gateway().send(body, kind)

    assert response.status_code in {202, 400, 403, 422}, response.text


@QUICK
@given(KINDS, st.data())
async def test_no_field_of_an_event_is_a_fault_of_ours_whatever_it_holds(kind: str, data: st.DataObject) -> None:
    event = json.loads(json.dumps(cloud_event(kind)))
    places = [event, *(one for one in (event["data"], event["data"].get("person"), event["data"].get("of")) if one)]
    place = data.draw(st.sampled_from(places))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)

    response = await Gateway().send(event)

    assert response.status_code in {202, 400, 403, 422}, response.text


def test_the_door_does_not_know_the_list_of_watched_children() -> None:
    """Then no answer of it can tell who is on it, in bytes or in time."""
    imported = {name for path in ROOM.glob("*.py") for name in imports(path)}

    assert "connectors.problems" in imported
    assert not [name for name in imported if name.split(".")[0] in {"streams", "notifiers", "desk"}]
    assert not imported & {"store.children", "store.moments", "store.pages", "schemas.child"}


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names
