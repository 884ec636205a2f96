"""One night for the pager: three people on call, a clock that stands still, a phone network, and the desk's hooks over HTTP."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from desk import hooks
from embedded import notify
from embedded.phone import ACCOUNT, SENDER, TOKEN, Phone, phone_serving
from notifiers.pager import Pager, nothing
from notifiers.providers import Providers, set_up
from notifiers.send import Sender
from notifiers.wake import Bells
from schemas.metrics import Metrics
from schemas.pages import Channel, Role, Step
from schemas.sealing import Keyring
from schemas.settings import Settings
from store.database import connect
from store.ids import references
from store.moments import moments
from store.pages import attempts, begin_step, pages
from store.people import responders, shifts
from tests.watch import NIGHT, Watch

ADA, BEN, MO, STRANGER = "+447700900001", "+447700900002", "+447700900003", "+447700900666"
WEBHOOK_SECRET = "made-up-webhook-secret"
MOBILES = {"ada": ADA, "ben": BEN, "mo": MO}
PLAN = (
    Step(step=1, role=Role.PRIMARY, channels=(Channel.SMS,), wait_seconds=120),
    Step(step=2, role=Role.BACKUP, channels=(Channel.SMS,), wait_seconds=120),
    Step(step=3, role=Role.MANAGER, channels=(Channel.SMS,), wait_seconds=300),
)


@dataclass
class Night:
    """Everything of one story. Nothing goes on by itself: `round` is the pager's whole work at this instant."""

    engine: AsyncEngine
    settings: Settings
    watch: Watch
    phone: Phone
    pager: Pager
    registry: CollectorRegistry
    sealer: Keyring
    sender: Sender | None = None
    children: Iterator[int] = field(default_factory=lambda: iter(range(1, 1000)))

    async def open_page(self, *, plan: Sequence[Step] = PLAN, team: str = "Islington") -> tuple[UUID, str]:
        """A page about a child, its first attempts written: its id and its reference."""
        moment, page, now = uuid4(), uuid4(), self.watch()
        reference = next(references(page))
        place = {"authority": "E09000019", "team": team, "state": "open", "opened_at": now}
        clocks = dict.fromkeys(("occurred_at", "received_at", "matched_at"), now - timedelta(seconds=2))
        async with self.engine.begin() as connection:
            await connection.execute(
                insert(moments).values(
                    moment=moment, child=f"W-{next(self.children)}", window_ends_at=now + timedelta(hours=12), **place
                )
            )
            await connection.execute(
                insert(pages).values(
                    page=page,
                    moment=moment,
                    reference=reference,
                    type="nightlight.arrest.v1",
                    plan=[step.model_dump(mode="json") for step in plan],
                    step=1,
                    round=1,
                    next_step_at=now,
                    **place,
                    **clocks,
                )
            )
            await begin_step(connection, page, step=1, round=1, at=now)
        return page, reference

    async def round(self) -> None:
        """What the pager does at this instant, and what that sets going, until it is done and the network has reported."""
        await self.pager.round()
        await self.pager.idle()
        await eventually(self._all_receipts_are_in)

    async def _all_receipts_are_in(self) -> bool:
        return self.phone.unreported == 0

    async def rounds(self, seconds: float, every: float = 1) -> None:
        """Let the clock run, with the pager's tick."""
        for _ in range(int(seconds / every)):
            self.watch.later(seconds=every)
            await self.round()

    async def page(self, page: UUID) -> Any:
        async with self.engine.connect() as connection:
            return (await connection.execute(select(pages).where(pages.c.page == page))).one()

    async def attempts(self, page: UUID | None = None, **where: str) -> list[Any]:
        """In order of time; `where` narrows by column."""
        query = select(attempts).order_by(attempts.c.due_at, attempts.c.step, attempts.c["try"])
        if page is not None:
            query = query.where(attempts.c.page == page)
        for name, value in where.items():
            query = query.where(attempts.c[name] == value)
        async with self.engine.connect() as connection:
            return list(await connection.execute(query))

    async def states(self, page: UUID | None = None, **where: str) -> list[str]:
        return [attempt.state for attempt in await self.attempts(page, **where)]

    async def until_states(self, page: UUID, *states: str, **where: str) -> None:
        """Until the network's receipts have brought the attempts to these states."""

        async def reached() -> bool:
            return await self.states(page, **where) == list(states)

        await eventually(reached, lambda: self.states(page, **where))

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


