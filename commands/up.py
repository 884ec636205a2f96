"""`nightlight up`: every process in one terminal, on the embedded broker and database or on those named in the environment."""

import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from commands.database import migrate
from commands.house import held, keyring, quiet, refuse, running_file, settings
from connectors.topics import CannotReachKafka, create
from embedded import broker, postgres
from embedded.server import HOST, STOPPING, EmbeddedError, choose_port, make_private
from embedded.supervisor import Program, Supervisor, Tell
from schemas.settings import PREFIX, Mode, Settings, read

FIRST_PORT = 8080
REHEARSAL_SENDER = "+447700900999"  # one of Ofcom's drama numbers: it rings nowhere
EMBEDDED_PARTITIONS = 4  # one machine: twelve would only make the embedded broker's group joins slower

PORTS = {
    "gateway": 0,
    "desk": 1,
    "phone": 2,
    "pager": 3,
    "streams-a": 4,
    "streams-b": 5,
    "mllp": 6,
    "inbox": 7,
    "database": 8,
    "kafka": 9,
}
"""Which port each has, counted from `--ports-from`. 6 is the door for HL7; the health of that process has any free port."""


@dataclass(frozen=True)
class Up:
    """What is running: the addresses to print, the supervisor that keeps it so, and the settings it runs with."""

    urls: dict[str, str]
    supervisor: Supervisor
    given: Settings
    environment: dict[str, str]


def up(
    data: Annotated[Path | None, typer.Option(help="where embedded things live; NIGHTLIGHT_DATA_DIR otherwise")] = None,
    ports_from: Annotated[int, typer.Option(help="the first of ten ports", min=1024, max=65_000)] = FIRST_PORT,
) -> None:
    """Every process in one terminal. Prints one line of JSON with every address once ready, then logs. Ctrl-C stops all."""
    given = settings()
    if data is not None:
        given = given.model_copy(update={"data_dir": data})
    # Until the watching begins: being stopped unwinds what has been started, whichever signal it is.
    for number in STOPPING:
        signal.signal(number, _unwind)
    try:
        with everything(given, ports_from, tell=tell) as house, stopped_by_signals(house.supervisor):
            typer.echo(json.dumps({"ready": True, **house.urls}))
            sys.stdout.flush()
            house.supervisor.watch()
    except KeyboardInterrupt:
        refuse("Stopped before it was ready.")


def tell(sentence: str) -> None:
    """One line of progress, on stderr."""
    typer.echo(f"nightlight: {sentence}", err=True)


@contextlib.contextmanager
def everything(
    given: Settings, ports_from: int, *, tell: Tell, without: Collection[str] = (), log: Path | None = None
) -> Iterator[Up]:
    """Start it all in order, and stop it all at the end. Ends the program with one sentence if something cannot start.

    Programs named in `without` are not started: their address is kept for the caller, who runs them. What the programs
    write goes to the file `log` if one is given.
    """
    try:
        with contextlib.ExitStack() as stack:
            whole = given.model_copy(update={"data_dir": make_private(given.data_dir)})
            stack.enter_context(held(whole.data_dir))
            yield _start(stack, whole, ports_from, tell, without, log)
    except (EmbeddedError, CannotReachKafka) as problem:
        refuse(str(problem))


