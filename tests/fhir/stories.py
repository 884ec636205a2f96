"""One hospital's stories, each message of them in both formats: HL7 v2 and FHIR."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fhir import cast as fhir
from tests.hl7 import cast as hl7

SITE = {
    "resourceType": "Organization",
    "id": "o1",
    "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "R1H12"}],
    "name": "The Royal London",
}
PATIENT = {
    "id": "p1",
    "identifier": [{"system": fhir.NHS, "value": "9990000018"}, {"system": "urn:r1h", "value": "T100"}],
    "name": [{"use": "official", "family": "LAMPWICK", "given": ["ROBIN", "JUDE"]}],
    "birthDate": "2010-03-14",
    "gender": "male",
    "address": [{"use": "home", "line": ["12 MADE UP ROAD"], "city": "LONDON", "postalCode": "N1 9GU"}],
}
VISIT = {"value": "V77", "type": {"coding": [{"code": "VN"}]}}
START = "2026-11-21T02:01:00+00:00"
ENCOUNTER = {"identifier": [VISIT], "period": {"start": START}}


def of_royal(message: dict[str, Any]) -> dict[str, Any]:
    message["entry"] = [
        {"resource": SITE} if each["resource"]["resourceType"] == "Organization" else each for each in message["entry"]
    ]
    return message


def v2(*, function: str = "", vip: str = "", **said: Any) -> bytes:
    """A message of the cast, with PV1-10 and PV1-16."""
    lines = hl7.message(**said).decode().split("\r")
    place = next(number for number, line in enumerate(lines) if line.startswith("PV1"))
    pv1 = (lines[place].split("|") + [""] * 46)[:46]
    pv1[10], pv1[16] = function, vip
    lines[place] = "|".join(pv1).rstrip("|")
    return "\r".join(lines).encode()


@dataclass(frozen=True)
class Who:
    """A patient as both formats write them."""

    pid: str
    patient: dict[str, Any]

    def under(self, number: str) -> "Who":
        """The same, with another number of the hospital's."""
        identifiers = [
            {**each, "value": number} if each["system"] == "urn:r1h" else each for each in self.patient["identifier"]
        ]
        return Who(self.pid.replace("T100^", f"{number}^"), {**self.patient, "identifier": identifiers})


ROBIN = Who(hl7.PID, PATIENT)
ZEBEDEE = Who(
    hl7.PID.replace("LAMPWICK^ROBIN", "TALLOW^ZEBEDEE")
    .replace("9990000018", "9990000042")
    .replace("20100314", "20091130"),
    {
        **PATIENT,
        "identifier": [{"system": fhir.NHS, "value": "9990000042"}, {"system": "urn:r1h", "value": "T100"}],
        "name": [{"use": "official", "family": "TALLOW", "given": ["ZEBEDEE", "JUDE"]}],
        "birthDate": "2009-11-30",
    },
)
NOBODY = Who(
    hl7.NOBODY,
    {
        "id": "p1",
        "identifier": [{"system": "urn:r1h", "value": "T100"}],
        "name": [{"family": "UNKNOWN", "given": ["MALE"]}],
        "gender": "male",
        "birthDate": None,
        "address": None,
    },
)

STATUSES = {"A03": "finished", "A11": "cancelled"}
CLASSES = {"E": "EMER", "I": "IMP", "O": "AMB"}


