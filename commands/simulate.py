"""`nightlight simulate`: a made-up night of a region, said to a gateway at any speed."""

import asyncio
import secrets
from pathlib import Path
from typing import Annotated

import httpx2
import typer

from commands.house import refuse
from commands.table import show
from embedded.night import people
from embedded.night.plan import Night, play
from embedded.night.send import Sending, Tally, say
from schemas.base import utc_now
from schemas.london import today


def simulate(
    to: Annotated[str, typer.Option(help="the gateway, as http://127.0.0.1:8001")],
    key_file: Annotated[
        Path, typer.Option(help="holds the key of an agency that may send everything", exists=True, dir_okay=False)
    ],
    source: Annotated[
        str, typer.Option(help="that agency's source; each made-up feed is a path below it")
    ] = "simulation",
    speed: Annotated[float, typer.Option(min=0.01, help="60: an hour of the night in a minute")] = 60.0,
    hours: Annotated[float, typer.Option(min=0.01, max=168, help="from seven in the evening on")] = 12.0,
    authorities: Annotated[int, typer.Option(min=1, max=153, help="local authorities of average size")] = 10,
    rate: Annotated[float, typer.Option(min=0.0, max=1000, help="times the usual rates")] = 1.0,
    children: Annotated[
        Path | None,
        typer.Option(
            help="the list of watched children, so that some events are about them", exists=True, dir_okay=False
        ),
    ] = None,
    watched_share: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.02,
    seed: Annotated[int, typer.Option(help="the same seed is the same night")] = 1,
) -> None:
    """Play a night of a region, with duplicates, corrections, an outage and its backlog. Every child in it is made up."""
    try:
        watched = people.watched(children) if children else []
    except ValueError as problem:
        refuse(str(problem))
    key = _key(key_file)
    night = Night(
        seed=seed,
        hours=hours,
        authorities=authorities,
        rate=rate,
        watched=watched,
        watched_share=watched_share,
        today=today(utc_now()),
    )
    said = list(play(night))
    sending = Sending(to.rstrip("/"), key, source, speed, run=secrets.token_hex(3))
    tally = Tally(len(said))
    typer.echo(
        f"{len(said)} events of {hours:g} hours in {authorities} authorities, in {hours * 3600 / speed:.0f} s.",
        err=True,
    )
    try:
        asyncio.run(say(said, sending, tally, told=_progress))
    except httpx2.HTTPError:
        refuse(f"Nothing answers at {to}: start 'nightlight up', or mend --to.")
    except KeyboardInterrupt:
        typer.echo("Broken off.", err=True)
    _report(tally)


def _key(file: Path) -> str:
    try:
        words = file.read_text().split()
    except (OSError, UnicodeDecodeError):
        words = []
    if len(words) != 1 or not words[0].isascii():
        refuse(f"{file} does not hold a key and nothing else: write into it what 'nightlight agencies add' printed.")
    return words[0]


def _progress(tally: Tally) -> None:
    typer.echo(f"{tally.done} of {tally.planned} sent, {tally.again} sent again", err=True)


def _report(tally: Tally) -> None:
    show(("event", "taken"), sorted(tally.sent.items()))
    typer.echo(
        f"{tally.sent.total()} taken; half within {tally.quantile(0.5):.0f} ms, 99 of 100 within {tally.quantile(0.99):.0f} ms."
    )
    if tally.refused:
        because = ", ".join(f"{count} with {reason}" for reason, count in tally.refused.most_common())
        refuse(
            f"{tally.refused.total()} were not taken: {because}. 'nightlight agencies list' shows what the key may send."
        )
