"""Made-up events of every type, whole and minimal, for any test that needs one."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
AT = "2026-11-21T02:06:00+00:00"

PERSON: dict[str, Any] = {
    "family_name": "Lampwick",
    "given_name": "Robin",
    "date_of_birth": "2010-03-14",
    "sex": "male",
    "postcode": "N1 9GU",
    "nhs_number": "9990000018",
}

DATA: dict[str, dict[str, Any]] = {
    "nightlight.arrest.v1": {
        "person": PERSON,
        "custody_record": "01CB/1234/26",
        "force": "01",
        "suite": "Islington",
        "arrested_at": AT,
    },
    "nightlight.custody-release.v1": {"custody_record": "01CB/1234/26", "force": "01", "released_at": AT},
    "nightlight.admission.v1": {"person": PERSON, "attendance": "AE-77", "site": "RRV03", "arrived_at": AT},
    "nightlight.discharge.v1": {"attendance": "AE-77", "site": "RRV03", "left_at": AT},
    "nightlight.exclusion.v1": {
        "person": PERSON,
        "exclusion": "X-9",
        "school_urn": "100001",
        "kind": "suspension",
        "reasons": ["OW", "ZZ"],
        "starts_on": "2026-11-20",
        "decided_at": AT,
    },
    "nightlight.missing.v1": {"person": PERSON, "report": "M-5", "force": "01", "reported_at": AT, "risk": "high"},
    "nightlight.found.v1": {"report": "M-5", "force": "01", "found_at": AT},
    "nightlight.court.v1": {"person": PERSON, "hearing": "H-1", "court": "Highbury", "starts_at": AT, "kind": "remand"},
    "nightlight.threat-to-life.v1": {"person": PERSON, "warning": "W-1", "force": "01", "issued_at": AT},
    "nightlight.stop-search.v1": {
        "person": PERSON,
        "encounter": "E-1",
        "force": "01",
        "at": AT,
        "outcome": "no further action",
    },
    "nightlight.identity-changed.v1": {"person": PERSON, "of": {"source": "met-custody", "id": "e-1"}},
    "nightlight.cancelled.v1": {"of": {"source": "met-custody", "id": "e-1"}},
    "nightlight.heartbeat.v1": {},
}
"""One of each type in contract section 3, with made-up people."""


def cloud_event(kind: str, *, id: str = "e-1", source: str = "met-custody", **context: Any) -> dict[str, Any]:  # noqa: A002
    """A structured CloudEvent of one type, as an agency would write it."""
    return {"specversion": "1.0", "id": id, "source": source, "type": kind, "time": AT, "data": DATA[kind], **context}


KINDS = st.sampled_from(sorted(DATA))
