"""CloudEvents 1.0 over HTTP: a request's body and headers in, attributes and data out, checked (contract section 3).

In the specification's HTTP binding: structured (the event is the body), batch (a list of them), binary (the attributes are
`ce-` headers, the body is the data).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote_to_bytes

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, ValidationError

from connectors.findings import findings
from connectors.problems import Finding
from connectors.strict import Malformed, read_json
from schemas.base import Shape, When
from schemas.envelope import Mode
from schemas.events import EVENTS, Event

MOST_EVENTS: Final = 500
"""In a batch (contract section 3)."""


class Style(StrEnum):
    """How an event lies in a request, by the request's content type."""

    STRUCTURED = "application/cloudevents+json"
    BATCH = "application/cloudevents-batch+json"
    BINARY = "application/json"


def _known_type(name: str) -> str:
    if name not in EVENTS:
        raise ValueError("no such type of event: /openapi.json lists those there are")
    return name


def _written(pattern: str, otherwise: str) -> tuple[AfterValidator, Any]:
    """Text of this pattern, and what to say of any other: pydantic would say the pattern, which few can read."""

    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError(otherwise)
        return text

    return AfterValidator(check), Field(json_schema_extra={"pattern": pattern})


_ID = _written(
    r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$",
    "must have no control characters, and no space at its ends",
)
# The characters of RFC 3986, appendix A.
_URI_REFERENCE = _written(
    r"^([A-Za-z0-9._~:/?#@!$&'()*+,;=\[\]-]|%[0-9A-Fa-f]{2})+$",
    "must be a URI reference (RFC 3986), as it was registered for you or below that",
)
_AUTHORITY = _written(
    r"^(E0[6-9][0-9]{6}|E10[0-9]{6}|W06[0-9]{6})$",
    "write the GSS code of an English or Welsh local authority, for example E09000019",
)
_JSON = _written(r"^application/json(; ?charset=(utf|UTF)-8)?$", "must be application/json, or left out")


class Attributes(Shape):
    """The context attributes that we carry on. All but the last three are required."""

    # Not stripped: source and id are what makes an event itself, and are given back as they came.
    model_config = ConfigDict(str_strip_whitespace=False)

    specversion: Literal["1.0"]
    id: Annotated[str, StringConstraints(min_length=1, max_length=200), *_ID]
    source: Annotated[str, StringConstraints(min_length=1, max_length=500), *_URI_REFERENCE]
    type: Annotated[str, AfterValidator(_known_type)]
    time: When
    datacontenttype: Annotated[str, *_JSON] | None = None
    authority: Annotated[str, *_AUTHORITY] | None = None
    mode: Mode | None = None


_NAMES: Final = tuple(Attributes.model_fields)
_READ: Final = frozenset({*_NAMES, "subject", "data_base64"})


@dataclass(frozen=True, slots=True)
class Told:
    """One event as it was sent. `where` is its place in the request: empty, or `[3]` in a batch."""

    where: str
    attributes: Mapping[str, Any]
    data: Any


def style_of(content_type: str | None, *, marked: bool = False) -> Style | None:
    """Which of the three it is, or None. The only parameter there may be is `charset=utf-8`.

    `marked`: there is a `ce-specversion` header. An event without data, in binary mode, has no content type to say.
    """
    if content_type is None and marked:
        return Style.BINARY
    kind, _, parameters = (content_type or "").partition(";")
    if parameters.strip().lower().replace('"', "") not in ("", "charset=utf-8"):
        return None
    try:
        return Style(kind.strip().lower())
    except ValueError:
        return None


def read(style: Style, body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> list[Told]:
    """The events of a request, not yet checked. `headers` are raw, as ASGI gives them. Raises Malformed."""
    if style is Style.BINARY:
        return [Told("", _headers(headers), read_json(body) if body else None)]
    value = read_json(body)
    if style is Style.STRUCTURED:
        return [_structured("", value)]
    if not isinstance(value, list):
        raise Malformed("A batch is a JSON list of events.")
    return [_structured(f"[{place}]", one) for place, one in enumerate(value)]


def check_attributes(told: Told) -> tuple[Attributes | None, list[Finding]]:
    """The attributes we carry, or what is wrong with them. Those that we do not know are dropped."""
    problems = [Finding(path=_below(told.where, name), message=say) for name, say in _unwanted(told.attributes)]
    wanted = {name: value for name in _NAMES if (value := told.attributes.get(name)) is not None}
    try:
        attributes = Attributes.model_validate(wanted)
    except ValidationError as problem:
        return None, problems + findings(problem, Attributes, told.where)
    return (None, problems) if problems else (attributes, [])


def check_data(told: Told, event: type[Event]) -> tuple[Event | None, list[Finding]]:
    """What the event says, or what is wrong with it."""
    try:
        # A heartbeat says nothing: no data, null and {} are the same nothing.
        return event.model_validate({} if told.data is None else told.data), []
    except ValidationError as problem:
        return None, findings(problem, event, _below(told.where, "data"))


def _structured(where: str, value: Any) -> Told:
    if not isinstance(value, dict):
        raise Malformed("An event is a JSON object.")
    attributes = {name: one for name, one in value.items() if name != "data" and one is not None}
    return Told(where, attributes, value.get("data"))


def _headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for raw, value in headers:
        name = raw.lower()
        if not name.startswith(b"ce-"):
            continue
        known = name[3:].decode("latin-1")
        if known in attributes:
            raise Malformed("A ce- header is there twice: which of the two is meant cannot be known.")
        attributes[known] = _decode(value)
    return attributes


def _decode(value: bytes) -> str:
    """A header's value: quotes off, then percent-decoded once, to UTF-8 (HTTP binding, section 3.1.3.2)."""
    if len(value) > 1 and value.startswith(b'"') and value.endswith(b'"'):
        value = re.sub(rb"\\(.)", rb"\1", value[1:-1])
    try:
        text = unquote_to_bytes(value).decode() if value.isascii() else None
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise Malformed("A ce- header is not UTF-8, percent-encoded, as the CloudEvents HTTP binding asks.")
    return text


def _unwanted(attributes: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What must not be among the attributes, as (a path that repeats nothing of the sender's, what to do)."""
    if "subject" in attributes:
        yield "subject", "leave it out: attributes travel in the clear, and a subject may name a person"
    if "data_base64" in attributes:
        yield "data_base64", "send `data`, as JSON"
    others = attributes.keys() - _READ
    if not others:
        return
    if any(not re.fullmatch("[a-z0-9]{1,50}", name) or name == "data" for name in others):
        yield "", "an attribute's name is lower-case letters and digits alone"
    if any(not isinstance(attributes[name], (str, int, float, bool)) for name in others):
        yield (
            "",
            "an attribute's value is text, a number, true or false: what is in lists and objects belongs in `data`",
        )


def _below(where: str, name: str) -> str:
    return ".".join(part for part in (where, name) if part)
