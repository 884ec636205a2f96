"""Accepted to provider request: from the gateway's 202 to the moment the provider has the request, beside the floor of the same run."""

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psycopg

from benchmarks import floor, register
from benchmarks.provider import Provider, provider
from benchmarks.quantiles import spread
from embedded import broker, postgres
from schemas.base import utc_now
from schemas.london import LONDON, today
from schemas.sealing import KeyringFile
from schemas.wire import event_key
from store.database import libpq_url
from tests.house import RESPONDERS, ROOT, House, eventually, house, rota
from tests.kafka import broker as apache

LISTED = 34_000
WATCHED_EVERY = (
    10  # one event in ten is about a watched child: far more than in life, so that there is something to measure
)
RATES = {25.0: 40.0, 150.0: 20.0}  # events a second → for how many seconds


def figures() -> Iterator[dict[str, Any]]:
    """p50 and p99 at 25 and at 150 events a second, ours and the floor's, and the ratio of their p99."""
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        data = Path(directory)
        real = apache.missing() is None
        kafka = stack.enter_context(apache.start(0, data / "kafka") if real else broker.start(data / "kafka")).url
        database = stack.enter_context(postgres.start(data / "postgres")).url
        taker = stack.enter_context(provider())
        on = {"broker": "Apache Kafka" if real else "embedded", "listed": LISTED, "watched_share": 1 / WATCHED_EVERY}
        given = {
            "NIGHTLIGHT_KAFKA": kafka,
            "NIGHTLIGHT_DATABASE_URL": database,
            "NIGHTLIGHT_TWILIO_API": taker.url,
            "NIGHTLIGHT_TWILIO_ACCOUNT_SID": "AC0",
            "NIGHTLIGHT_TWILIO_AUTH_TOKEN": "made-up",
            "NIGHTLIGHT_TWILIO_FROM": "+447700900999",
        }
        home = stack.enter_context(house(data / "house", given=given))
        people = _move_in(home, data)
        used = 0
        for rate, seconds in RATES.items():
            wanted = int(rate * seconds / WATCHED_EVERY) + 2
            ours = _ours(home, taker, people[used : used + wanted], rate, seconds)
            used += wanted
            under = _floor(kafka, libpq_url(database), taker, rate, seconds)
            yield {"figure": "accepted to provider request", "events_per_second": rate, **on, **spread(ours)}
            yield {"figure": "the floor", "events_per_second": rate, **on, **spread(under)}
            ratio = spread(ours)["p99_ms"] / spread(under)["p99_ms"]
            yield {
                "figure": "p99 over the floor's",
                "events_per_second": rate,
                **on,
                "ratio": round(ratio, 2),
                "goal": 2.0,
            }


def _move_in(home: House, data: Path) -> list[dict[str, Any]]:
    now = utc_now()
    people = register.write(data / "children.csv", LISTED, today=today(now))
    (data / "responders.csv").write_text(RESPONDERS)
    (data / "rota.csv").write_text(rota(now.astimezone(LONDON)))
    (data / "policies.csv").write_text("team,step,role,channels,wait_seconds\nIslington,1,primary,sms,3600\n")
    for noun in ("children", "responders", "rota", "policies"):
        home.command(noun, "import", str(data / f"{noun}.csv"))
    home.add_agency("met-custody", "arrest")
    # Both: a lane that still loads would take a processor from everybody.
    eventually(
        lambda: all(
            f"nightlight_children_loaded {float(LISTED)}" in home.metrics(lane) for lane in ("streams-a", "streams-b")
        ),
        within=60,
    )
    return people


def _ours(home: House, taker: Provider, watched: list[dict[str, Any]], rate: float, seconds: float) -> list[float]:
    accepted = asyncio.run(_send(home, watched, rate, seconds))
    database = home.environment["NIGHTLIGHT_DATABASE_URL"]
    keyring = KeyringFile(home.data / "keyring.json")
    names = {event_key(keyring, "met-custody", name): at for name, at in accepted.items()}

    def arrived() -> dict[str, float] | None:
        found = {
            match[1]: at for at, body in list(taker.arrivals) if (match := re.match(r"Nightlight (\w{4}): new", body))
        }
        query = "SELECT event_key, reference FROM facts JOIN pages USING (moment)"
        with psycopg.connect(libpq_url(database)) as connection:
            sent = {
                key: found[reference]
                for key, reference in connection.execute(query)
                if reference in found and key in names
            }
        return sent if len(sent) == len(names) else None

    found = eventually(arrived, within=120, every=1)
    with psycopg.connect(libpq_url(database)) as connection:
        # This provider sends no receipts: left open, every page would be sent again while the next rate is measured.
        connection.execute(
            "UPDATE pages SET state = 'withdrawn', ended_at = now(), next_step_at = NULL WHERE state = 'open'"
        )
    return [found[key] - at for key, at in names.items()]


async def _send(home: House, watched: list[dict[str, Any]], rate: float, seconds: float) -> dict[str, float]:
    """Post events at this rate; returns id → time of the 202, for those about watched children."""
    strangers = register.children(int(rate * seconds) + 1, seed=int(rate), first=500_000)
    accepted: dict[str, float] = {}
    headers = {"Authorization": f"Bearer {home.keys['met-custody']}", "Content-Type": "application/cloudevents+json"}
    # The lightest client at hand: it runs on the processors that are measured, and agencies' clients do not.
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(30)) as client:

        async def one(number: int, person: dict[str, Any], *, about: bool) -> None:
            name = f"{rate:.0f}-{number}"
            who = {field: value for field, value in person.items() if field != "child_id"}
            data = {"custody_record": name, "force": "01", "suite": "Islington", "person": who}
            event = {"specversion": "1.0", "id": name, "source": "met-custody", "type": "nightlight.arrest.v1"}
            body = json.dumps({**event, "time": utc_now().isoformat(), "data": data})
            async with client.post(f"{home.urls['gateway']}/v1/events", data=body) as answer:
                if answer.status != 202:
                    raise RuntimeError(f"the gateway answered {answer.status}: {await answer.text()}")
            if about:
                accepted[name] = time.time()

        async with asyncio.TaskGroup() as group:
            began, count = time.perf_counter(), 0
            while count / rate < seconds:
                await asyncio.sleep(max(0.0, began + count / rate - time.perf_counter()))
                about = count % WATCHED_EVERY == 0
                person = watched[count // WATCHED_EVERY] if about else next(strangers)
                group.create_task(one(count, person, about=about))
                count += 1
    return accepted


def _floor(kafka: str, database: str, taker: Provider, rate: float, seconds: float) -> list[float]:
    broker.create_topics(kafka, {floor.FIRST: 4, floor.SECOND: 4})
    command = [sys.executable, "-m", "benchmarks.floor", kafka, database, taker.url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        confirmed = asyncio.run(floor.produce(kafka, rate, seconds, WATCHED_EVERY))

        def arrived() -> dict[str, float] | None:
            found = {body: at for at, body in list(taker.arrivals) if body in confirmed}
            return found if len(found) == len(confirmed) else None

        found = eventually(arrived, within=60)
        worker.kill()
    return [found[name] - at for name, at in confirmed.items()]
