"""From a page to a person: how soon a provider has it, how soon the next one is told, three hundred at once, a slow provider, and
a day's escalations by a clock that is put forward. The pager is a process of its own; the provider is the phone on the screen."""

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from benchmarks.provider import Provider, provider
from benchmarks.quantiles import spread
from benchmarks.rooms import ready
from embedded import postgres
from embedded.phone import Mode
from notifiers.channel import Accepted
from notifiers.pager import Pager, nothing
from notifiers.providers import Providers
from notifiers.send import Sender
from notifiers.wake import Bells
from schemas import logs
from schemas.base import utc_now
from schemas.metrics import Metrics
from schemas.pages import Channel, Role
from store import answers, migrations
from store.pages import attempts, pages
from store.people import shifts
from tests.house import ROOT, free_ports
from tests.pager_cast import ADA, BEN, PLAN, Night, eventually, night
from tests.watch import NIGHT, Watch

PAGES = 200
FAILED = 30
AT_ONCE, WITHIN = 300, 60.0
SLOW = 20.0
A_DAY = 48


@dataclass
class Now(Watch):
    """The wall clock, where a story expects one that stands."""

    def __call__(self) -> datetime:
        return utc_now()


def figures() -> Iterator[dict[str, Any]]:
    """One line for each figure; seconds in milliseconds where they are a spread."""
    logs.start("benchmark", level=logging.ERROR)
    with tempfile.TemporaryDirectory() as directory, postgres.start(Path(directory) / "postgres") as database:
        migrations.upgrade(database.url)
        for measure in (_to_the_provider, _after_a_failure, _three_hundred, _beside_a_slow_one, _a_day):
            with provider() as taker:
                yield asyncio.run(measure(database.url, taker))


@asynccontextmanager
async def running(url: str, taker: Provider | None = None) -> AsyncIterator[Night]:
    """Three people on call now, an empty table of pages, and a pager in a process of its own. With `taker` a provider that
    only answers: the phone on the screen reports three receipts for each text, in this very process."""
    async with night(url, watch=Now()) as story:
        await _on_call_now(story)
        given = _given(story, url, taker.url if taker else story.phone.url)
        # Its log goes nowhere: into a pipe that nobody reads it would write until it stands still.
        command = [sys.executable, "-m", "tests.dying_pager"]
        pager = await asyncio.to_thread(_start, command, given)
        try:
            await eventually(lambda: asyncio.to_thread(ready, f"http://{given['NIGHTLIGHT_LISTEN']}"), within=90)
            yield story
        finally:
            pager.terminate()
            pager.wait(timeout=15)
            await _empty(story)


def _start(command: list[str], given: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, cwd=ROOT, env=given, stderr=subprocess.DEVNULL)


def _given(story: Night, url: str, provider_url: str) -> dict[str, str]:
    """What the pager is told."""
    given = {
        "DATABASE_URL": url,
        "TWILIO_ACCOUNT_SID": story.phone.account,
        "TWILIO_AUTH_TOKEN": story.phone.token,
        "TWILIO_FROM": story.phone.sender,
        "TWILIO_API": provider_url,
        "PUBLIC_URL": story.settings.base_url,
        "LISTEN": f"127.0.0.1:{free_ports(1)}",
    }
    return {"PATH": os.defpath, "PYTHONPATH": str(ROOT), **{f"NIGHTLIGHT_{name}": each for name, each in given.items()}}


async def _to_the_provider(url: str, taker: Provider) -> dict[str, Any]:
    async with running(url, taker) as story:
        for _ in range(PAGES):
            await _open(story)
            await asyncio.sleep(0.05)
        await eventually(lambda: _sent(story, PAGES), within=60)
        taken = await _seconds(story, select(pages.c.sent_at - pages.c.opened_at))
    return {"figure": "page to provider accepted", **spread(taken), "goal_p99_ms": 10_000}


async def _after_a_failure(url: str, _: Provider) -> dict[str, Any]:
    async with running(url) as story:
        story.phone.behave(Mode.UNDELIVERED, ADA)
        for number in range(1, FAILED + 1):
            await _open(story)
            await eventually(lambda number=number: _told(story, BEN, number), within=30)  # type: ignore[misc]
        lost, next_ = attempts.alias("lost"), attempts.alias("next")
        same = (lost.c.page == next_.c.page) & (lost.c.state == "undelivered") & (next_.c.step == 2)
        taken = await _seconds(story, select(next_.c.sent_at - lost.c.settled_at).where(same))
    return {"figure": "next step after a failed receipt", **spread(taken), "goal_max_ms": 2_000}


async def _three_hundred(url: str, taker: Provider) -> dict[str, Any]:
    async with running(url, taker) as story:
        began, order = time.monotonic(), []
        for number in range(AT_ONCE):
            await asyncio.sleep(max(0.0, began + number * WITHIN / AT_ONCE - time.monotonic()))
            order.append((await _open(story))[1])
        await eventually(lambda: _sent(story, AT_ONCE), within=60)
        last = await _seconds(story, select(func.max(pages.c.sent_at) - func.max(pages.c.opened_at)))
        came = [body.split(":")[0].removeprefix("Nightlight ") for _, body in taker.arrivals if body]
        firsts = list(dict.fromkeys(came))
        taken = await _seconds(story, select(pages.c.sent_at - pages.c.opened_at))
    return {
        "figure": "300 pages in one minute",
        **spread(taken),
        "dropped": len(set(order) - set(came)),
        "out_of_order": sum(one != other for one, other in zip(order, firsts, strict=False)),
        "last_after_ms": round(last[0] * 1000, 1),
    }


