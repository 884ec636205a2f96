"""What an arrival at A&E is, for each sender; and the CSV in which that is said."""

from dataclasses import replace
from typing import Any

import pytest

from connectors.hl7.header import read_header
from connectors.hl7.message import parse
from connectors.hl7.visit import read_visit
from connectors.mllp.known import Peer, Senders
from connectors.visits.rule import arrival
from connectors.visits.shapes import Visit
from schemas.settings import Mode
from store.csvs import BadFile
from store.senders import Sender, read
from tests.gateway import unreachable
from tests.hl7.cast import BARTS, NOW, ROYAL, message

PLAIN = Sender(sender="plain", agency="barts")


def visit(**more: Any) -> Visit:
    read_message = parse(message(patient_class="", ward=""))
    return replace(read_visit(read_message, read_header(read_message), now=NOW), **more)


@pytest.mark.parametrize(
    ("rule", "told", "is_one"),
    [
        ({}, {"patient_class": "E"}, True),  # the usual rule
        ({}, {"treatment_function": "180"}, True),
        ({}, {"admission_methods": ("21",)}, True),
        ({}, {"patient_class": "I", "admission_methods": ("22",)}, False),
        ({}, {}, False),
        ({"locations": ("RNJ ED",)}, {"patient_class": "I", "ward": "RNJ ED RESUS"}, True),  # Barts
        ({"locations": ("RNJ ED",)}, {"patient_class": "E"}, False),  # its own rule, and no other
        ({"classes": ("E", "inpatient")}, {"patient_class": "Inpatient"}, True),
        (
            {"admission_methods": ("Emergency-A&E*",)},
            {"admission_methods": ("Emergency-A&E/Dental",)},
            True,
        ),  # Homerton
        ({"admission_methods": ("Emergency-A&E*",)}, {"admission_methods": ("Elective",)}, False),
        ({"treatment_functions": ("180", "420")}, {"treatment_function": "420"}, True),
        ({"classes": ("*",)}, {"patient_class": "X"}, True),
        ({"classes": ("*",)}, {"patient_class": ""}, False),
    ],
)
def test_an_arrival_is_what_the_senders_rule_says(rule: dict[str, Any], told: dict[str, Any], is_one: bool) -> None:
    found = arrival(replace(PLAIN, **rule), visit(**told))

    assert found.is_one is is_one
    assert found.why.startswith("PV1-")


CSV = """\
sender,agency,application,facility,certificate,addresses,source,site,site_name,authority,classes,locations,treatment_functions,admission_methods
royal,barts,BLT_TIE,BLT,,10.1.0.7;10.2.0.0/16,barts/royal,RNJ,The Royal London,E09000030,,RNJ ED,180,21
homerton,homerton,,,TIE.homerton.example,,,RQX,,,Inpatient,,,Emergency-A&E*
"""


def test_the_table_is_a_csv() -> None:
    royal, homerton = read(CSV.encode())

    assert royal.addresses == ("10.1.0.7/32", "10.2.0.0/16")
    assert royal.locations == ("RNJ ED",)
    assert homerton.certificate == "tie.homerton.example"
    assert homerton.admission_methods == ("Emergency-A&E*",)


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("a b,barts,PAS,R1H,,,,,,,,,,", "sender"),
        ("royal,barts,,,,,,,,,,,,", "application"),
        ("royal,barts,PAS,R1H,,10.1.0,,,,,,,,", "addresses"),
        ("royal,barts,PAS,R1H,not a name,,,,,,,,,", "certificate"),
        ("royal,barts,PAS,R1H,,,,,,London,,,,", "authority"),
        ("royal,,PAS,R1H,,,,,,,,,,", "agency"),
        ("one,barts,PAS,R1H,,,,,,,,,,\ntwo,barts,pas,r1h,,,,,,,,,,", "facility"),
        ("one,barts,PAS,R1H,,,,,,,,,,\none,barts,PAS,R2H,,,,,,,,,,", "sender"),
    ],
)
def test_a_bad_line_is_named_with_its_column(line: str, column: str) -> None:
    with pytest.raises(BadFile) as refused:
        read(f"{CSV.splitlines()[0]}\n{line}\n".encode())

    assert refused.value.problems[-1].column == column


