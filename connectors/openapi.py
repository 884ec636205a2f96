"""The gateway's page of the contract for machines: OpenAPI, made from the shapes that check the requests."""

from typing import Any, Final

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from connectors.cloudevents import MOST_EVENTS, Attributes, Style
from connectors.problems import Problem, Reason, documented
from schemas.events import EVENTS
from schemas.person import IDENTIFIERS

ABOUT: Final = (
    "Agencies say here what happened, as CloudEvents 1.0. 202 means that the event is kept and will be handled; the answer is the same, "
    "and takes the same time, whether or not the child is watched."
)
REFERENCE: Final = "#/components/schemas/"
KEY: Final = "agency-key"
ACCEPTED: Final = {
    "description": "Kafka has confirmed every event",
    "content": {"application/json": {"schema": {"$ref": f"{REFERENCE}Accepted"}}},
}

OPERATION: Final[dict[str, Any]] = {
    "status_code": 202,
    "response_model": None,
    "tags": ["agencies"],
    "operation_id": "report",
    "summary": "Say what happened",
    "description": (
        "One event, or a batch of at most 500 that is taken whole or not at all. "
        "The same source and id again is 202 again, and changes nothing."
    ),
    "responses": {
        202: ACCEPTED,
        **documented(
            Reason.MALFORMED,
            Reason.UNKNOWN_KEY,
            Reason.NOT_YOURS,
            Reason.TOO_LARGE,
            Reason.MEDIA_TYPE,
            Reason.INVALID,
            Reason.TOO_FAST,
            Reason.KAFKA_AWAY,
        ),
    },
    "openapi_extra": {"security": [{KEY: []}]},
}

FHIR: Final = "application/fhir+json"
_OUTCOME: Final = {FHIR: {"schema": {"$ref": f"{REFERENCE}OperationOutcome"}}}

MESSAGE: Final[dict[str, Any]] = {
    "status_code": 202,
    "response_model": None,
    "operation_id": "processMessage",
    "summary": "Say what happened, as a FHIR R4 message",
    "description": (
        "A message Bundle with an Encounter of class EMER and its Patient, UK Core or plain R4: arrived, triaged, in-progress "
        "and onleave are an arrival, finished is a departure, cancelled and entered-in-error take the arrival back. Other "
        "encounters are taken, and nothing is done with them. Without an Encounter, a Patient is a change of a record, or with "
        "a link a merge. The same encounter again is 202 again, and changes nothing."
    ),
    "responses": {
        202: {"description": "Kafka has confirmed every event of the message", "content": _OUTCOME},
        **{status: {**said, "content": _OUTCOME} for status, said in OPERATION["responses"].items() if status != 202},
    },
    "openapi_extra": {"security": [{KEY: []}]},
}

# A text without the character NUL, which PostgreSQL cannot keep; where one is required, with something in it.
ANY_TEXT: Final = r"^[^\x00]*$"
SOME_TEXT: Final = r"^[^\x00]*[^\s\x00][^\x00]*$"


