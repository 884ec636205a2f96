"""`nightlight subject` and `erase`: what is held about one child, and its end."""

import json
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.database import in_transaction
from commands.house import WHO, keyring, refuse
from schemas.base import utc_now
from schemas.settings import Settings
from store import audit
from store import subjects as store

Child = Annotated[str, typer.Argument(metavar="CHILD_ID")]
Why = Annotated[str, typer.Option(help="kept in the audit chain; no names, please")]


def subject(child: Child, why: Why = "subject access request") -> None:
    """Everything held about a child, as one JSON document: what to look at before it is given out is marked in it."""

    async def work(connection: AsyncConnection, given: Settings) -> list[dict[str, Any]]:
        held = [section async for section in store.read(connection, keyring(given), child)]
        if held:
            await audit.record(
                connection,
                audit.What.SUBJECT_DISCLOSED,
                who=WHO,
                about=f"child/{child}",
                at=utc_now(),
                detail={"why": why},
            )
        return held

    held = in_transaction(work)
    if not held:
        refuse(f"Nothing is held about {child}: 'nightlight children list' names those on the list.")
    typer.echo(json.dumps({"child": child, "held": held, "elsewhere": store.ELSEWHERE}, indent=2, ensure_ascii=False))


def erase(child: Child, why: Annotated[str, typer.Option(help="kept in the audit chain; no names, please")]) -> None:
    """Everything held about a child is deleted, everywhere, and every worker forgets them within a second."""

    async def work(connection: AsyncConnection, _: Settings) -> dict[str, int]:
        return await store.erase(connection, child, at=utc_now(), who=WHO, why=why)

    try:
        erased = in_transaction(work)
    except store.StillNeeded as problem:
        refuse(str(problem))
    if not erased:
        refuse(f"Nothing is held about {child}: there is nothing to erase.")
    typer.echo(f"Erased {child}: " + ", ".join(f"{count} of {name}" for name, count in erased.items()) + ".")
    for line in store.ELSEWHERE:
        typer.echo(line)
