"""A FHIR message as a hospital's engine would send it, and one way to send it."""

import copy
import json
from collections.abc import Mapping
from typing import Any

import httpx2

from store.rights import Agency, expand
from tests.gateway import MET_KEY, Gateway, key_of

AT = "2026-11-21T02:06:00+00:00"
SENT = "2026-11-21T02:06:10+00:00"
FHIR = "application/fhir+json"
NHS = "https://fhir.nhs.uk/Id/nhs-number"
UKCORE = "https://fhir.hl7.org.uk/StructureDefinition"

HOSPITAL = Agency("whittington", ("whittington",), expand(["nightlight.admission.v1"]), frozenset({"E09000019"}))

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"profile": [f"{UKCORE}/UKCore-Patient"], "security": [{"code": "U"}]},
    "identifier": [
        {"system": "https://whittington.example/pas", "value": "123456"},
        {
            "system": NHS,
            "value": "9990000018",
            "extension": [
                {
                    "url": f"{UKCORE}/Extension-UKCore-NHSNumberVerificationStatus",
                    "valueCodeableConcept": {"coding": [{"code": "01"}]},
                }
            ],
        },
    ],
    "name": [{"use": "official", "family": "Lampwick", "given": ["Robin", "Jay"]}],
    "gender": "male",
    "birthDate": "2010-03-14",
    "address": [{"use": "home", "line": ["1 Made-up Street", "Holloway"], "city": "London", "postalCode": "N1 9GU"}],
    "telecom": [{"system": "phone", "value": "+447700900111"}],
}

ENCOUNTER: dict[str, Any] = {
    "resourceType": "Encounter",
    "id": "e1",
    "identifier": [{"system": "https://whittington.example/visit", "value": "AE-77"}],
    "status": "arrived",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "EMER"},
    "subject": {"reference": "Patient/p1"},
    "period": {"start": AT},
    "serviceProvider": {"reference": "Organization/o1"},
}

ORGANISATION: dict[str, Any] = {
    "resourceType": "Organization",
    "id": "o1",
    "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "RKE01"}],
    "name": "Made-up General",
}


def message(
    *,
    encounter: Mapping[str, Any] | None = None,
    patient: Mapping[str, Any] | None = None,
    more: tuple[dict[str, Any], ...] = (),
    header: Mapping[str, Any] | None = None,
    **bundle: Any,
) -> dict[str, Any]:
    """A message Bundle with changed elements; None takes one away."""
    told = {"resourceType": "MessageHeader", "id": "m1", "eventCoding": {"code": "encounter-started"}}
    resources = [
        changed({**told, "source": {"endpoint": "urn:whittington"}, "focus": [{"reference": "Encounter/e1"}]}, header),
        changed(ENCOUNTER, encounter),
        changed(PATIENT, patient),
        copy.deepcopy(ORGANISATION),
        *more,
    ]
    entry = [{"resource": each} for each in resources]
    return changed({"resourceType": "Bundle", "id": "b1", "type": "message", "timestamp": SENT, "entry": entry}, bundle)


def changed(resource: Mapping[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    whole = {**copy.deepcopy(dict(resource)), **(changes or {})}
    return {name: value for name, value in whole.items() if value is not None}


def hospital() -> Gateway:
    """A gateway at which MET_KEY is the hospital's."""
    gateway = Gateway()
    gateway.doorkeeper.know([key_of(MET_KEY, HOSPITAL)])
    return gateway


async def post(
    gateway: Gateway, body: Any, kind: str | None = FHIR, key: str | None = MET_KEY, **headers: str
) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if kind:
        given["content-type"] = kind
    if key:
        given["authorization"] = f"Bearer {key}"
    return await gateway.request("POST", "/fhir/$process-message", content=content, headers=given)


def issues(response: httpx2.Response, status: int) -> list[dict[str, Any]]:
    """The issues of an answer, after checking that it is an OperationOutcome."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == FHIR
    outcome = response.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"]
    for issue in outcome["issue"]:
        assert issue.keys() >= {"severity", "code", "diagnostics"}
        assert issue["severity"] == "information" or status >= 400
    found: list[dict[str, Any]] = outcome["issue"]
    return found


def where(found: list[dict[str, Any]]) -> list[str]:
    return [expression for issue in found for expression in issue.get("expression", [])]
