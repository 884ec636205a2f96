"""A small cast for the desk: two teams, three workers, one child in custody, and phones that fetch pages."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid5

import httpx2
import pyotp
from argon2 import PasswordHasher
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.app import build
from desk.live import Live
from schemas.child import WatchedChild
from schemas.metrics import Metrics
from schemas.moments import Decision, Lane
from schemas.pages import DEFAULT_PLAN
from schemas.sealing import Keyring
from schemas.settings import Settings
from store import accounts, links
from store.agencies import agencies
from store.children import children
from store.database import connect
from store.moments import facts, moments
from store.pages import attempts, pages
from store.people import responders, shifts
from tests.watch import Watch

HOME = "https://desk.nightlight.example"
PASSWORD = "a lamp in the window"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""A sign-in that a test is not about need not fill 64 MB three times over; how a password is kept is in test_accounts."""
PAGE = UUID("5d1f0d0e-0000-4000-8000-000000000001")
ELSEWHERE = UUID("5d1f0d0e-0000-4000-8000-000000000002")
CHILD = WatchedChild(
    child_id="W-1",
    authority="E09000019",
    team="Islington",
    family_name="Lampwick",
    given_name="Robin",
    date_of_birth=date(2010, 3, 14),
    postcode="N1 9GU",
    address_line="7 Candle Court",
    approach="Do not approach at the school gate. Ask for the red lanyard.",
)
ARREST = {
    "custody_record": "CR/0001/26",
    "force": "Metropolitan Police",
    "suite": "Wick Road custody suite",
    "arrested_at": "2026-11-21T02:06:00Z",
}