async def _beside_a_slow_one(url: str, taker: Provider) -> dict[str, Any]:
    taker.slow[BEN] = SLOW
    async with running(url, taker) as story:
        to_ben = [PLAN[1].model_copy(update={"step": 1, "wait_seconds": 3600})]
        for _ in range(10):
            await _open(story, plan=to_ben)
        quick = []
        for _ in range(50):
            quick.append((await _open(story))[0])
            await asyncio.sleep(0.05)
        await eventually(lambda: _all_sent(story, quick), within=60)
        mine = select(pages.c.sent_at - pages.c.opened_at).where(pages.c.page.in_(quick))
        taken = await _seconds(story, mine)
    return {
        "figure": f"pages beside ten whose provider answers in {SLOW:.0f} s",
        **spread(taken),
        "goal_p99_ms": 10_000,
    }


async def _a_day(url: str, _: Provider) -> dict[str, Any]:
    """A page each half hour: three steps and once more, until the manager accepts; no contact, so they are asked by text and
    by voice, and the team again; then the manager accepts once more, and there is contact.

    The clock goes straight to whatever is due next: nothing in the pager waits for a second of its own.
    """
    async with night(url) as story:
        carrier, rounds = Carrier(), 0
        sender = Sender(
            story.engine,
            Providers([carrier]),
            "http://127.0.0.1:9",
            Metrics.build(CollectorRegistry()),
            story.watch,
            nothing,
        )
        pager = Pager(story.engine, sender, sender.metrics, story.watch, Bells())
        began, ends, opens = time.perf_counter(), NIGHT + timedelta(days=1), NIGHT
        while story.watch.now < ends:
            if story.watch.now >= opens:
                await _open(story)
                opens += timedelta(days=1) / A_DAY
            await pager.round()
            await pager.idle()
            await _managers_accept(story)
            story.watch.now = min(opens, ends, max(await _next_due(story), story.watch.now + timedelta(seconds=0.25)))
            rounds += 1
        seconds, open_ = time.perf_counter() - began, await _count(story, pages.c.state == "open")
        await _empty(story)
    return {
        "figure": "a day's escalations by a test clock",
        "pages": A_DAY,
        "texts": carrier.texts,
        "rounds": rounds,
        "still_open": open_,
        "seconds": round(seconds, 1),
    }


class Carrier:
    """A provider in this process that delivers at once: what is timed is the pager's own work."""

    channel, provider = Channel.SMS, "twilio"

    def __init__(self) -> None:
        self.texts = 0

    async def send(self, to: str, text: str, *, attempt: UUID, valid_seconds: float) -> Accepted:  # noqa: ARG002
        self.texts += 1
        return Accepted(f"SM{self.texts:032x}", "delivered")

    async def look_up(self, *_: Any, **__: Any) -> None:
        return None

    async def close(self) -> None:
        return


async def _open(story: Night, **more: Any) -> tuple[UUID, str]:
    """A page; once more with another reference if a live page has its first."""
    while True:
        with contextlib.suppress(IntegrityError):
            return await story.open_page(**more)


async def _managers_accept(story: Night) -> None:
    async with story.engine.begin() as connection:
        second = (pages.c.state == "open") & (pages.c.step == 3) & (pages.c.round >= 2)
        for page, reopened in (await connection.execute(select(pages.c.page, pages.c.reopened_at).where(second))).all():
            await answers.accept(connection, page, "mo", via="desk", at=story.watch())
            if reopened:
                await answers.record_contact(connection, page, "mo", via="desk", at=story.watch())


async def _next_due(story: Night) -> datetime:
    """When something is due that is not due yet."""
    now = story.watch.now
    times = (pages.c.next_step_at, pages.c.contact_due_at)
    async with story.engine.connect() as connection:
        found = [await connection.scalar(select(func.min(each)).where(each > now)) for each in times]
        found.append(await connection.scalar(select(func.min(attempts.c.due_at)).where(attempts.c.state == "pending")))
    return min((at for at in found if at is not None), default=now + timedelta(hours=1))


async def _on_call_now(story: Night) -> None:
    now = utc_now()
    hours = {"starts": now - timedelta(hours=1), "ends": now + timedelta(hours=12)}
    people = {"ada": Role.PRIMARY, "ben": Role.BACKUP, "mo": Role.MANAGER}
    async with story.engine.begin() as connection:
        for person, role in people.items():
            await connection.execute(insert(shifts).values(team="Islington", person=person, role=role, **hours))


async def _empty(story: Night) -> None:
    """For the next measurement: whatever is open has ended, and nothing of it is left."""
    async with story.engine.begin() as connection:
        open_ = pages.c.ended_at.is_(None)
        await connection.execute(
            update(pages).where(open_).values(state="withdrawn", ended_at=utc_now(), next_step_at=None)
        )
        for table in ("receipts", "replies", "links", "attempts", "pages", "moments", "shifts", "responders"):
            await connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - the names are here


async def _seconds(story: Night, query: Any) -> list[float]:
    async with story.engine.connect() as connection:
        return [each.total_seconds() for each in await connection.scalars(query)]


async def _count(story: Night, which: Any) -> int:
    async with story.engine.connect() as connection:
        return int(await connection.scalar(select(func.count()).select_from(pages).where(which)) or 0)


async def _sent(story: Night, number: int) -> bool:
    return await _count(story, pages.c.sent_at.is_not(None)) >= number


async def _all_sent(story: Night, chosen: list[UUID]) -> bool:
    return await _count(story, pages.c.page.in_(chosen) & pages.c.sent_at.is_not(None)) == len(chosen)


async def _told(story: Night, phone: str, number: int) -> bool:
    return len(story.phone.rang(phone)) >= number
