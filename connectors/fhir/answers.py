"""How FHIR is answered: an OperationOutcome for whatever happened, and a CapabilityStatement for whoever asks first."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi.responses import JSONResponse

from connectors.problems import MOST_FINDINGS, STATUS, TITLES, Reason, Refused
from schemas.envelope import Envelope

MEDIA_TYPE: Final = "application/fhir+json"
TAKEN: Final = (MEDIA_TYPE, "application/json")

ISSUES: Final[Mapping[Reason, str]] = {
    Reason.MALFORMED: "structure",
    Reason.UNKNOWN_KEY: "login",
    Reason.NOT_YOURS: "forbidden",
    Reason.NOT_AGREED: "forbidden",
    Reason.NO_SUCH_PAGE: "not-found",
    Reason.NO_SUCH_METHOD: "not-supported",
    Reason.TOO_LARGE: "too-long",
    Reason.MEDIA_TYPE: "not-supported",
    Reason.INVALID: "invalid",
    Reason.TOO_FAST: "throttled",
    Reason.FAILED: "exception",
    Reason.KAFKA_AWAY: "transient",
    Reason.STARTING: "transient",
}
"""Our reasons in the words of FHIR's IssueType (R4, value set issue-type)."""

_SAFE: Final = re.compile(r"[A-Za-z][A-Za-z0-9.\[\]]*")


def outcome(refusal: Refused) -> JSONResponse:
    """A refusal. One issue for each thing that is wrong; `diagnostics` says what to do, and never what was sent."""
    severity = "fatal" if refusal.reason in (Reason.MALFORMED, Reason.FAILED) else "error"
    code = ISSUES[refusal.reason]
    issues = [
        _issue(severity, "required" if finding.message == "is required" else code, finding.message, finding.path)
        for finding in refusal.errors[:MOST_FINDINGS]
    ]
    whole = _issue(severity, code, refusal.detail or TITLES[refusal.reason])
    return answer([*issues] or [whole], STATUS[refusal.reason], refusal.headers)


def taken(envelopes: Sequence[tuple[str, Envelope]], left: Sequence[tuple[str, str]]) -> JSONResponse:
    """202: what each encounter became, and those that became nothing, each with its place in the Bundle.

    202 and not 200: FHIR's 200 is for a message that has been processed, and this one has been kept.
    """
    kept = [
        _issue(
            "information",
            "informational",
            f"Taken: {one.type}, source {one.source}, id {one.id}, received {one.received_at.isoformat(timespec='milliseconds')}.",
            where,
        )
        for where, one in envelopes
    ]
    nothing = [_issue("information", "informational", f"Nothing to take: {why}.", where) for where, why in left]
    return answer([*kept, *nothing], HTTPStatus.ACCEPTED, {})


def answer(issues: Sequence[Mapping[str, Any]], status: int, headers: Mapping[str, str]) -> JSONResponse:
    return JSONResponse({"resourceType": "OperationOutcome", "issue": list(issues)}, status, dict(headers), MEDIA_TYPE)


def _issue(severity: str, code: str, diagnostics: str, where: str = "") -> dict[str, Any]:
    issue: dict[str, Any] = {"severity": severity, "code": code, "diagnostics": diagnostics}
    return {**issue, "expression": [where]} if _SAFE.fullmatch(where) else issue


CAPABILITIES: Final[Mapping[str, Any]] = {
    "resourceType": "CapabilityStatement",
    "status": "active",
    "date": "2026-11-22",
    "kind": "capability",
    "name": "Nightlight",
    "title": "Nightlight gateway",
    "fhirVersion": "4.0.1",
    "format": ["json", MEDIA_TYPE],
    "software": {"name": "Nightlight"},
    "rest": [
        {
            "mode": "server",
            "documentation": (
                "Message Bundles with an Encounter of class EMER and its Patient, or with a Patient alone whose record has "
                "changed, UK Core or plain R4. 202 means that the message is kept; the answer is the same whether or not the "
                "child is watched."
            ),
            "security": {"description": "Authorization: Bearer nl_…, the agency's key."},
            "operation": [
                {
                    "name": "process-message",
                    "definition": "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message",
                }
            ],
        }
    ],
}
