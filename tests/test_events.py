"""Events: every type of the contract is taken as written, a bad one is refused, and no refusal repeats a value."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.envelope import Envelope, Mode, pack, unpack
from schemas.events import EVENTS, AboutPerson, ArrestReported
from schemas.person import Identity, Person, unusable
from schemas.sealing import Keyring, SealBroken
from schemas.wire import event_record, read_event
from tests.events import DATA, NOON, PERSON

RING = Keyring.make()
SECRET = "Zuleika-Marker"


def envelope(kind: str, **data: Any) -> Envelope:
    event = EVENTS[kind].model_validate({**DATA[kind], **data})
    return Envelope(
        id="e-1", source="met-custody", time=NOON, feed="met-custody", entrance="http", received_at=NOON, event=event
    )


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_every_type_of_the_contract_has_an_example_and_survives_the_way_through_kafka(kind: str) -> None:
    sent = envelope(kind)

    record = event_record(sent, RING)

    assert read_event(record.topic, record.value, dict(record.headers), RING) == sent


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_nothing_in_a_key_or_header_or_in_the_sealed_value_shows_a_person(kind: str) -> None:
    record = event_record(envelope(kind), RING)
    seen = record.key + record.value + b"".join(name.encode() + value for name, value in record.headers)

    for value in PERSON.values():
        assert str(value).encode() not in seen


def test_an_event_moved_to_another_topic_does_not_open() -> None:
    record = event_record(envelope("nightlight.arrest.v1"), RING)

    with pytest.raises(SealBroken):
        read_event("nightlight.events.missing", record.value, dict(record.headers), RING)


def test_a_release_has_the_key_of_its_arrest_so_that_they_stay_in_order() -> None:
    arrest, release = envelope("nightlight.arrest.v1"), envelope("nightlight.custody-release.v1")

    assert event_record(arrest, RING).key == event_record(release, RING).key
    assert arrest.event.topic == release.event.topic


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("nightlight.arrest.v1", {"arrested_at": "2026-11-21T02:06:00"}),
        ("nightlight.arrest.v1", {"arrested_at": 1_700_000_000}),
        ("nightlight.arrest.v1", {"custody_record": ""}),
        ("nightlight.arrest.v1", {"surprise": SECRET}),
        ("nightlight.arrest.v1", {"person": {"given_name": SECRET}}),
        ("nightlight.arrest.v1", {"person": {**PERSON, "date_of_birth": "2010-02-30"}}),
        ("nightlight.arrest.v1", {"person": {**PERSON, "date_of_birth": "14/03/2010"}}),
        ("nightlight.arrest.v1", {"person": {**PERSON, "date_of_birth": 20100314}}),
        ("nightlight.arrest.v1", {"person": {**PERSON, "sex": SECRET}}),
        ("nightlight.arrest.v1", {"person": {**PERSON, "identity_reliable": "yes"}}),
        ("nightlight.arrest.v1", {"person": {**PERSON, "family_name": SECRET * 50}}),
        ("nightlight.missing.v1", {"risk": SECRET}),
        ("nightlight.exclusion.v1", {"kind": SECRET}),
        ("nightlight.cancelled.v1", {"of": SECRET}),
        ("nightlight.admission.v1", {"deceased": "no"}),
    ],
)
def test_a_wrong_field_is_refused_and_its_value_is_not_repeated(kind: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        EVENTS[kind].model_validate({**DATA[kind], **wrong})

    assert SECRET not in str(refused.value)
    assert "Lampwick" not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "typed", "problem"),
    [
        ("nhs_number", "9990000019", "check-digit"),
        ("nhs_number", "9999999999", "placeholder"),
        ("upn", "UN1", "placeholder"),
        ("pnc_id", "hello", "format"),
        ("cro_number", "1" * 10_000, "length"),
    ],
)
def test_an_unusable_identifier_is_set_aside_and_noted_and_rejects_nothing(
    field: str, typed: str, problem: str
) -> None:
    person = Person.model_validate({**PERSON, field: typed})

    identity = Identity.of(person)

    assert getattr(identity, field) is None
    assert [(aside.field, aside.problem) for aside in identity.set_aside] == [(field, problem)]
    assert unusable(person) == identity.set_aside


@pytest.mark.parametrize("typed", ["not known", "ZZ99 3VZ", "N1 " * 100, "\N{NO-BREAK SPACE}"])
def test_a_postcode_that_cannot_be_one_rejects_nothing(typed: str) -> None:
    person = Person.model_validate({**PERSON, "postcode": typed})

    assert Identity.of(person).postcode is None


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_null_is_what_is_not_there(kind: str) -> None:
    """Many a serialiser writes it for every empty field, lists and flags too."""
    optional = [name for name, field in EVENTS[kind].model_fields.items() if not field.is_required()]
    data = {name: value for name, value in DATA[kind].items() if name not in optional}
    nobodys = {name: None for name in Person.model_fields if name not in ("family_name", "date_of_birth")}
    if "person" in data:
        data["person"] = {"family_name": "Lampwick", "date_of_birth": "2011-03-14"}
    written = {**data, **dict.fromkeys(optional)}
    if "person" in data:
        written["person"] = {**data["person"], **nobodys}

    assert EVENTS[kind].model_validate(written) == EVENTS[kind].model_validate(data)


def test_an_identifier_alone_is_enough_to_say_who() -> None:
    assert Person.model_validate({"upn": "A82312432400A"}).family_name is None


def test_unknown_reason_codes_of_a_school_are_kept_as_other() -> None:
    event = envelope("nightlight.exclusion.v1").event

    assert event.model_dump()["reasons"] == ("OW", "other")


@given(
    st.dictionaries(
        st.text(max_size=10), st.one_of(st.none(), st.integers(), st.text(max_size=20), st.lists(st.text(max_size=5)))
    )
)
def test_arbitrary_data_is_an_event_or_a_refusal_and_nothing_else(data: dict[str, Any]) -> None:
    try:
        event = ArrestReported.model_validate(data)
    except ValidationError:
        return

    assert isinstance(event, AboutPerson)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_never_taken_for_an_envelope(noise: bytes) -> None:
    with pytest.raises((ValueError, AttributeError, TypeError)):
        unpack(noise)


def test_a_test_event_stays_a_test_event() -> None:
    sent = envelope("nightlight.arrest.v1").model_copy(update={"mode": Mode.TEST})

    assert unpack(pack(sent)).mode is Mode.TEST
