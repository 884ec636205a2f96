"""Everything that is made from the code and committed: `make contracts` writes it, `make check` refuses what is out of date."""

import json
import sys
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from connectors.http import describe
from deploy import asyncapi
from deploy.grafana import boards
from schemas.events import EVENTS
from schemas.settings import PREFIX, Settings
from store.migrations.tables import script

ROOT = Path(__file__).parent.parent


def files() -> dict[str, str]:
    """Path below the repository → text, for every generated file."""
    made = {
        "docs/settings.md": settings_page(),
        "docs/openapi.json": _json(describe(CollectorRegistry())),
        "docs/asyncapi.yaml": yaml.safe_dump(asyncapi.document(), sort_keys=False, allow_unicode=True, width=140),
        "store/migrations/versions/0001_tables.sql": script(),
        **{f"docs/schemas/{name}.json": _json(event.model_json_schema()) for name, event in EVENTS.items()},
    }
    return made | {str(path): text for path, text in boards.files().items()}


def settings_page() -> str:
    """docs/settings.md, one row for each setting."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {field.description} | {_default(field)} |"
        for name, field in sorted(Settings.model_fields.items())
    ]
    return "\n".join(
        (
            "# Settings",
            "",
            "Environment variables, made from `schemas/settings.py` by `make contracts`. `NAME_FILE` reads it from a file.",
            "A missing or bad one stops the program with its name.",
            "",
            "| variable | meaning | default |",
            "|---|---|---|",
            *rows,
            "",
        )
    )


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value is PydanticUndefined or isinstance(value, SecretStr):
        return "unset"
    return f"`{value}`"


def _json(document: object) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def stale() -> list[str]:
    """Generated files that are not what the code would make now."""
    return [path for path, text in files().items() if not (ROOT / path).exists() or (ROOT / path).read_text() != text]


def main() -> int:
    if "--check" in sys.argv[1:]:
        if out_of_date := stale():
            sys.stderr.write(
                f"Out of date: {', '.join(out_of_date)}. Run 'make contracts' and commit what it writes.\n"
            )
            return 1
        return 0
    for path, text in files().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