def complete(app: FastAPI) -> None:
    """Add to the app's document what FastAPI cannot see: the body that is read by hand, and the key."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            parts = document.setdefault("components", {})
            parts["schemas"] = {**parts.get("schemas", {}), **schemas()}
            parts["securitySchemes"] = {KEY: {"type": "http", "scheme": "bearer", "bearerFormat": "nl_…"}}
            document["paths"]["/v1/events"]["post"].update(_request())
            bundle = {"schema": {"$ref": f"{REFERENCE}MessageBundle"}}
            document["paths"]["/fhir/$process-message"]["post"]["requestBody"] = {
                "required": True,
                "content": {FHIR: bundle, "application/json": bundle},
            }
        return app.openapi_schema or document

    app.openapi = openapi  # type: ignore[method-assign]


def schemas() -> dict[str, Any]:
    """Every shape on this door, by name: data, an event of each type, any event, the answers."""
    models = [(model, "validation") for model in (*EVENTS.values(), Attributes, Problem)]
    _, definitions = models_json_schema(models, ref_template=f"{REFERENCE}{{model}}")  # type: ignore[arg-type]
    shapes: dict[str, Any] = definitions["$defs"]
    for shape in shapes.values():
        _tighten(shape)
    shapes["Person"]["anyOf"] = _somebody()
    attributes = shapes.pop("Attributes")
    by_type = {f"{model.__name__}Event": _event(attributes, name, model.__name__) for name, model in EVENTS.items()}
    shapes |= by_type
    shapes["Event"] = {"oneOf": [{"$ref": f"{REFERENCE}{name}"} for name in by_type]}
    shapes["Accepted"] = _accepted()
    return shapes | MESSAGES


def _request() -> dict[str, Any]:
    event = {"$ref": f"{REFERENCE}Event"}
    batch = {"type": "array", "items": event, "maxItems": MOST_EVENTS}
    data = {
        "description": "Binary: the attributes are ce- headers.",
        "oneOf": [{"$ref": f"{REFERENCE}{model.__name__}"} for model in EVENTS.values()],
    }
    content = {Style.STRUCTURED: event, Style.BATCH: batch, Style.BINARY: data}
    headers = [
        {"name": f"ce-{name}", "in": "header", "required": False, "schema": {"type": "string"}, "description": about}
        for name, about in BINARY_HEADERS.items()
    ]
    body = {"required": True, "content": {str(kind): {"schema": schema} for kind, schema in content.items()}}
    return {"requestBody": body, "parameters": headers}


BINARY_HEADERS: Final = {
    "specversion": "Binary only, and required there: 1.0",
    "id": "Binary only, and required there",
    "source": "Binary only, and required there: as it was registered for the agency, or below that",
    "type": "Binary only, and required there: as nightlight.arrest.v1",
    "time": "Binary only, and required there: RFC 3339 with an offset",
    "authority": "Binary only: GSS code of the local authority where it happened",
    "mode": "Binary only: live, or test, which goes the whole way and pages nobody",
}


def _event(attributes: dict[str, Any], name: str, data: str) -> dict[str, Any]:
    """A structured event of one type. Extensions we do not know are allowed, and dropped; `subject` is not."""
    properties = {**attributes["properties"], "type": {"const": name}, "data": {"$ref": f"{REFERENCE}{data}"}}
    required = [*attributes["required"], *(["data"] if EVENTS[name].model_fields else [])]
    return {
        "type": "object",
        "properties": {**properties, "subject": {"type": "null"}, "data_base64": {"type": "null"}},
        "required": required,
        "propertyNames": {"pattern": "^([a-z0-9]{1,50}|data_base64)$"},
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
    }


def _somebody() -> list[dict[str, Any]]:
    """One identifier, or a surname with a date of birth: `schemas.person` checks it in code, and JSON Schema can say it."""
    text = {"type": "string", "pattern": SOME_TEXT}
    named = {
        "required": ["family_name", "date_of_birth"],
        "properties": {"family_name": text, "date_of_birth": {"type": "string"}},
    }
    return [{"required": [name], "properties": {name: text}} for name in IDENTIFIERS] + [named]


def _tighten(shape: Any) -> None:
    """Say of every free text what `connectors.strict` and the shapes' stripping refuse."""
    if isinstance(shape, list):
        for one in shape:
            _tighten(one)
    if not isinstance(shape, dict):
        return
    if shape.get("type") == "string" and not shape.keys() & {"pattern", "format", "enum", "const"}:
        shape["pattern"] = SOME_TEXT if shape.get("minLength") else ANY_TEXT
    for one in shape.values():
        _tighten(one)


_TEXT: Final = {"type": "string", "pattern": SOME_TEXT}
MESSAGES: Final[dict[str, Any]] = {
    "MessageBundle": {
        "description": "A FHIR R4 message (hl7.org/fhir/R4/messaging.html). What is not named here may be there, and is passed over.",
        "type": "object",
        "required": ["resourceType", "type", "entry"],
        "properties": {
            "resourceType": {"const": "Bundle"},
            "type": {"const": "message"},
            "timestamp": {"type": "string", "format": "date-time"},
            "entry": {
                "description": "A MessageHeader first, then in any order at least one Encounter and its Patient, or a Patient alone.",
                "type": "array",
                "minItems": 2,
                "maxItems": 500,
                "items": {
                    "type": "object",
                    "required": ["resource"],
                    "properties": {
                        "fullUrl": _TEXT,
                        "resource": {
                            "type": "object",
                            "required": ["resourceType"],
                            "properties": {"resourceType": _TEXT, "id": _TEXT},
                        },
                    },
                },
            },
        },
    },
    "OperationOutcome": {
        "type": "object",
        "required": ["resourceType", "issue"],
        "properties": {
            "resourceType": {"const": "OperationOutcome"},
            "issue": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["severity", "code", "diagnostics"],
                    "properties": {
                        "severity": {"enum": ["fatal", "error", "information"]},
                        "code": {"type": "string"},
                        "diagnostics": {"type": "string"},
                        "expression": {"type": "array", "items": {"type": "string"}},
                    },
                    "additionalProperties": False,
                },
            },
        },
        "additionalProperties": False,
    },
}


def _accepted() -> dict[str, Any]:
    text = {"type": "string"}
    one = {"source": text, "id": text, "received_at": {"type": "string", "format": "date-time"}}
    item = {"type": "object", "properties": one, "required": list(one), "additionalProperties": False}
    return {
        "type": "object",
        "properties": {"accepted": {"type": "array", "items": item}},
        "required": ["accepted"],
        "additionalProperties": False,
    }
