"""Would a change of a schema break somebody who writes, or reads, by the old one? A pure rule over two JSON Schemas."""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]


def breaks(old: Schema, new: Schema) -> list[str]:
    """Every way in which what was right by `old` is wrong by `new`, one sentence each; empty if nothing breaks.

    Adding an optional field, a value to an enum, or room to a limit breaks nobody. Removing a field, requiring one more,
    narrowing a type, an enum or a limit does.
    """
    return list(_compare("", _resolved(old, old), _resolved(new, new)))


def _compare(path: str, old: Schema, new: Schema) -> Iterator[str]:
    where = path or "the event"
    if missing := _types(old) - _types(new):
        yield f"{where} may no longer be {', '.join(sorted(missing))}"
    if "enum" in old and (gone := set(old["enum"]) - set(new.get("enum", old["enum"]))):
        yield f"{where} no longer takes {', '.join(sorted(map(str, gone)))}"
    if "enum" in new and "enum" not in old and "const" not in old:
        yield f"{where} now takes a closed list only"
    yield from _limits(where, old, new)
    yield from _fields(path, old, new)
    if isinstance(old.get("items"), dict) and isinstance(new.get("items"), dict):
        yield from _compare(f"{path}[]", old["items"], new["items"])


def _fields(path: str, old: Schema, new: Schema) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in sorted(before.keys() - after.keys()):
        yield f"{path}.{name} is gone".lstrip(".")
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{path}.{name} is now required".lstrip(".")
    for name in sorted(before.keys() & after.keys()):
        yield from _compare(f"{path}.{name}".lstrip("."), before[name], after[name])


def _limits(where: str, old: Schema, new: Schema) -> Iterator[str]:
    for limit, narrower in (
        ("maxLength", -1),
        ("maxItems", -1),
        ("maximum", -1),
        ("minLength", 1),
        ("minItems", 1),
        ("minimum", 1),
    ):
        if limit in new and (limit not in old or (new[limit] - old[limit]) * narrower > 0):
            yield f"{where}: {limit} is narrower"
    if new.get("pattern") not in (None, old.get("pattern")):
        yield f"{where}: the pattern changed"


def _types(schema: Schema) -> set[str]:
    branches = schema.get("anyOf", [schema])
    return {kind for branch in branches for kind in [branch.get("type")] if isinstance(kind, str)}


def _resolved(schema: Any, root: Schema) -> Any:
    """The same schema with every `$ref` replaced by what it names."""
    if isinstance(schema, list):
        return [_resolved(part, root) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _resolved(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    return {name: _resolved(part, root) for name, part in schema.items() if name != "$defs"}