def table(*senders: Sender, mode: Mode = Mode.LIVE) -> Senders:
    made = Senders(unreachable(), lambda: NOW, mode=mode)
    made.know([(sender, BARTS) for sender in senders], [BARTS])
    return made


def found(senders: Senders, application: str, facility: str, peer: Peer) -> str | None:
    entry = senders.find(application, facility, peer)
    return entry[0].sender if entry else None


@pytest.mark.parametrize(
    ("addresses", "peer", "taken"),
    [
        ((), "127.0.0.1", True),  # nothing said: this machine alone
        ((), "::1", True),
        ((), "10.1.0.7", False),
        (("10.1.0.0/16",), "10.1.0.7", True),
        (("10.1.0.0/16",), "10.2.0.7", False),
        (("10.1.0.0/16",), "127.0.0.1", False),
        (("fd00::/8",), "fd00::7", True),
    ],
)
def test_without_tls_a_sender_is_taken_from_its_addresses_alone(
    addresses: tuple[str, ...], peer: str, taken: bool
) -> None:
    senders = table(replace(ROYAL, addresses=addresses))

    assert (found(senders, "PAS", "R1H12", Peer(peer)) == "royal") is taken


def test_a_sender_is_known_by_what_it_says_in_msh_3_and_4() -> None:
    senders = table(ROYAL, replace(ROYAL, sender="any", application=""), replace(ROYAL, sender="other", facility="RQX"))
    here = Peer("127.0.0.1")

    assert found(senders, "pas", "r1h12", here) == "royal"
    assert found(senders, "LAB", "R1H12", here) == "any"
    assert found(senders, "PAS", "RQX", here) == "other"
    assert found(senders, "LAB", "RQX", here) is None


def test_over_tls_the_certificate_decides_and_a_sender_with_one_comes_no_other_way() -> None:
    senders = table(replace(ROYAL, certificate="tie.barts.example"), replace(ROYAL, sender="plain"))
    theirs, strange = Peer("10.1.0.7", frozenset({"tie.barts.example"})), Peer("10.1.0.7", frozenset({"evil.example"}))

    assert found(senders, "PAS", "R1H12", theirs) == "royal"
    assert found(senders, "PAS", "R1H12", strange) is None
    assert found(senders, "PAS", "R1H12", Peer("127.0.0.1")) == "plain"
    assert senders.welcomes(theirs)
    assert not senders.welcomes(strange)


def test_in_a_rehearsal_an_agencys_own_name_in_msh_3_or_4_is_enough_on_this_machine() -> None:
    senders = table(mode=Mode.REHEARSAL)

    assert found(senders, "Barts", "X", Peer("127.0.0.1")) == "barts"
    assert found(senders, "PAS", "BARTS", Peer("127.0.0.1")) == "barts"
    assert found(senders, "PAS", "BARTS", Peer("10.0.0.1")) is None
    assert found(table(), "PAS", "BARTS", Peer("127.0.0.1")) is None


def test_an_agency_that_was_revoked_is_gone_from_the_table() -> None:
    senders = table(ROYAL)
    senders.know([])

    assert found(senders, "PAS", "R1H12", Peer("127.0.0.1")) is None


def test_who_was_found_before_is_looked_for_anew_when_the_table_has_changed() -> None:
    senders = table(ROYAL)
    here = Peer("127.0.0.1")
    before = [
        found(senders, "PAS", "R1H12", here),
        found(senders, "PAS", "R1H12", here),
        found(senders, "X", "Y", here),
    ]

    senders.know([(replace(ROYAL, application="X", facility="Y"), BARTS)])

    assert before == ["royal", "royal", None]
    assert [found(senders, "PAS", "R1H12", here), found(senders, "X", "Y", here)] == [None, "royal"]
