"""The matcher's model: estimate one from two registers, look at one, try one before it decides anything."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.house import refuse
from commands.offline import read_lines

if TYPE_CHECKING:
    from streams.matching.model import Model

app = typer.Typer(no_args_is_help=True, help="The weights of the matcher: fit, show, compare.", rich_markup_mode=None)

SHIPPED = "shipped"

Which = Annotated[str, typer.Argument(metavar="MODEL", help="a model file, or 'shipped'")]


@app.command()
def fit(
    one: Annotated[Path, typer.Argument(metavar="REGISTER_A.csv", help="columns as for 'children import'")],
    other: Annotated[
        Path, typer.Argument(metavar="REGISTER_B.csv", help="another register that holds many of the same")
    ],
    out: Annotated[Path, typer.Option(help="where the model is written; a file that is there is not replaced")],
    start: Annotated[
        str, typer.Option(help="the model that it starts from, and keeps where nothing is learnt")
    ] = SHIPPED,
) -> None:
    """Estimate how often two records of one child agree, from two whole registers that overlap. Needs the extra 'train'."""
    from schemas.base import utc_now
    from streams.matching.offline import say
    from streams.matching.training import fit as estimate

    with _refusals():
        if out.exists():
            refuse(
                "The file of --out is there already: a model that has decided anything must stay. Choose another name."
            )
        made = estimate(one, other, _model(start), today=utc_now().date(), complain=say)
        out.write_text(made.model_dump_json(indent=1) + "\n", encoding="utf-8")
        typer.echo(f"{made.label}: {made.source}")
        typer.echo(
            "Try it before it decides anything: nightlight model compare shipped FILE --children ... --events ..."
        )


@app.command()
def show(model: Which = SHIPPED) -> None:
    """The table of a model: chances and bits for each level of each field, and its thresholds."""
    from streams.matching.dry_run import as_table

    with _refusals():
        for line in as_table(_model(model)):
            typer.echo(line)


@app.command()
def compare(
    old: Which,
    new: Which,
    children: Annotated[Path, typer.Option(help="CSV of watched children, as for 'match'")],
    events: Annotated[str, typer.Option(help="JSON lines as for 'match', or - for stdin")],
) -> None:
    """A dry run: one JSON line for each event that NEW decides otherwise than OLD, with both reasons, and the counts last."""
    from streams.matching.dry_run import as_line, differences
    from streams.matching.offline import say

    with _refusals(), read_lines(events) as lines:
        for fact in differences(_model(old), _model(new), children, lines, say):
            sys.stdout.write(as_line(fact) + "\n")


@app.command("try")
def try_(new: Which, old: Which = SHIPPED) -> None:
    """A dry run on the events of the last 72 hours and the list as it is: what NEW would decide otherwise than OLD, as lines of JSON."""
    from aiokafka.errors import KafkaError
    from sqlalchemy.ext.asyncio import AsyncEngine

    from commands.database import with_engine
    from commands.house import keyring, quiet
    from schemas.settings import Settings
    from streams.matching.dry_run import as_line
    from streams.trial import differences

    async def work(engine: AsyncEngine, given: Settings) -> None:
        given.need("kafka")
        async for fact in differences(given, engine, keyring(given), _model(old), _model(new)):
            sys.stdout.write(as_line(fact) + "\n")

    with _refusals(), quiet("aiokafka"):
        try:
            with_engine(work)
        except (KafkaError, TimeoutError, ConnectionError):
            refuse("Kafka does not answer at NIGHTLIGHT_KAFKA: start it, or mend the address.")


def _model(which: str) -> "Model":
    from streams.matching.model import Model

    return Model.load() if which == SHIPPED else Model.load(Path(which))


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Whatever can be wrong with the files ends the program with one sentence."""
    from streams.matching.listing import ListRefused
    from streams.matching.model import ModelRefused

    try:
        yield
    except (ListRefused, ModelRefused) as problem:
        refuse(str(problem))
    except BrokenPipeError:
        raise
    except OSError as problem:
        refuse(f"{problem.filename} cannot be read or written ({problem.strerror}): mend the path or its permissions.")