@dataclass
class Desk:
    """The desk in this process, its database, and who can sign in."""

    app: FastAPI
    engine: AsyncEngine
    sealer: Keyring
    watch: Watch
    settings: Settings
    registry: CollectorRegistry
    live: Live
    secrets: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def phone(self) -> AsyncIterator[httpx2.AsyncClient]:
        """A browser: keeps cookies, follows nothing by itself, and says where its forms come from."""
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        sent = {"Sec-Fetch-Site": "same-origin"}
        async with httpx2.AsyncClient(transport=transport, base_url=self.settings.base_url, headers=sent) as client:
            yield client

    @asynccontextmanager
    async def signed_in(self, person: str) -> AsyncIterator[httpx2.AsyncClient]:
        if person not in self.secrets:
            await self.give_account(person)
        async with self.phone() as client:
            answer = await client.post("/sign-in", data=self.credentials(person))
            assert answer.status_code == 303, answer.text
            yield client

    def credentials(self, person: str, **instead: str) -> dict[str, str]:
        code = pyotp.TOTP(self.secrets[person]).at(int(self.watch.now.timestamp()))
        return {"name": person, "password": PASSWORD, "code": code, **instead}

    async def give_account(self, person: str) -> None:
        async with self.engine.begin() as connection:
            address = await accounts.make(connection, self.sealer, person, PASSWORD, at=self.watch.now, hasher=QUICK)
        self.secrets[person] = pyotp.parse_uri(address).secret

    async def link(self, person: str = "ada", page: UUID = PAGE) -> str:
        async with self.engine.begin() as connection:
            return await links.make(connection, page, person, at=self.watch.now)

    async def set_page(self, page: UUID = PAGE, **values: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(update(pages).where(pages.c.page == page).values(**values))

    async def audit(self, what: str) -> list[Any]:
        async with self.engine.connect() as connection:
            rows = await connection.execute(
                text("SELECT * FROM audit WHERE what = :what ORDER BY entry"), {"what": what}
            )
            return list(rows)

    async def everything(self, *, but: tuple[str, ...] = ()) -> dict[str, list[Any]]:
        """Every row of every table, to see whether anything has changed."""
        async with self.engine.connect() as connection:
            found = {}
            tables = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
            for name in tables.scalars().all():
                rows = await connection.execute(text(f"SELECT t::text FROM {name} t ORDER BY 1"))  # noqa: S608 - our own names
                found[name] = [] if name in but else list(rows.scalars())
            return found


def form_token(html: str) -> str:
    """The token in the forms of a signed-in page."""
    found = re.search(r'name="token" value="([0-9a-f]+)"', html)
    assert found, html
    return found[1]


@asynccontextmanager
async def open_desk(database_url: str, *, home: str = HOME, watch: Watch | None = None) -> AsyncIterator[Desk]:
    """The desk on a database of its own, with the cast in it. `home` is its public address."""
    engine, registry, watch = connect(database_url), CollectorRegistry(), watch or Watch()
    settings = Settings.model_validate(
        {"database_url": database_url, "public_url": home, "twilio_auth_token": "t" * 32}
    )
    sealer = Keyring.make()
    live = Live()
    app = build(settings, engine, sealer, Metrics.build(registry), registry, watch, live)
    desk = Desk(app, engine, sealer, watch, settings, registry, live)
    await _move_in(desk)
    yield desk
    await engine.dispose()


async def _move_in(desk: Desk) -> None:
    now = desk.watch.now
    people = [("ada", "Ada Quill", "Islington"), ("bo", "Bo Marsh", "Islington"), ("cy", "Cy Tern", "Camden")]
    sealed = desk.sealer.seal(CHILD.model_dump_json().encode(), place="children/W-1")
    async with desk.engine.begin() as connection:
        for number, (person, name, team) in enumerate(people):
            values = {"person": person, "name": name, "mobile": f"+44770090010{number}", "teams": [team]}
            await connection.execute(insert(responders).values(values))
        duty = {"team": "Islington", "starts": now - timedelta(hours=6), "ends": now + timedelta(hours=6)}
        await connection.execute(insert(shifts).values(person="ada", role="primary", **duty))
        await connection.execute(
            insert(agencies).values(agency="met-custody", sources=[], types=[], authorities=[], last_seen_at=now)
        )
        await connection.execute(
            insert(children).values(
                child="W-1",
                authority="E09000019",
                team="Islington",
                sealed=sealed,
                starts_on=now.date(),
                review_on=now.date() + timedelta(days=30),
                expires_on=now.date() + timedelta(days=60),
                version=1,
            )
        )
        for page, team, reference in ((PAGE, "Islington", "K7Q4"), (ELSEWHERE, "Camden", "M3XA")):
            await _open_page(connection, desk, page, team, reference)


async def _open_page(connection: Any, desk: Desk, page: UUID, team: str, reference: str) -> None:
    now = desk.watch.now
    moment = uuid5(page, "moment")
    child = "W-1" if team == "Islington" else "W-2"
    clocks = {"occurred_at": now - timedelta(minutes=8), "received_at": now - timedelta(seconds=3), "matched_at": now}
    shared = {"authority": "E09000019", "team": team, "opened_at": now}
    await connection.execute(
        insert(moments).values(
            moment=moment, child=child, state="open", window_ends_at=now + timedelta(hours=12), **shared
        )
    )
    await add_fact(connection, desk, moment, f"fact of {reference}", "nightlight.arrest.v1", ARREST)
    await connection.execute(
        insert(pages).values(
            page=page,
            moment=moment,
            reference=reference,
            type="nightlight.arrest.v1",
            state="open",
            plan=[step.model_dump(mode="json") for step in DEFAULT_PLAN],
            step=1,
            round=1,
            next_step_at=now + timedelta(minutes=4, seconds=20),
            sent_at=now,
            **clocks,
            **shared,
        )
    )
    sent = {"state": "delivered", "sent_at": now, "delivered_at": now, "provider": "twilio", "provider_id": f"SM{page}"}
    asked = {"purpose": "page", "step": 1, "round": 1, "channel": "sms", "try": 1, "due_at": now}
    person = "ada" if team == "Islington" else "cy"
    await connection.execute(
        insert(attempts).values(attempt=uuid5(page, "attempt"), page=page, person=person, **asked, **sent)
    )


async def add_fact(connection: Any, desk: Desk, moment: UUID, key: str, kind: str, details: dict[str, Any]) -> None:
    now = desk.watch.now
    decision = Decision(lane=Lane.PAGE, child="W-1", why=("nhs_number: same (+20.1)",), model="simple-1")
    await connection.execute(
        insert(facts).values(
            event_key=key,
            moment=moment,
            subject_key="subject",
            type=kind,
            feed="met-custody",
            occurred_at=now - timedelta(minutes=8),
            received_at=now - timedelta(seconds=3),
            matched_at=now,
            joined_at=now,
            details=desk.sealer.seal(json.dumps(details).encode(), place=f"facts/{key}"),
            decision=decision.model_dump(mode="json"),
            outcome="paged",
        )
    )
