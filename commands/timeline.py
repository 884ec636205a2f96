"""`nightlight timeline REF`: everything that happened with one page, in one file, for a review of the case."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.database import in_transaction
from commands.house import WHO, refuse
from commands.table import show
from schemas.base import utc_now
from schemas.london import LONDON
from schemas.settings import Settings
from store import audit
from store import timeline as store


def timeline(
    reference: Annotated[str, typer.Argument(help="of the page, as its texts have it: K7Q4")],
    as_json: Annotated[Path | None, typer.Option("--json", help="write it as JSON to this file")] = None,
    as_pdf: Annotated[Path | None, typer.Option("--pdf", help="write it as PDF to this file")] = None,
    why: Annotated[str, typer.Option(help="what it is for: it is written into the audit chain")] = "case review",
    page: Annotated[UUID | None, typer.Option(help="which page, where several have had the reference")] = None,
) -> None:
    """Everything that happened with one page, for a review of the case: on the screen, or as one file of JSON or PDF.

    It is a disclosure, and is written into the audit chain before anything is shown.
    """
    for path in (as_json, as_pdf):
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            refuse(f"{path} cannot be written: name a file in a directory that exists.")
    forms = [name for name, path in (("json", as_json), ("pdf", as_pdf)) if path is not None] or ["screen"]

    async def work(connection: AsyncConnection, _: Settings) -> store.Timeline | str:
        found = await store.find(connection, reference)
        chosen = [each for each, _ in found if page in (None, each)]
        if not chosen:
            return f"There is no page {reference.upper()}: look at the text, or at the desk."
        if len(chosen) > 1:
            return f"{len(chosen)} pages have had the reference {reference.upper()}: choose with --page. {_list(found)}"
        gathered = await store.of_page(connection, chosen[0])
        detail = {"reference": gathered.reference, "child": gathered.child, "why": why, "as": forms}
        about = f"page/{gathered.page}"
        what = audit.What.TIMELINE_EXPORTED
        await audit.record(connection, what, who=WHO, about=about, at=utc_now(), detail=detail)
        return gathered

    gathered = in_transaction(work)
    if isinstance(gathered, str):
        refuse(gathered)
    _write(gathered, as_json, as_pdf, why)


def _write(gathered: store.Timeline, as_json: Path | None, as_pdf: Path | None, why: str) -> None:
    about = {"exported_at": utc_now().isoformat(), "exported_by": WHO, "why": why}
    try:
        if as_json is not None:
            as_json.touch(mode=0o600)
            as_json.write_text(json.dumps({**gathered.as_json(), **about}, indent=2, ensure_ascii=False) + "\n")
        if as_pdf is not None:
            from commands.paper import render

            as_pdf.touch(mode=0o600)
            as_pdf.write_bytes(render(gathered, at=utc_now(), why=why))
    except OSError as problem:
        refuse(f"The file cannot be written ({problem.strerror}): mend the path or its permissions, and ask again.")
    if as_json is None and as_pdf is None:
        show(
            ("time", "what", "who", "detail"),
            [(_time(line.at), line.what, line.who, _short(line.detail)) for line in gathered.lines],
        )
        return
    typer.echo(f"{len(gathered.lines)} lines about {gathered.reference} are written. Keep them as you keep the case.")


def _list(found: list[tuple[UUID, datetime]]) -> str:
    return "; ".join(f"{page} opened {_time(at)}" for page, at in found)


def _time(at: datetime) -> str:
    return f"{at.astimezone(LONDON):%Y-%m-%d %H:%M:%S %Z}"


def _short(detail: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value}"
        for name, value in detail.items()
        if value not in (None, "", []) and name not in ("attempt", "hash")
    )
