"""One process each, for compose and Kubernetes. Each runs until it is told to stop."""

import asyncio
from enum import StrEnum
from typing import Annotated

import typer

from commands.house import quiet, refuse, settings
from schemas import logs
from schemas.sealing import KeyringFile
from schemas.settings import BadSettings, Settings


class WorkerLane(StrEnum):
    A = "a"
    B = "b"


def _start(name: str, *needed: str) -> Settings:
    """Set up the log, and end now, with its name, if a setting is missing that this process cannot do without."""
    given = settings()
    logs.start(name)
    try:
        for setting in needed:
            given.need(setting)
        if "database_url" in needed:
            KeyringFile(given.keyring_path)
    except (BadSettings, ValueError) as problem:
        refuse(str(problem))
    return given


def gateway() -> None:
    """Take events from agencies: POST /v1/events."""
    given = _start("gateway", "kafka", "database_url")
    from connectors.gateway import run

    asyncio.run(run(given))


def mllp() -> None:
    """Take HL7 v2 messages from hospitals, over MLLP."""
    given = _start("mllp", "kafka", "database_url")
    from connectors.mllp.process import run

    try:
        asyncio.run(run(given))
    except BadSettings as problem:
        refuse(str(problem))


def inbox() -> None:
    """Take files that are dropped in the inbox folder: CSV, one column for each field."""
    given = _start("inbox", "kafka", "database_url")
    from connectors.inbox.process import run

    try:
        asyncio.run(run(given))
    except ValueError as problem:
        refuse(str(problem))


def streams(
    lane: Annotated[WorkerLane, typer.Option(help="run one of each: either alone loses nothing")] = WorkerLane.A,
) -> None:
    """Recognise watched children and open moments."""
    given = _start(f"streams-{lane}", "kafka", "database_url")
    from streams.worker import run

    try:
        run(given, lane)
    except BadSettings as problem:
        refuse(str(problem))


def pager() -> None:
    """Tell the person on call, and go on until somebody accepts."""
    given = _start("pager", "database_url")
    from connectors.topics import connection
    from notifiers.pager import run

    asyncio.run(run(given, kafka=connection(given) if given.kafka else None))


def desk() -> None:
    """What people and their phones touch: the links in texts, the duty desk, the providers' callbacks."""
    given = _start("desk", "database_url")
    from desk.app import run

    asyncio.run(run(given))


def phone() -> None:
    """The phone on the screen: what stands in for the phone network in a rehearsal. It speaks Twilio's protocol."""
    given = _start("phone")
    from embedded.phone import run

    asyncio.run(run(given))


def migrate() -> None:
    """Bring the database to this version: the one that is named, or the embedded one. Safe to repeat."""
    from commands import database

    _start("migrate")
    with database.found() as given:
        database.migrate(given.need("database_url"))
    typer.echo("The database is at this version.")


def topics() -> None:
    """Make the Kafka topics that are not there yet, with their partitions and retention. Safe to repeat."""
    given = _start("topics", "kafka")
    from connectors.topics import CannotReachKafka, create

    try:
        with quiet("kafka"):
            for line in create(given):
                typer.echo(line)
    except CannotReachKafka as problem:
        refuse(str(problem))
