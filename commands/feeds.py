"""`nightlight feeds`: HL7 senders, and a test bench that shows what each message of one would become, and why."""

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from commands.database import in_transaction
from commands.house import WHO, refuse
from commands.table import show
from schemas.base import utc_now
from store import senders as store
from store.csvs import BadFile
from store.senders import Sender, SenderRefused

app = typer.Typer(help="HL7 senders, and what their messages become.", no_args_is_help=True)

Table = Annotated[Path, typer.Argument(help="CSV of senders, docs/for-agencies.md", exists=True, dir_okay=False)]


@app.command("import")
def import_(file: Table) -> None:
    """Add or change the senders in the file; the others stay as they are."""
    with _refusals(file):
        senders = store.read(file.read_bytes())
        in_transaction(lambda connection, _: store.apply(connection, senders, at=utc_now(), who=WHO))
    typer.echo(f"{len(senders)} sender{' is' if len(senders) == 1 else 's are'} as the file says, within a second.")


@app.command("list")
def list_() -> None:
    """Every HL7 sender: whose it is, how it is recognised, and its rule for an arrival at A&E."""
    rows = in_transaction(lambda connection, _: store.listing(connection))
    show(
        ("sender", "agency", "MSH-3", "MSH-4", "comes with", "site", "rule"),
        [
            (row.sender, row.agency, row.application or "any", row.facility or "any", _way(row), row.site, _rule(row))
            for row in rows
        ],
    )


@app.command()
def remove(sender: Annotated[str, typer.Argument(metavar="SENDER")]) -> None:
    """Take a sender off the table: within a second its messages are refused."""
    with _refusals(Path()):
        in_transaction(lambda connection, _: store.remove(connection, sender, at=utc_now(), who=WHO))
    typer.echo(f"{sender} is not taken any more.")


@app.command("try")
def try_(
    sender: Annotated[str, typer.Argument(metavar="SENDER", help="a sender of the table")],
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="HL7 messages, with MLLP frames or without; - is stdin")
    ],
    rules: Annotated[
        Path | None,
        typer.Option(help="a CSV of senders to go by: no database is asked then", exists=True, dir_okay=False),
    ] = None,
    data: Annotated[bool, typer.Option("--data", help="show the events too, persons and all")] = False,
) -> None:
    """What each message of this sender would become, and why. Nothing is sent or kept; names are not shown unless asked for.

    The messages are taken in the order given, as one night's: a transfer is of the visit that a registration before it told.
    """
    from connectors.hl7.bench import Bench

    if rules is not None:
        with _refusals(rules):
            senders = store.read(rules.read_bytes())
    else:
        senders = in_transaction(lambda connection, _: store.listing(connection))
    found = next((each for each in senders if each.sender == sender), None)
    if found is None:
        refuse(f"There is no sender '{sender}' there: {_named(senders)}.")
    bench = Bench(found, utc_now)
    for place, message in _messages(files):
        typer.echo(
            json.dumps({"message": place, **bench.tried(message, data_too=data)}, ensure_ascii=False, default=str)
        )


def _messages(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """(where it is, its bytes) for every message of the files."""
    from connectors.hl7.bench import split

    for file in files:
        try:
            held = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        except OSError as problem:
            refuse(f"{file} cannot be read ({problem.strerror}): mend the path or its permissions.")
        found = split(held)
        for number, message in enumerate(found, start=1):
            yield f"{file.name}:{number}" if len(found) > 1 else file.name, message


def _named(senders: Sequence[Sender]) -> str:
    names = ", ".join(each.sender for each in senders)
    return f"there are {names}" if names else "register it with 'nightlight feeds import', or give --rules FILE"


def _way(sender: Sender) -> str:
    if sender.certificate:
        return f"certificate {sender.certificate[:40]}"
    return ", ".join(sender.addresses) or "this machine"


def _rule(sender: Sender) -> str:
    own = {
        "class": sender.classes,
        "location": sender.locations,
        "function": sender.treatment_functions,
        "method": sender.admission_methods,
    }
    return "; ".join(f"{name} {'|'.join(entries)}" for name, entries in own.items() if entries) or "the usual"


@contextlib.contextmanager
def _refusals(file: Path) -> Iterator[None]:
    try:
        yield
    except BadFile as problem:
        refuse("\n".join([f"Nothing was taken from {file}:", *map(str, problem.problems)]))
    except SenderRefused as problem:
        refuse(str(problem))
