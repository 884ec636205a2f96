"""`nightlight agencies`: feeds and their keys. A key is printed once."""

import contextlib
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.database import in_transaction
from commands.house import WHO, refuse
from commands.table import show
from schemas.base import utc_now
from schemas.london import LONDON, today
from schemas.probe import NAME as PROBE
from schemas.settings import Mode, Settings
from store import agencies as store
from store import agreements, feeds
from store.rights import AgencyRefused, Agreement

AGREE_FIRST = "once its sharing agreement is entered: 'nightlight agencies agree {agency} ID --from DATE --until DATE'"

app = typer.Typer(help="Feeds and their keys.", no_args_is_help=True)


def _not_ours(agency: str) -> str:
    if agency == PROBE:
        refuse(f"{PROBE} is the synthetic child's own feed, which the auditor looks after: choose another name.")
    return agency


Name = Annotated[str, typer.Argument(metavar="NAME", help="the feed's name, as in met-custody", callback=_not_ours)]


@app.command()
def add(
    agency: Name,
    types: Annotated[list[str], typer.Option(help="what it may send, as arrest,missing; its follow-ups come with it")],
    authorities: Annotated[
        list[str], typer.Option(help="GSS codes where it happens, as E09000019,E09000007; * for anywhere")
    ],
    source: Annotated[
        list[str] | None, typer.Option(help="CloudEvents source of its own; the name itself otherwise")
    ] = None,
) -> None:
    """Register an agency and print its first key."""
    rights: dict[str, Any] = {"types": _split(types), "authorities": _split(authorities), "sources": source or ()}

    async def work(connection: AsyncConnection, given: Settings) -> tuple[str, Mode]:
        return await store.add(connection, agency, **rights, at=utc_now(), who=WHO), given.mode

    with _refusals():
        key, mode = in_transaction(work)
    typer.echo(
        f"{agency} may send {'now' if mode is Mode.REHEARSAL else AGREE_FIRST.format(agency=agency)}. "
        f"Its source is {(source or [agency])[0]}, or a path below it. Its key, shown this once:\n{key}"
    )


@app.command()
def agree(
    agency: Name,
    agreement: Annotated[
        str, typer.Argument(metavar="ID", help="of the sharing agreement, as in your register of them")
    ],
    starts: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="its first day")],
    ends: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="its last day")],
) -> None:
    """Enter the sharing agreement under which an agency sends. A live house refuses an agency without one in force."""
    entered = Agreement(agreement, starts.date(), ends.date())
    with _refusals():
        in_transaction(lambda connection, _: agreements.agree(connection, agency, entered, at=utc_now(), who=WHO))
    begins = f"from {starts:%d %b %Y}, and not before, " if entered.starts > today(utc_now()) else ""
    typer.echo(f"{agency} sends under {agreement} {begins}until {ends:%d %b %Y}.")


@app.command()
def rotate(
    agency: Name,
    now: Annotated[bool, typer.Option("--now", help="end the former key at once, not in 24 hours")] = False,
) -> None:
    """Make a new key. The former one is good for another 24 hours."""
    with _refusals():
        key = in_transaction(lambda connection, _: store.rotate(connection, agency, at=utc_now(), who=WHO, now=now))
    typer.echo(
        f"The former key of {agency} {'has ended' if now else 'ends in 24 hours'}. The new one, shown this once:\n{key}"
    )


@app.command()
def revoke(agency: Name) -> None:
    """End every key of an agency now."""
    with _refusals():
        count = in_transaction(lambda connection, _: store.revoke(connection, agency, at=utc_now(), who=WHO))
    typer.echo(f"{agency} may send no more: {count} key{'' if count == 1 else 's'} ended.")


@app.command("list")
def list_() -> None:
    """Every agency: what it may send, when its keys and its agreement end, and how its feed is."""
    now = utc_now()

    async def work(
        connection: AsyncConnection, _: Settings
    ) -> tuple[list[store.Listed], dict[str, feeds.Health], dict[str, feeds.Silence]]:
        silent = {one.agency: one for one in await feeds.silent(connection, now)}
        listed = await store.listing(connection, at=now, leave_out=(PROBE,))
        return listed, await feeds.health(connection, now), silent

    rows, health, silent = in_transaction(work)
    show(
        ("agency", "may send", "where", "keys end", "agreed until", "last heard", "last 24 h", "late", "feed"),
        [
            (
                row.name,
                ", ".join(kind.removeprefix("nightlight.").removesuffix(".v1") for kind in row.types),
                ", ".join(row.authorities),
                ", ".join(f"{end:%d %b %Y}" for end in row.key_ends) or "revoked",
                agreed_until(row.agreement, today(now)),
                f"{row.last_seen_at.astimezone(LONDON):%d %b %H:%M}" if row.last_seen_at else "never",
                _day(health.get(row.name)),
                _late(health.get(row.name)),
                "silent" if row.name in silent else "well" if row.last_seen_at else "",
            )
            for row in rows
        ],
    )
    for one in silent.values():
        typer.echo(f"{one.agency} is silent: {one.because}. docs/runbooks/feed-silent.md says what to do.")


def agreed_until(agreement: Agreement | None, day: date) -> str:
    """An agreement's last day, or why it is not in force on this one."""
    if agreement is None:
        return "no agreement"
    if day < agreement.starts:
        return f"from {agreement.starts:%d %b %Y}"
    return f"{'' if day <= agreement.ends else 'ended '}{agreement.ends:%d %b %Y}"


def _day(health: feeds.Health | None) -> str:
    """Of the last 24 hours: what came, what was refused, and identifiers that were set aside."""
    if health is None:
        return "nothing"
    aside = f", {health.unusable} unusable" if health.unusable else ""
    return f"{health.accepted} in, {health.refused} refused{aside}"


def _late(health: feeds.Health | None) -> str:
    """The mean from happened to received."""
    if health is None or health.late_seconds is None:
        return ""
    seconds = health.late_seconds
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )


def _split(given: list[str]) -> list[str]:
    return [word for each in given for word in re.split(r"[,;\s]+", each) if word]


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except AgencyRefused as problem:
        refuse(str(problem))
