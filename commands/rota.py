"""`nightlight rota`: who is on call, who covers whom, and where nobody is."""

from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from commands import calendars, cover
from commands.cover import wall
from commands.database import in_transaction
from commands.house import WHO, refuse
from commands.people import bad_file
from commands.table import show
from schemas.base import utc_now
from schemas.settings import Mode, Settings
from store import gaps
from store import rotas as store
from store.calendars import Entry, horizon
from store.calendars import people as known
from store.calendars import read as read_calendar
from store.csvs import BadFile, Problem
from store.rotas import LeavesNobody, Shift

app = typer.Typer(help="Who is on call.", no_args_is_help=True)

MOST_DAYS = 366


def _hour(text: str) -> time:
    try:
        return time.fromisoformat(text if len(text) == 5 else "")
    except ValueError:
        raise typer.BadParameter("write an hour as 08:00") from None


Source = Annotated[
    str, typer.Argument(metavar="FILE", help="CSV, .ics, or an https address of a calendar", callback=calendars.known)
]


@app.command("import")
def import_rota(
    source: Source,
    team: Annotated[str | None, typer.Option(help="a calendar: for events that name no team")] = None,
    changeover: Annotated[
        time, typer.Option(metavar="HH:MM", parser=_hour, help="a calendar: when an event of whole days changes hands")
    ] = "00:00",  # type: ignore[assignment] # Typer parses a default as it parses what is typed
    force: Annotated[bool, typer.Option("--force", help="even if it leaves a team with nobody; say --why")] = False,
    why: Annotated[str | None, typer.Option(help="with --force: the reason, which is written down")] = None,
) -> None:
    """Let this be the rota of its teams: a file from its first start to its last end, a calendar for a year."""
    if force and not (why and why.strip()):
        raise typer.BadParameter("--force needs a reason: --why 'Christmas is covered by telephone'")
    now, name = utc_now(), "the calendar" if calendars.is_address(source) else Path(source).name

    async def work(connection: AsyncConnection, _: Settings) -> tuple[int, list[str]]:
        if calendars.is_calendar(source):
            shifts: list[Shift] = await known(connection, entries)
            within = horizon(now)
        else:
            shifts, within = store.read(data), None
        forced = why if force else None
        return len(shifts), await store.apply(connection, shifts, at=now, who=WHO, within=within, force=forced)

    with bad_file(name):
        data = calendars.fetch(source)
        entries = _worked_out(data, now, team, changeover) if calendars.is_calendar(source) else []
        try:
            count, left = in_transaction(work)
        except LeavesNobody as problem:
            refuse(
                f"{problem}\nNothing was imported: mend the rota, or import {name} again with --force --why 'the reason'."
            )
    typer.echo(f"{count} shifts are in the rota. 'nightlight rota check' looks for gaps.")
    for sentence in left:
        typer.echo(f"Note: {sentence}.")


def _worked_out(data: bytes, now: datetime, team: str | None, changeover: time) -> list[Entry]:
    try:
        with calendars.within(calendars.SECONDS):
            return read_calendar(data, at=now, team=team, changeover=changeover)
    except calendars.TookTooLong:
        raise BadFile([Problem(1, None, "has rules that take too long to work out: that is no rota")]) from None


@app.command("show")
def show_rota(days: Annotated[int, typer.Option(help="how far ahead", min=1, max=MOST_DAYS)] = 1) -> None:
    """Who is on call now and in the next days, in London's time."""
    now = utc_now()
    shifts = in_transaction(lambda connection, _: store.show(connection, now, now + timedelta(days=days)))
    show(
        ("team", "role", "person", "from", "to", ""),
        [
            (
                shift.team,
                shift.role,
                shift.person,
                wall(shift.starts),
                wall(shift.ends),
                "now" if shift.starts <= now else "",
            )
            for shift in shifts
        ],
    )


@app.command()
def check(
    days: Annotated[int, typer.Option(help="how far ahead", min=1, max=MOST_DAYS)] = 14,
    strict: Annotated[bool, typer.Option("--strict", help="exit 1 for a note as well")] = False,
) -> None:
    """Name every gap and every person who cannot be reached, and exit 1 if there is any; then what else to look at."""

    async def work(connection: AsyncConnection, given: Settings) -> tuple[gaps.Survey, bool]:
        return await gaps.survey(connection, utc_now(), days), given.mode is Mode.LIVE

    found, live = in_transaction(work)
    # In a rehearsal nobody has the phones: there is nothing to verify.
    problems = [*found.problems, *(found.unverified if live or strict else ())]
    notes = [*(() if live or strict else found.unverified), *found.notes]
    for sentence in notes:
        typer.echo(f"Note: {sentence}.", err=strict)
    if problems or (strict and notes):
        refuse("\n".join(problems))
    typer.echo(f"Somebody who can be reached is on call in every role for the next {days} days.")


for change in (cover.cover, cover.swap, cover.override, cover.changes, cover.undo):
    app.command()(change)
