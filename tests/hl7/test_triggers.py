"""The trigger table of the domain page: what each message of a visit comes to, in order and out of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors import attendances
from connectors.visits.known import Known, Visits, read, written
from tests.hl7.cast import NOBODY, NOW, PID, Hospital, message

OTHER = (
    PID.replace("LAMPWICK^ROBIN", "TALLOW^ZEBEDEE").replace("9990000018", "9990000042").replace("20100314", "20091130")
)


@pytest.fixture
def royal() -> Hospital:
    return Hospital()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("A04", ["admission"]),
        ("A01", ["admission"]),
        ("A02", ["admission", "admission"]),  # where they are now is a fact of its own
        ("A06", ["admission", "admission"]),
        ("A07", ["admission", "admission"]),
        ("A12", ["admission", "admission"]),
        ("A08", ["admission", "identity-changed"]),
        ("A31", ["admission", "identity-changed"]),
        ("A03", ["discharge"]),
        ("A11", ["cancelled"]),
        ("A13", ["cancelled"]),
        ("A40", ["no-open-visit"]),
        ("A34", ["no-open-visit"]),
        ("A47", ["no-open-visit"]),
        ("A45", ["no-open-visit"]),
        *(
            (event, ["type-not-wanted"])
            for event in ("A05", "A14", "A15", "A16", "A26", "A27", "A28", "A38", "A60", "A99")
        ),
    ],
)
def test_each_event_alone_comes_to_this(royal: Hospital, event: str, expected: list[str]) -> None:
    assert royal.says(message(event, more=["MRG|T9^^^R1H^MR"])) == expected


def test_the_arrival_says_what_the_contract_asks(royal: Hospital) -> None:
    said = royal.sends(message(more=["PV2" + "|" * 38 + "1^Ambulance"])).said[0]

    assert said.type == "nightlight.admission.v1"
    assert said.time.isoformat() == "2026-11-21T02:01:00+00:00"
    assert {name: value for name, value in said.data.items() if name != "person"} == {
        "attendance": "V77",
        "site": "R1H12",
        "site_name": "The Royal London",
        "arrived_at": "2026-11-21T02:01:00+00:00",
        "arrival_mode": "Ambulance",
    }


def test_one_attendance_told_by_a04_a01_and_a02_is_one_event(royal: Hospital) -> None:
    told = [
        royal.sends(message("A04")),
        royal.sends(message("A01", patient_class="I", control_id="C2", at="20261121030000")),
        royal.sends(message("A02", patient_class="I", control_id="C3", at="20261121040000", ward="6Z")),
    ]

    assert len({reading.said[0].id for reading in told}) == 1
    assert [len(reading.said) for reading in told] == [1, 1, 2]
    assert told[2].said[1].data["site_name"] == "The Royal London, 6Z"
    assert told[2].said[1].data["attendance"] == "V77"


def test_a_visit_that_is_not_to_a_and_e_leads_to_nothing(royal: Hospital) -> None:
    assert royal.says(message("A01", patient_class="O")) == ["not-an-arrival"]
    assert royal.says(message("A03", patient_class="O")) == ["not-an-arrival"]
    assert royal.says(message("A08", patient_class="O")) == ["no-open-visit"]


def test_a_cancellation_of_another_visit_does_not_make_it_one_of_ours(royal: Hospital) -> None:
    royal.sends(message("A13", patient_class="O"))

    assert royal.says(message("A02", patient_class="O", control_id="C2")) == ["not-an-arrival"]


def test_somebody_without_a_name_is_told_of_once_they_have_one(royal: Hospital) -> None:
    unknown = royal.says(message("A04", pid=NOBODY))
    named = royal.sends(message("A08", control_id="C2", at="20261121023000"))

    assert unknown == ["nobody-named"]
    assert [said.type for said in named.said] == ["nightlight.admission.v1"]
    assert named.said[0].data["arrived_at"] == "2026-11-21T02:01:00+00:00"


def test_an_update_that_says_who_it_really_is_is_matched_again(royal: Hospital) -> None:
    arrival = royal.sends(message("A04")).said[0]
    same, other = (royal.sends(message("A08", control_id=id_, pid=pid)) for id_, pid in (("C2", PID), ("C3", OTHER)))

    assert [said.id for said in same.said] == [arrival.id]
    assert [said.type.split(".")[1] for said in other.said] == ["admission", "identity-changed"]
    assert other.said[1].data["of"] == {"source": "barts", "id": arrival.id}
    assert other.said[1].data["person"]["family_name"] == "TALLOW"


def test_an_update_of_the_person_alone_goes_for_the_visit_they_are_on(royal: Hospital) -> None:
    arrival = royal.sends(message("A04")).said[0]

    said = royal.sends(message("A31", control_id="C2", visit="", patient_class="", arrived="", pid=OTHER)).said

    assert [each.data["of"]["id"] for each in said] == [arrival.id]


def test_an_update_after_they_have_left_or_long_after_is_no_news(royal: Hospital) -> None:
    royal.sends(message("A04"))
    royal.sends(message("A03", at="20261121043000", left="20261121042500"))

    assert royal.says(message("A08", control_id="C3", pid=OTHER, at="20261121050000")) == ["has-left"]
    assert royal.says(message("A08", visit="V1", arrived="20261101120000")) == ["has-left"]
    assert royal.says(message("A08", visit="V2", left="20261121020500")) == ["has-left"]


def test_a_discharge_names_the_attendance_and_when(royal: Hospital) -> None:
    royal.sends(message("A04"))

    said = royal.sends(message("A03", patient_class="I", at="20261121043000", left="20261121042500")).said[0]

    assert said.data == {"attendance": "V77", "site": "R1H12", "left_at": "2026-11-21T04:25:00+00:00"}


def test_a_cancelled_arrival_takes_back_all_that_was_told_of_it(royal: Hospital) -> None:
    arrival = royal.sends(message("A04")).said[0]
    moved = royal.sends(message("A02", control_id="C2", at="20261121030000", ward="6Z")).said[1]

    taken_back = royal.sends(message("A11", control_id="C3", at="20261121031000")).said

    assert {said.data["of"]["id"] for said in taken_back} == {arrival.id, moved.id}


def test_a_visit_registered_anew_after_its_cancellation_is_an_event_of_its_own(royal: Hospital) -> None:
    first = royal.sends(message("A04", at="20261121020600")).said[0]
    royal.sends(message("A11", control_id="C2", at="20261121021000"))
    again = royal.sends(message("A04", control_id="C3", at="20261121021500")).said[0]
    late = royal.sends(message("A01", control_id="C4", at="20261121020700")).said[0]

    assert again.id != first.id
    assert late.id == first.id  # written down before the cancellation


def test_a_cancellation_that_comes_before_what_it_cancels_names_it_all_the_same(royal: Hospital) -> None:
    cancelled = royal.sends(message("A11", at="20261121021000")).said[0]
    arrival = royal.sends(message("A04", control_id="C2", at="20261121020600")).said[0]

    assert cancelled.data["of"]["id"] == arrival.id


def test_a_duplicate_a01_and_then_a13_ends_where_it_should(royal: Hospital) -> None:
    """Admitted, discharged, admitted once more by a copy, and there after all; then gone for good."""
    arrival = royal.sends(message("A01")).said[0]
    left = royal.sends(message("A03", control_id="C2", at="20261121040000")).said[0]
    copy = royal.sends(message("A01", control_id="C3")).said[0]
    back = royal.sends(message("A13", control_id="C4", at="20261121040500")).said[0]
    gone = royal.sends(message("A03", control_id="C5", at="20261121060000")).said[0]

    assert copy.id == arrival.id
    assert back.data["of"]["id"] == left.id
    assert gone.id != left.id


def test_who_it_is_by_a_message_that_says_that_they_are_there_after_all_is_told_by_the_next(royal: Hospital) -> None:
    royal.sends(message("A04"))
    royal.sends(message("A03", control_id="C2", at="20261121040000"))
    royal.sends(message("A13", control_id="C3", pid=OTHER, at="20261121040500"))

    assert royal.says(message("A08", control_id="C4", pid=OTHER, at="20261121041000")) == [
        "admission",
        "identity-changed",
    ]


def test_a_discharge_that_was_cancelled_before_it_came_is_not_told(royal: Hospital) -> None:
    royal.sends(message("A04"))
    royal.sends(message("A13", control_id="C2", at="20261121040500"))

    assert royal.says(message("A03", control_id="C3", at="20261121040000")) == ["overtaken"]
    assert royal.says(message("A03", control_id="C4", at="20261121050000")) == ["discharge"]


def test_a_cancelled_transfer_says_where_they_are_again(royal: Hospital) -> None:
    royal.sends(message("A04"))
    royal.sends(message("A02", control_id="C2", at="20261121030000", ward="6Z"))

    said = royal.sends(message("A12", control_id="C3", at="20261121030500", ward="RNJ ED")).said

    assert said[1].data["site_name"] == "The Royal London, RNJ ED"


@pytest.mark.parametrize("event", ["A40", "A34", "A36", "A47"])
def test_a_merge_makes_the_visits_of_the_former_number_the_survivors(royal: Hospital, event: str) -> None:
    arrival = royal.sends(message("A04", pid=PID.replace("T100", "T9").replace("9990000018", "")))
    survivor = PID.replace("9990000018", "9990000042")

    said = royal.sends(message(event, control_id="C2", visit="", pid=survivor, more=["MRG|T9^^^R1H^MR"])).said

    assert [each.type for each in said] == ["nightlight.identity-changed.v1"]
    assert said[0].data["of"]["id"] == arrival.said[0].id
    assert said[0].data["person"]["nhs_number"] == "9990000042"


def test_a_merge_of_a_sensitive_record_carries_no_address(royal: Hospital) -> None:
    royal.sends(message("A04", pid=PID.replace("T100", "T9").replace("9990000018", "")))

    said = royal.sends(message("A40", control_id="C2", visit="", more=["PD1||||||||||||Y", "MRG|T9^^^R1H^MR"])).said

    assert [each.type for each in said] == ["nightlight.identity-changed.v1"]
    assert not {"postcode", "address_line"} & said[0].data["person"].keys()


def test_a_merge_that_says_who_somebody_unknown_is_tells_of_their_arrival(royal: Hospital) -> None:
    royal.sends(message("A04", pid=NOBODY))

    said = royal.sends(
        message("A40", control_id="C2", visit="", arrived="", more=["MRG|T100^^^R1H^MR"], at="20261121030000")
    ).said

    assert [each.type for each in said] == ["nightlight.admission.v1"]
    assert (said[0].data["attendance"], said[0].data["site"]) == ("V77", "R1H12")
    assert said[0].data["arrived_at"] == "2026-11-21T02:01:00+00:00"


def test_a_merge_of_several_patients_is_a_merge_of_each(royal: Hospital) -> None:
    first = royal.sends(message("A04", visit="V1", pid=PID.replace("T100", "T1"))).said[0]
    second = royal.sends(message("A04", visit="V2", pid=OTHER.replace("T100", "T2"))).said[0]
    pairs = [
        "MRG|T1^^^R1H^MR",
        PID.replace("ROBIN", "ROBERT").replace("T100", "T4"),
        "MRG|T2^^^R1H^MR",
    ]

    said = royal.sends(
        message("A47", visit="", pid=PID.replace("ROBIN", "ROBYN").replace("T100", "T3"), more=pairs)
    ).said

    assert [each.data["of"]["id"] for each in said] == [first.id, second.id]
    assert [each.data["person"]["given_name"] for each in said] == ["ROBYN", "ROBERT"]


@pytest.mark.parametrize("event", ["A45", "A50", "A42"])
def test_a_visit_with_another_number_stays_the_attendance_that_it_was(royal: Hospital, event: str) -> None:
    arrival = royal.sends(message("A04")).said[0]
    data = message(event, control_id="C2", visit="V88").decode().replace("\rPV1", "\rMRG|T100^^^R1H^MR||||V77\rPV1")
    royal.sends(data.encode())

    left = royal.sends(message("A03", control_id="C3", visit="V88", patient_class="I", at="20261121043000")).said[0]

    assert left.data["attendance"] == "V77"
    assert royal.sends(message("A04", control_id="C4", visit="V88")).said[0].id == arrival.id


def test_a_visit_without_a_number_is_known_by_the_patient_and_the_arrival(royal: Hospital) -> None:
    first = royal.sends(message("A04", visit="")).said[0]
    second = royal.sends(message("A01", control_id="C2", visit="")).said[0]
    another = royal.sends(message("A04", control_id="C3", visit="", arrived="20261122020100")).said[0]

    assert first.id == second.id
    assert first.id != another.id


def test_a_test_does_not_touch_what_is_known_of_a_real_visit(royal: Hospital) -> None:
    first = royal.sends(message("A04")).said[0]
    royal.sends(message("A11", control_id="C2", processing="T", at="20261121021000"))

    assert royal.sends(message("A01", control_id="C3", at="20261121022000")).said[0].id == first.id


def test_a_test_patient_is_passed_over(royal: Hospital) -> None:
    assert royal.says(message(pid=PID.replace("LAMPWICK", "ZZZTEST"))) == ["test-patient"]


def test_another_message_than_adt_is_passed_over(royal: Hospital) -> None:
    assert royal.says(message().replace(b"ADT^A04", b"ORU^R01")) == ["type-not-wanted"]


def test_no_id_shows_a_number_of_the_visit_or_the_patient(royal: Hospital) -> None:
    said = [*royal.sends(message("A04")).said, *royal.sends(message("A02", ward="6Z", at="20261121030000")).said]

    assert not any(number in each.id for each in said for number in ("V77", "T100", "9990000018"))


def test_the_ids_are_those_that_any_door_makes_of_an_attendance(royal: Hospital) -> None:
    said = royal.sends(message("A04")).said[0]

    assert said.id == attendances.arrival_id(royal.sealer, "R1H12", "V77")


def test_without_a_time_of_arrival_the_next_best_is_taken(royal: Hospital) -> None:
    said = royal.sends(message("A04", arrived="", at="20261121020600")).said[0]
    timeless = royal.sends(message("A04", arrived="soon", at="", visit="V2")).said[0]

    assert said.data["arrived_at"] == "2026-11-21T02:06:00+00:00"
    assert timeless.time == NOW


def known(number: int, **more: Any) -> Known:
    return Known("R1H12", f"V{number}", (f"k{number}",), NOW + timedelta(minutes=number), **more)


def test_of_too_many_visits_the_longest_unheard_of_is_forgotten() -> None:
    visits = Visits(most=3)
    for number in range(5):
        visits.keep(known(number, patients=frozenset({f"p{number}"}), ours=True))

    assert len(visits) == 3
    assert visits.find("k1") is None
    assert visits.of_patients(["p0", "p1"]) == []
    assert set(visits.unwritten) == {"k2", "k3", "k4"}


def test_a_visit_comes_back_from_where_it_was_written_as_it_was() -> None:
    one = known(1, patients=frozenset({"p"}), cancelled=frozenset({NOW}), left_at=NOW, told=("a", "b"), ours=True)
    one = replace(one, said_at=NOW, person="who", place="where", site_name="The Royal London")

    assert read(written(one)) == one


def test_what_two_messages_say_of_a_visit_at_once_is_both_kept() -> None:
    visits = Visits()
    visits.keep(known(1, cancelled=frozenset({NOW})))
    visits.keep(known(1, returned=frozenset({NOW})))

    found = visits.find("k1")

    assert found is not None
    assert (found.cancelled, found.returned) == (frozenset({NOW}), frozenset({NOW}))
