"""The mllp process: wiring, and serving until it is told to stop."""

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import ssl
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError

from connectors.door import Door
from connectors.doorkeeper import Doorkeeper
from connectors.gateway import KafkaWatch
from connectors.mllp.gathering import Together
from connectors.mllp.known import Senders
from connectors.mllp.listener import DOOR, Listener
from connectors.mllp.server import Limits, Server
from connectors.mllp.tls import context
from connectors.publish import Publisher
from connectors.topics import Look
from connectors.visits.known import Visits
from connectors.visits.memory import Memory
from schemas.base import utc_now
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.sealing import KeyringFile
from schemas.settings import BadSettings, Settings
from schemas.web import server, service
from store.database import connect

ABOUT = "Takes HL7 v2 messages over MLLP at its own port; here are its health and its metrics."


async def run(settings: Settings) -> None:
    """Serve HL7 at `settings.mllp_listen`, and health and metrics at `settings.listen`, until SIGTERM or SIGINT; a message in hand
    then is answered, within five seconds.

    Raises:
        BadSettings: a setting that it needs is missing or wrong, or the port is taken.
        ValueError: the keyring cannot be read; one sentence.
    """
    tls = context(settings)
    _allow_connections()
    _seldom_pause()
    # While Kafka is away its client says so many times a second; `KafkaWatch` says it once.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    registry = CollectorRegistry()
    metrics = Metrics.build(registry)
    engine = connect(settings.need("database_url"))
    sealer = KeyringFile(settings.keyring_path)
    publisher = Publisher(settings, sealer)
    doorkeeper = Doorkeeper(engine, metrics, utc_now, mode=settings.mode)
    look = Look(settings)
    watch = KafkaWatch(look)
    senders = Senders(engine, utc_now, mode=settings.mode)
    visits = Visits()
    memory = Memory(visits, engine, sealer, utc_now)
    door = Door(doorkeeper, Together(publisher), metrics, utc_now, settings.mode, sealer)
    listener = Listener(door, senders, visits)
    mllp = Server(
        listener,
        limits=Limits(quiet=settings.mllp_idle_seconds),
        welcomes=senders.welcomes if tls else lambda _: True,
        connections=metrics.door_connections.labels(door=DOOR),
    )
    app = service("Nightlight HL7 door", ready=_readiness(senders, watch), registry=registry, description=ABOUT)

    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops at these, then raises them once more: without a handler of ours that would end us before the cleanup.
        loop.add_signal_handler(each, lambda: None)
    background: list[asyncio.Task[None]] = []
    try:
        with contextlib.suppress(
            SQLAlchemyError, OSError
        ):  # without it, messages are answered "not ready yet" for a while
            await senders.refresh()
            await memory.read()
        background += [asyncio.create_task(each.keep()) for each in (doorkeeper, senders, memory, watch)]
        port = await _listen(mllp, settings, tls)
        logger().info("hl7-door-open", port=port)
        await server(app, settings).serve()
    finally:
        await mllp.close()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        with contextlib.suppress(SQLAlchemyError, OSError):  # neither is worth failing for
            await doorkeeper.write()
            await memory.write()
        look.close()
        await publisher.close()
        await engine.dispose()


async def _listen(mllp: Server, settings: Settings, tls: ssl.SSLContext | None) -> int:
    try:
        return await mllp.start(settings.mllp_host, settings.mllp_port, tls)
    except OSError as problem:
        raise BadSettings(
            f"NIGHTLIGHT_MLLP_LISTEN names {settings.mllp_listen}, which cannot be had ({problem.strerror}): "
            "choose another port, or stop what has it."
        ) from problem


def _readiness(senders: Senders, watch: KafkaWatch) -> Callable[[], Awaitable[list[str]]]:
    async def ready() -> list[str]:
        known = "" if senders.ready else "The senders have not been read from the database yet."
        return [reason for reason in (watch.because, known) if reason]

    return ready


def _allow_connections() -> None:
    """A connection is an open file, and systems allow a thousand unless asked for more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _seldom_pause() -> None:
    """Let the collector look through everything a hundred times more seldom than it would.

    With all that is remembered of visits a full look takes half a second, in which nobody is answered; and nothing of that
    is in a cycle, so it finds next to nothing.
    """
    gc.freeze()  # what was imported stays
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, 1_000)
