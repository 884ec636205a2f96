"""`nightlight agencies`: feeds and their keys. A key is printed once."""

import contextlib
import re
from collections.abc import Iterator
from typing import Annotated

import typer

from commands.database import in_transaction
from commands.house import WHO, refuse
from commands.table import show
from schemas.base import utc_now
from store import agencies as store
from store.rights import AgencyRefused

app = typer.Typer(help="Feeds and their keys.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="the feed's name, as in met-custody")]


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
    with _refusals():
        key = in_transaction(
            lambda connection, _: store.add(
                connection,
                agency,
                types=_split(types),
                authorities=_split(authorities),
                sources=source or (),
                at=utc_now(),
                who=WHO,
            )
        )
    typer.echo(
        f"{agency} may send now. Its source is {(source or [agency])[0]}, or a path below it. Its key, shown this once:\n{key}"
    )


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
    """Every agency, what it may send, when its keys end and when it was last heard."""
    rows = in_transaction(lambda connection, _: store.listing(connection, at=utc_now()))
    show(
        ("agency", "may send", "where", "keys end", "last heard"),
        [
            (
                row.name,
                ", ".join(kind.removeprefix("nightlight.").removesuffix(".v1") for kind in row.types),
                ", ".join(row.authorities),
                ", ".join(f"{end:%d %b %Y}" for end in row.key_ends) or "revoked",
                f"{row.last_seen_at:%d %b %H:%M}" if row.last_seen_at else "never",
            )
            for row in rows
        ],
    )


def _split(given: list[str]) -> list[str]:
    return [word for each in given for word in re.split(r"[,;\s]+", each) if word]


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except AgencyRefused as problem:
        refuse(str(problem))