async def eventually(
    condition: Callable[[], Awaitable[bool]], said: Callable[[], Awaitable[object]] | None = None, within: float = 10
) -> None:
    deadline = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < deadline, f"not in time: {await said() if said else ''}"
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def night(
    database_url: str,
    *,
    at_point: Callable[[str], None] = nothing,
    every_channel: bool = False,
    watch: Watch | None = None,
) -> AsyncIterator[Night]:
    """The whole of it, on a fresh database: with Twilio alone, or with every channel that there is."""
    watch, sealer, registry = watch or Watch(), Keyring.make(), CollectorRegistry()
    metrics = Metrics.build(registry)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with phone_serving(desk=f"http://127.0.0.1:{port}") as phone:
        settings = settings_for(phone, port, every_channel=every_channel)
        engine = connect(database_url)
        await put_on_call(engine)
        providers = Providers(set_up(settings))
        sender = Sender(engine, providers, settings.base_url, metrics, watch, at_point)
        pager = Pager(engine, sender, metrics, watch, Bells())
        with desk_serving(listener, database_url, settings, sealer, metrics, watch):
            try:
                yield Night(engine, settings, watch, phone, pager, registry, sealer, sender)
            finally:
                await pager.stop()
                await providers.close()
                await engine.dispose()


def settings_for(phone: Phone, port: int, *, every_channel: bool = False) -> Settings:
    """As an operator would set them for a rehearsal: with Twilio alone, or with every channel that there is."""
    phone.notify_token = notify.CALLBACK_TOKEN if every_channel else None
    more = {
        "notify_api_key": notify.KEY,
        "notify_template_id": notify.TEMPLATE,
        "notify_api": phone.url,
        "notify_callback_token": notify.CALLBACK_TOKEN,
        "smtp_url": f"smtp://127.0.0.1:{phone.smtp_port}",
        "webhook_urls": f"Islington={phone.url}/chat/islington",
        "webhook_secret": WEBHOOK_SECRET,
    }
    return Settings.model_validate(
        {
            **(more if every_channel else {}),
            "twilio_account_sid": ACCOUNT,
            "twilio_auth_token": TOKEN,
            "twilio_next_auth_token": "the-next-made-up-token",
            "twilio_from": SENDER,
            "twilio_api": phone.url,
            "public_url": f"http://127.0.0.1:{port}",
            "listen": f"127.0.0.1:{port}",
        }
    )


async def put_on_call(engine: AsyncEngine, people: dict[str, Role] | None = None) -> None:
    """Ada first, Ben behind her, Mo manages: all night, in Islington."""
    roles = people or {"ada": Role.PRIMARY, "ben": Role.BACKUP, "mo": Role.MANAGER}
    async with engine.begin() as connection:
        for person, role in roles.items():
            who = {"person": person, "name": person.title(), "mobile": MOBILES[person], "teams": ["Islington"]}
            who |= {"email": f"{person}@example.org"}
            await connection.execute(insert(responders).values(**who))
            hours = {"starts": NIGHT - timedelta(hours=6), "ends": NIGHT + timedelta(days=300)}
            await connection.execute(insert(shifts).values(team="Islington", person=person, role=role, **hours))


@contextlib.contextmanager
def desk_serving(
    listener: socket.socket,
    database_url: str,
    settings: Settings,
    sealer: Keyring,
    metrics: Metrics,
    clock: Callable[[], datetime],
) -> Iterator[None]:
    """The desk's hooks, as Twilio reaches them: over HTTP, from a process of their own (here a thread)."""
    engine = connect(database_url)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)
    app.include_router(hooks.router(engine, settings, sealer, metrics, clock))
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        listener.close()