@dataclass(frozen=True)
class Told:
    """One message, in both formats. `at` is in minutes after two o'clock; `plain`: FHIR without an event of HL7 v2, which
    its status must tell. `visit` is its number, and `former` one that it had."""

    event: str
    at: int
    who: Who = ROBIN
    ward: str = "RNJ ED"
    kind: str = "E"
    plain: bool = False
    status: str = ""
    visit: str = "V77"
    former: str = ""
    security: str = ""
    test: bool = False

    @property
    def time(self) -> datetime:
        return datetime(2026, 11, 21, 2, 0, tzinfo=UTC) + timedelta(minutes=self.at)

    def as_hl7(self, control_id: str) -> bytes:
        data = v2(
            event=self.event,
            at=self.time.strftime("%Y%m%d%H%M%S"),
            pid=self.who.pid,
            ward=self.ward,
            patient_class=self.kind,
            visit=self.visit,
            control_id=control_id,
            processing="T" if self.test else "P",
            vip=self.security,
            left=self.time.strftime("%Y%m%d%H%M%S") if self.event == "A03" else "",
        )
        former = f"\rMRG|T100^^^R1H^MR||||{self.former}\rPV1"
        return data.replace(b"\rPV1", former.encode()) if self.former else data

    def as_fhir(self) -> dict[str, Any]:
        end = {"end": self.time.isoformat()} if self.event == "A03" else {}
        numbers = [
            {**VISIT, "value": self.visit},
            *([{**VISIT, "value": self.former, "use": "old"}] if self.former else []),
        ]
        encounter = {
            "identifier": numbers,
            "status": self.status or STATUSES.get(self.event, "in-progress"),
            "class": {"code": CLASSES[self.kind]},
            "period": {"start": START, **end},
            "location": [{"status": "active", "location": {"reference": "Location/w1"}}],
            "meta": {"security": [{"code": self.security}]} if self.security else None,
        }
        ward = {
            "resourceType": "Location",
            "id": "w1",
            "name": self.ward,
            "managingOrganization": {"reference": "Organization/o1"},
        }
        told = fhir.message(
            encounter=encounter,
            patient=self.who.patient,
            more=(ward,),
            header={"eventCoding": {"code": "encounter-told" if self.plain else self.event}},
            timestamp=self.time.isoformat(),
            meta={"tag": [{"code": "T"}]} if self.test else None,
        )
        return of_royal(told)


@dataclass(frozen=True)
class Record:
    """A change of a patient's record, without a visit. `former`: the number of another record that is theirs too."""

    at: int
    who: Who
    former: str = ""

    def as_hl7(self, control_id: str) -> bytes:
        at = Told("A31", self.at).time.strftime("%Y%m%d%H%M%S")
        more = [f"MRG|{self.former}^^^R1H^MR"] if self.former else []
        said: dict[str, Any] = {"pid": self.who.pid, "visit": "", "arrived": "", "patient_class": "", "ward": ""}
        return hl7.message("A40" if self.former else "A31", at=at, control_id=control_id, more=more, **said)

    def as_fhir(self) -> dict[str, Any]:
        other = {"type": "Patient", "identifier": {"system": "urn:r1h", "value": self.former}}
        link = [{"type": "replaces", "other": other}] if self.former else None
        told = fhir.message(
            patient={**self.who.patient, "link": link},
            header={"eventCoding": {"code": "A40" if self.former else "A31"}, "focus": [{"reference": "Patient/p1"}]},
            timestamp=Told("A31", self.at).time.isoformat(),
        )
        told["entry"] = [each for each in told["entry"] if each["resource"]["resourceType"] != "Encounter"]
        return told


ARRIVAL, CANCEL = "nightlight.admission.v1", "nightlight.cancelled.v1"
LEFT, WHO = "nightlight.discharge.v1", "nightlight.identity-changed.v1"