@contextlib.contextmanager
def stopped_by_signals(supervisor: Supervisor) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the watching; what comes after it stops the rest, and is not to be broken off."""

    def stop(_: int, __: FrameType | None) -> None:
        supervisor.stopping = True

    for number in STOPPING:
        signal.signal(number, stop)
    try:
        yield
    finally:
        _be_deaf()


def _unwind(_: int, __: FrameType | None) -> None:
    _be_deaf()
    raise KeyboardInterrupt


def _be_deaf() -> None:
    """A second Ctrl-C of an impatient hand would leave behind what has not been stopped yet."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _start(
    stack: contextlib.ExitStack,
    given: Settings,
    ports_from: int,
    tell: Tell,
    without: Collection[str],
    log: Path | None,
) -> Up:
    ports = {name: ports_from + place for name, place in PORTS.items()}
    for name, port in ports.items():
        choose_port(f"The {name}", port)
    keyring(given)
    environment = _environment(given, ports)
    urls = {name: f"http://{HOST}:{port}" for name, port in ports.items() if name not in ("database", "kafka", "mllp")}
    urls["mllp-http"] = f"http://{HOST}:{choose_port('The health of mllp', 0)}"

    if given.database_url is None:
        database = stack.enter_context(postgres.start(given.data_dir, port=ports["database"]))
        environment["NIGHTLIGHT_DATABASE_URL"] = database.url
        tell("the database is ready")
    migrate(environment["NIGHTLIGHT_DATABASE_URL"])
    if given.kafka is None:
        kafka = stack.enter_context(broker.start(given.data_dir, port=ports["kafka"]))
        environment |= {"NIGHTLIGHT_KAFKA": kafka.url, "NIGHTLIGHT_KAFKA_PARTITIONS": str(EMBEDDED_PARTITIONS)}
        tell("the broker is ready")
    whole = read({**os.environ, **environment})
    with quiet("kafka"):
        create(whole)

    # Rehearsal without a provider of one's own ends on the screen: the phone speaks Twilio's protocol.
    if urls["phone"] != whole.twilio_api:
        urls.pop("phone")
    programs = [program for program in _programs(urls, environment) if program.name not in without]
    supervisor = Supervisor(programs, tell=tell, log=log)
    stack.callback(supervisor.stop)
    supervisor.start()

    running = running_file(given.data_dir)
    stack.callback(running.unlink, missing_ok=True)
    running.touch(mode=0o600)
    kept = {
        name: environment[f"{PREFIX}{setting}"] for name, setting in (("kafka", "KAFKA"), ("database", "DATABASE_URL"))
    }
    running.write_text(json.dumps({**kept, "urls": urls, "pretended": _made_up(environment)}))
    told = {"kafka": environment["NIGHTLIGHT_KAFKA"], "mllp": f"mllp://{whole.mllp_listen}"}
    return Up({**urls, **told}, supervisor, whole, environment)


def _environment(given: Settings, ports: dict[str, int]) -> dict[str, str]:
    """What every process is told beside its own port. Whatever the operator has set stays as it is."""
    told = {
        "DATA_DIR": str(given.data_dir),
        "PUBLIC_URL": f"http://{HOST}:{ports['desk']}",
        "GATEWAY_URL": f"http://{HOST}:{ports['gateway']}",
        "MLLP_LISTEN": f"{HOST}:{ports['mllp']}",
        "TWILIO_ACCOUNT_SID": f"AC{secrets.token_hex(16)}",
        "TWILIO_AUTH_TOKEN": secrets.token_hex(16),
        "TWILIO_FROM": REHEARSAL_SENDER,
        "TWILIO_API": f"http://{HOST}:{ports['phone']}",
    }
    if given.mode is Mode.REHEARSAL and not os.environ.get(f"{PREFIX}TWILIO_API"):
        # With the phone on the screen, the other channels end there as well.
        told["SMTP_URL"] = f"smtp://{HOST}:{choose_port('The mail of the phone', 0)}"
        told["WEBHOOK_URLS"] = f"*=http://{HOST}:{ports['phone']}/chat/team"
    if given.mode is Mode.LIVE:
        told = {name: value for name, value in told.items() if not name.startswith("TWILIO")}
    names = {f"{PREFIX}{name}": value for name, value in told.items()}
    chosen = {name for name in names if os.environ.get(name) or os.environ.get(f"{name}_FILE")} - {f"{PREFIX}DATA_DIR"}
    environment = {name: value for name, value in names.items() if name not in chosen}
    if given.database_url:
        environment[f"{PREFIX}DATABASE_URL"] = given.database_url.get_secret_value()
    if given.kafka:
        environment[f"{PREFIX}KAFKA"] = given.kafka
    return environment


def _made_up(environment: dict[str, str]) -> dict[str, str]:
    """Of what every process is told: the providers that are made up for a rehearsal, so that a command beside it knows them."""
    channels = tuple(f"{PREFIX}{name}" for name in ("TWILIO_", "SMTP_", "WEBHOOK_"))
    return {name: value for name, value in environment.items() if name.startswith(channels)}


def _programs(urls: dict[str, str], environment: dict[str, str]) -> list[Program]:
    arguments = {
        "phone": ("phone",),
        "gateway": ("gateway",),
        "mllp-http": ("mllp",),
        "inbox": ("inbox",),
        "desk": ("desk",),
        "pager": ("pager",),
        "streams-a": ("streams", "--lane", "a"),
        "streams-b": ("streams", "--lane", "b"),
    }
    return [
        Program(
            name.removesuffix("-http"),
            words,
            urls[name],
            {**environment, f"{PREFIX}LISTEN": urls[name].removeprefix("http://")},
        )
        for name, words in arguments.items()
        if name in urls
    ]
