"""The gateway process: wiring, and serving until it is told to stop."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError

from connectors.door import Door
from connectors.doorkeeper import Doorkeeper
from connectors.http import build
from connectors.publish import Publisher
from connectors.topics import CannotReachKafka, Look
from connectors.visits.known import Visits
from connectors.visits.memory import Memory
from schemas.base import utc_now
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.sealing import KeyringFile
from schemas.settings import Settings
from schemas.web import server
from store.database import connect

LOOK_SECONDS = 2


class KafkaWatch:
    """Whether Kafka answers and has our topics, looked at every two seconds. Nobody's event waits for it."""

    def __init__(self, look: Callable[[], tuple[str, ...]]) -> None:
        self._look = look
        self.because = (
            "Kafka has not answered yet: if this stays, look at NIGHTLIGHT_KAFKA and whether the broker runs."
        )

    async def keep(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            before, self.because = self.because, await asyncio.to_thread(self._reason)
            if bool(before) != bool(self.because):
                logger().info("kafka-away" if self.because else "kafka-there")
            await asyncio.sleep(LOOK_SECONDS)

    def _reason(self) -> str:
        try:
            absent = self._look()
        except CannotReachKafka as problem:
            return str(problem)
        return f"Kafka has no topic {absent[0]}: run 'nightlight topics'." if absent else ""


async def run(settings: Settings) -> None:
    """Serve the gateway at `settings.listen` until SIGTERM or SIGINT; what is under way then is finished, within five seconds.

    Raises:
        BadSettings: a setting that it needs is missing.
        ValueError: the keyring cannot be read; one sentence.
    """
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
    visits = Visits()
    memory = Memory(visits, engine, sealer, utc_now)
    door = Door(doorkeeper, publisher, metrics, utc_now, settings.mode, sealer, visits)
    app = build(door, ready=_readiness(doorkeeper, watch), registry=registry)

    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops at these, then raises them once more: without a handler of ours that would end us before the cleanup.
        loop.add_signal_handler(each, lambda: None)
    background: list[asyncio.Task[None]] = []
    try:
        with contextlib.suppress(SQLAlchemyError, OSError):  # without it a visit's earlier messages are learnt later
            await memory.read()
        background += [asyncio.create_task(each.keep()) for each in (doorkeeper, memory, watch)]
        await server(app, settings).serve()
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        with contextlib.suppress(SQLAlchemyError, OSError):  # neither is worth failing for
            await doorkeeper.write()
            await memory.write()
        look.close()
        await publisher.close()
        await engine.dispose()


def _readiness(doorkeeper: Doorkeeper, watch: KafkaWatch) -> Callable[[], Awaitable[list[str]]]:
    async def ready() -> list[str]:
        keys = "" if doorkeeper.ready else "The agencies' keys have not been read from the database yet."
        return [reason for reason in (watch.because, keys) if reason]

    return ready