STORIES: dict[str, tuple[list[Told | Record], list[str]]] = {
    "registered, admitted, transferred, discharged": (
        [Told("A04", 6), Told("A01", 60, kind="I"), Told("A02", 90, kind="I", ward="6Z"), Told("A03", 150, kind="I")],
        [ARRIVAL, ARRIVAL, LEFT],
    ),
    "the same, by statuses, classes and places alone": (
        [
            Told("A04", 6, plain=True, status="arrived"),
            Told("A01", 60, kind="I", plain=True),
            Told("A02", 90, kind="I", ward="6Z", plain=True),
            Told("A03", 150, kind="I", plain=True),
        ],
        [ARRIVAL, ARRIVAL, LEFT],
    ),
    "told twice, each time": (
        [
            Told("A04", 6),
            Told("A04", 6),
            Told("A02", 90, ward="6Z"),
            Told("A02", 90, ward="6Z"),
            Told("A03", 150),
            Told("A03", 150),
        ],
        [ARRIVAL, ARRIVAL, LEFT],
    ),
    "cancelled, with all that was told beside the arrival": (
        [Told("A04", 6), Told("A02", 30, ward="6Z"), Told("A11", 40, plain=True)],
        [ARRIVAL, ARRIVAL, CANCEL, CANCEL],
    ),
    "cancelled, and told anew under the same number; a late copy of the first": (
        [Told("A04", 6), Told("A11", 10, plain=True), Told("A04", 15, plain=True), Told("A01", 7, plain=True)],
        [ARRIVAL, CANCEL, ARRIVAL],
    ),
    "the cancellation comes before what it cancels": (
        [Told("A11", 10, plain=True), Told("A04", 6, plain=True)],
        [CANCEL, ARRIVAL],
    ),
    "a cancellation that comes after they were registered anew": (
        [Told("A04", 6), Told("A04", 60), Told("A11", 30)],
        [ARRIVAL],
    ),
    "discharged by mistake, and then for good": (
        [Told("A04", 6), Told("A03", 60), Told("A13", 65), Told("A03", 150)],
        [ARRIVAL, LEFT, CANCEL, LEFT],
    ),
    "the same, by statuses alone": (
        [
            Told("A04", 6, plain=True),
            Told("A03", 60, plain=True),
            Told("A13", 65, plain=True),
            Told("A03", 150, plain=True),
        ],
        [ARRIVAL, LEFT, CANCEL, LEFT],
    ),
    "a transfer and a discharge that are cancelled cancel no visit, whatever the status says": (
        [
            Told("A04", 6),
            Told("A02", 30, ward="6Z"),
            Told("A12", 40, status="cancelled"),
            Told("A03", 60),
            Told("A13", 70, status="cancelled"),
        ],
        [ARRIVAL, ARRIVAL, ARRIVAL, LEFT, CANCEL],
    ),
    "a discharge that comes after its cancellation": (
        [Told("A04", 6), Told("A13", 65), Told("A03", 60)],
        [ARRIVAL, CANCEL],
    ),
    "nobody, and then somebody": (
        [Told("A04", 6, NOBODY), Told("A08", 30)],
        [ARRIVAL],
    ),
    "somebody else, and nothing new after that": (
        [Told("A04", 6), Told("A08", 30, ZEBEDEE), Told("A08", 40, ZEBEDEE)],
        [ARRIVAL, WHO],
    ),
    "somebody else, whom an older message does not make the first again": (
        [Told("A04", 6), Told("A08", 30, ZEBEDEE), Told("A08", 20, ROBIN), Told("A01", 7, ROBIN)],
        [ARRIVAL, WHO],
    ),
    "a transfer that comes after the next": (
        [Told("A04", 6), Told("A02", 60, ward="7B"), Told("A02", 30, ward="6Z"), Told("A08", 70, ward="7B")],
        [ARRIVAL, ARRIVAL],
    ),
    "an update after they have left": ([Told("A04", 6), Told("A03", 60), Told("A08", 70, ZEBEDEE)], [ARRIVAL, LEFT]),
    "a record is changed without a visit": ([Told("A04", 6), Record(30, ZEBEDEE)], [ARRIVAL, WHO]),
    "a record is changed of somebody who is not here": ([Record(30, ZEBEDEE)], []),
    "two records were one patient": (
        [Told("A04", 6, ROBIN.under("T9")), Record(30, ZEBEDEE, former="T9")],
        [ARRIVAL, WHO],
    ),
    "two records were one patient, and the first was nobody": (
        [Told("A04", 6, NOBODY.under("T9")), Record(30, ROBIN, former="T9")],
        [ARRIVAL],
    ),
    "a merge of somebody who is not here": ([Record(30, ROBIN, former="T9")], []),
    "the visit has another number": (
        [Told("A04", 6), Told("A45", 30, visit="V88", former="V77"), Told("A03", 60, visit="V88", kind="I")],
        [ARRIVAL, LEFT],
    ),
    "a sensitive visit, and somebody else": (
        [Told("A04", 6, security="R"), Told("A08", 30, ZEBEDEE, security="R")],
        [ARRIVAL, WHO],
    ),
    "a test does not touch the real visit": (
        [Told("A04", 6), Told("A11", 10, test=True), Told("A01", 20)],
        [ARRIVAL, CANCEL],
    ),
}
