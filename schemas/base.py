"""What every shape shares: unknown fields are refused, and an error never repeats a value."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints


class Shape(BaseModel):
    """A frozen record. `hide_input_in_errors`, because a refused arrest must not print a name to a log."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True)


RFC3339 = (
    r"^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
"""From 1900 to 2999: an instant at the ends of the calendar cannot be moved to UTC."""


_RFC3339 = re.compile(RFC3339)


def _only_text(value: Any) -> Any:
    """A number, and text that is one, would be read as seconds since 1970; RFC 3339 is not."""
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.fullmatch(value)):
        return value
    raise ValueError("write it as RFC 3339 text with an offset, for example 2026-11-21T02:06:00+00:00")


_Written = Annotated[str, Field(json_schema_extra={"format": "date-time", "pattern": RFC3339})]
When = Annotated[AwareDatetime, BeforeValidator(_only_text, json_schema_input_type=_Written)]
"""An instant with its offset (RFC 3339)."""

Short = Annotated[str, StringConstraints(min_length=1, max_length=100)]
"""A reference or a code that another system made: opaque to us."""

Name = Annotated[str, StringConstraints(max_length=200)]
"""One name of a person or a place, as somebody typed it."""


Flag = Annotated[bool, Field(strict=True)]
"""True or false, and no word or number for it."""


def or_absent(shape: Any, default: Any) -> BeforeValidator:
    """JSON's null, which many a serialiser writes for what is not there: the field is then what it is when it is left out."""
    return BeforeValidator(lambda given: default if given is None else given, json_schema_input_type=shape | None)


Clock = Callable[[], datetime]
"""Where the time comes from: handed in, so that a test can hand in another."""


def utc_now() -> datetime:
    """The wall clock. Handed in as an argument wherever a rule needs it, so that a test can hand in another."""
    return datetime.now(UTC)
