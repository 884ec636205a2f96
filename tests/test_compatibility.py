"""A change that would break a reader or a writer of our events is refused, by comparing with the schemas that were released."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from deploy.compatibility import breaks
from schemas.events import EVENTS

RELEASED = Path(__file__).parent.parent / "docs" / "schemas" / "released"

OLD: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"anyOf": [{"type": "string", "maxLength": 200}, {"type": "null"}]},
        "risk": {"$ref": "#/$defs/Risk"},
        "reasons": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 20},
    },
    "required": ["risk"],
    "$defs": {"Risk": {"type": "string", "enum": ["high", "low"]}},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    new = copy.deepcopy(OLD)
    *above, last = path.split("/")
    place = new
    for part in above:
        place = place[part]
    if value is None:
        del place[last]
        return new
    place[last] = value
    return new


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (changed("properties/name", None), "name is gone"),
        (changed("required", ["risk", "name"]), "name is now required"),
        (changed("$defs/Risk/enum", ["high"]), "no longer takes low"),
        (changed("properties/name", {"type": "string", "maxLength": 200}), "may no longer be null"),
        (changed("properties/reasons/maxItems", 3), "maxItems is narrower"),
        (changed("properties/reasons/items/maxLength", 3), "maxLength is narrower"),
        (changed("properties/reasons/minItems", 1), "minItems is narrower"),
        (changed("properties/reasons/items/pattern", "^A"), "the pattern changed"),
        (changed("properties/reasons/items/enum", ["A"]), "closed list"),
        (changed("properties/reasons/type", "string"), "may no longer be array"),
    ],
)
def test_what_would_break_somebody_is_named(new: dict[str, Any], says: str) -> None:
    assert any(says in sentence for sentence in breaks(OLD, new))


@pytest.mark.parametrize(
    "new",
    [
        OLD,
        changed("properties/more", {"type": "string"}),
        changed("$defs/Risk/enum", ["high", "low", "other"]),
        changed("properties/reasons/maxItems", 30),
        changed("required", []),
    ],
)
def test_what_breaks_nobody_is_let_through(new: dict[str, Any]) -> None:
    assert breaks(OLD, new) == []


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_every_event_that_was_right_when_released_is_still_right(kind: str) -> None:
    released = json.loads((RELEASED / f"{kind}.json").read_text())

    assert breaks(released, EVENTS[kind].model_json_schema()) == []


def test_every_released_type_is_still_taken() -> None:
    assert {path.stem for path in RELEASED.glob("*.json")} <= set(EVENTS)
