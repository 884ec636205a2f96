"""The AsyncAPI 3.0 document: our topics, made from the same models that the code uses."""

from typing import Any

from schemas.base import Shape
from schemas.events import EVENT_TOPICS, EVENTS
from schemas.moments import DEAD_LETTERS, MESSAGES

SEALED = "Sealed with AES-256-GCM: this is the shape after opening. The key id is in the header `nl_key`."


def document() -> dict[str, Any]:
    """The whole document, as plain data. https://www.asyncapi.com/docs/reference/specification/v3.0.0"""
    schemas: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    channels: dict[str, Any] = {}
    for topic in EVENT_TOPICS:
        kinds = [event for event in EVENTS.values() if event.topic == topic]
        channels[topic] = _channel(
            topic, [_message(messages, schemas, event.type, event, _ce_headers(event.type)) for event in kinds]
        )
    for topic in sorted({message.topic for message in MESSAGES.values()}):
        inner = [message for message in MESSAGES.values() if message.topic == topic]
        channels[topic] = _channel(
            topic, [_message(messages, schemas, message.kind, message, _nl_headers()) for message in inner]
        )
    schemas["dead-letter"] = POINTER
    messages["dead-letter"] = {"name": "dead-letter", "payload": {"$ref": "#/components/schemas/dead-letter"}}
    channels[DEAD_LETTERS] = _channel(DEAD_LETTERS, ["dead-letter"])
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Nightlight", "version": "1", "description": f"Topics of contract section 4. {SEALED}"},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {
            f"receive-{topic.rpartition('.')[2]}": {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{_pointer(topic)}"},
            }
            for topic in channels
        },
        "components": {"messages": messages, "schemas": schemas},
    }


POINTER = {
    "type": "object",
    "description": "A pointer to a record that could not be handled, never a copy of it.",
    "properties": {
        "topic": {"type": "string"},
        "partition": {"type": "integer"},
        "offset": {"type": "integer"},
        "lane": {"type": "string"},
        "reason": {"type": "string"},
        "error": {"type": "string", "description": "the type of the error, not its words"},
        "sha256": {"type": "string"},
        "buried_at": {"type": "string", "format": "date-time"},
    },
    "required": ["topic", "partition", "offset", "error", "sha256"],
}


def _message(
    messages: dict[str, Any], schemas: dict[str, Any], name: str, shape: type[Shape], headers: dict[str, Any]
) -> str:
    made = shape.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(made.pop("$defs", {}))
    schemas[name] = made
    summary = (shape.__doc__ or "").strip().splitlines()[0:1]
    messages[name] = {
        "name": name,
        **({"summary": summary[0]} if summary else {}),
        "headers": headers,
        "payload": {"$ref": f"#/components/schemas/{name}"},
    }
    return name


def _channel(topic: str, names: list[str]) -> dict[str, Any]:
    return {"address": topic, "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names}}


def _ce_headers(kind: str) -> dict[str, Any]:
    text = {"type": "string"}
    names = ("ce_specversion", "ce_id", "ce_source", "ce_time", "ce_authority", "ce_mode", "content-type", "nl_key")
    properties: dict[str, Any] = dict.fromkeys(names, text)
    return {"type": "object", "properties": {**properties, "ce_type": {"type": "string", "const": kind}}}


def _nl_headers() -> dict[str, Any]:
    text = {"type": "string"}
    return {"type": "object", "properties": {"nl_kind": text, "nl_event": text, "nl_key": text, "nl_lane": text}}


def _pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
