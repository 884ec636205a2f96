"""`nightlight dead-letters`: what could not be handled, and sending it again."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from commands.database import with_engine
from commands.house import WHO, keyring, quiet, refuse
from commands.table import show as show_table
from schemas.base import utc_now
from schemas.sealing import KeyringFile
from schemas.settings import Settings
from streams import dead_letters as letters

app = typer.Typer(help="Events that could not be handled.", no_args_is_help=True)
T = TypeVar("T")
Place = Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="as 'dead-letters list' shows it")]


@app.command("list")
def list_() -> None:
    """Every dead letter of the last seven days: where the record lies, and why it was buried."""
    found = _with_kafka(letters.listing)
    rows = [
        (
            f"{each.topic}/{each.partition}/{each.offset}",
            each.lane,
            each.reason,
            each.error,
            f"{each.buried_at:%d %b %H:%M:%S}",
        )
        for each in found
    ]
    show_table(("where", "lane", "reason", "error", "buried"), rows)


@app.command()
def show(place: Place) -> None:
    """One dead letter as each lane buried it: its size, its headers in the clear, and whether the record still is what was buried."""
    where = _read(place)
    for letter in _with_kafka(lambda given, sealer, engine: letters.show(given, sealer, engine, *where)):
        typer.echo(letter.pointer.model_dump_json(indent=1))
        state = (
            "gone from the topic"
            if letter.size is None
            else f"{letter.size} bytes, {'unchanged' if letter.unchanged else 'not what was buried'}"
        )
        typer.echo(f"the record: {state}")
        for name, value in letter.headers.items():
            typer.echo(f"  {name}: {value}")


@app.command()
def replay(place: Place) -> None:
    """Send the original again, byte for byte, once what was wrong has been mended. Written down in the audit chain."""
    where = _read(place)
    _with_kafka(lambda given, sealer, engine: letters.replay(given, sealer, engine, *where, who=WHO, at=utc_now()))
    typer.echo(f"{place} was sent again.")


def _read(place: str) -> tuple[str, int, int]:
    topic, _, rest = place.partition("/")
    partition, _, offset = rest.partition("/")
    if not (topic and partition.isdecimal() and offset.isdecimal()):
        typer.echo("Write the place as TOPIC/PARTITION/OFFSET, as 'nightlight dead-letters list' shows it.", err=True)
        raise typer.Exit(2)
    return topic, int(partition), int(offset)


def _with_kafka(work: Callable[[Settings, KeyringFile, AsyncEngine], Awaitable[T]]) -> T:
    async def once(engine: AsyncEngine, given: Settings) -> T:
        given.need("kafka")
        return await work(given, keyring(given), engine)

    try:
        with quiet("aiokafka"):
            return with_engine(once)
    except letters.NoSuchLetter as problem:
        refuse(str(problem))
    except (KafkaError, OSError):
        refuse("Kafka does not answer at NIGHTLIGHT_KAFKA: start it, or mend the address.")
