"""`nightlight auditor`: what the pager's auditor would find in the rows at this moment. It looks, and mends nothing."""

from typing import Any

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from commands.database import with_engine
from commands.table import show
from notifiers.auditor_invariants import ROWS, Invariant, skewed
from schemas.base import utc_now
from schemas.settings import Settings
from store import auditing
from store.auditing import Broken


def auditor() -> None:
    """Check now what the auditor checks every fifteen seconds, as far as the database knows; exit 1 and name what is broken."""

    async def look(engine: AsyncEngine, _: Settings) -> list[tuple[Invariant, Broken]]:
        now = utc_now()
        checks: dict[Invariant, Any] = {**ROWS, Invariant.ROTA_GAP: auditing.gaps_now}
        async with engine.connect() as connection:
            found = [(name, each) for name, check in checks.items() for each in await check(connection, now)]
            return [*found, *((Invariant.CLOCK_SKEW, each) for each in await skewed(connection, utc_now))]

    found = with_engine(look)
    if not found:
        typer.echo("Nothing is broken.")
        return
    show(("promise", "about", "team"), [(name.value, each.about, each.team or "") for name, each in found])
    raise typer.Exit(1)
