"""`nightlight doctor`: tries everything that Nightlight needs, and says what is wrong and what to do."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import uuid4

import httpx2
import typer
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from commands.database import found as house_found
from commands.database import sentence
from commands.house import pretended, quiet, started
from connectors.topics import CannotReachKafka, Look
from notifiers import providers
from notifiers.channel import DeliveryError, Notifier
from schemas.authorities import authorities
from schemas.base import utc_now
from schemas.london import today
from schemas.pages import Channel
from schemas.probe import NAME as PROBE
from schemas.sealing import KeyringFile
from schemas.settings import BadSettings, Mode, Settings, read
from store import agencies, children, feeds, gaps
from store.database import connect

CLOCK_APART: Final = timedelta(seconds=2)
ASK_WITHIN: Final = 5.0
NOBODYS_NUMBER: Final = "+447700900999"
"""One of Ofcom's drama numbers: a provider is asked what it knows of it, which is nothing."""


class State(StrEnum):
    WELL = "well"
    NOTE = "note"
    WRONG = "WRONG"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried. `says` is one sentence, with what to do if it is wrong."""

    what: str
    state: State
    says: str

    def as_line(self) -> str:
        return f"{self.state:5}  {self.what:10}  {self.says}"


def doctor(
    as_json: bool = typer.Option(False, "--json", help="one line of JSON for each, for a script"),
) -> None:
    """Try the keys, broker, database, providers, clock, rota and feeds; exit 1 if anything is wrong, and say what to do."""
    found = []
    with quiet("kafka"), house_found() as given:
        for finding in _each(given):
            found.append(finding)
            said = {"what": finding.what, "state": finding.state.lower(), "says": finding.says}
            typer.echo(json.dumps(said) if as_json else finding.as_line())
    if any(finding.state is State.WRONG for finding in found):
        raise typer.Exit(1)


def _each(given: Settings) -> Iterator[Finding]:
    """One after the other, each shown as soon as it is known."""
    yield _mode(given)
    keys = _keys(given)
    yield keys
    yield _broker(given)
    # Without the keys the list cannot be read, and that has been said.
    looks = (_clock, _rota, _feeds) if keys.state is State.WRONG else (_clock, _list, _rota, _feeds)
    yield from asyncio.run(_asked(given, looks))
    yield from asyncio.run(_providers(given))
    yield from _processes(given)


async def _asked(given: Settings, looks: Sequence["Looks"]) -> list[Finding]:
    engine = connect(given.need("database_url"))
    try:
        database = await _database(engine)
        if database.state is State.WRONG:
            return [database]
        return [database, *[finding for look in looks for finding in await _looked(engine, given, look)]]
    finally:
        await engine.dispose()


def _processes(given: Settings) -> Iterator[Finding]:
    """Of `nightlight up` on this machine: is each ready, and if not why?"""
    for name, url in started(given.data_dir).items():
        try:
            answer = httpx2.get(f"{url}/readyz", timeout=ASK_WITHIN, verify=authorities())
            because = answer.json()["because"]
        except (httpx2.HTTPError, ValueError, KeyError):
            yield Finding(
                "process", State.WRONG, f"{name} does not answer at {url}: look at what 'nightlight up' says."
            )
            continue
        if because:
            yield Finding("process", State.WRONG, f"{name} is not ready: {because[0]}")


def _mode(given: Settings) -> Finding:
    if given.mode is Mode.REHEARSAL:
        return Finding(
            "mode", State.NOTE, "This is a rehearsal: no real phone is reached. Set NIGHTLIGHT_MODE=live to go live."
        )
    if not given.base_url.startswith("https://"):
        return Finding(
            "mode", State.WRONG, "NIGHTLIGHT_PUBLIC_URL must be an https address that phones and providers reach."
        )
    if given.heartbeat_url is None:
        return Finding(
            "mode", State.NOTE, "NIGHTLIGHT_HEARTBEAT_URL is not set: nobody outside hears of it if all of this stops."
        )
    return Finding("mode", State.WELL, "Live.")


def _keys(given: Settings) -> Finding:
    try:
        KeyringFile(given.keyring_path).mark("doctor")
    except (ValueError, OSError) as problem:
        return Finding(
            "keys",
            State.WRONG,
            str(problem) if isinstance(problem, ValueError) else f"{given.keyring_path} cannot be read.",
        )
    return Finding(
        "keys", State.WELL, "The keyring can be read. Is there a copy of it elsewhere? Without it the list is lost."
    )


def _broker(given: Settings) -> Finding:
    if not given.kafka:
        return Finding("broker", State.WRONG, "There is no broker: start 'nightlight up', or set NIGHTLIGHT_KAFKA.")
    look = Look(given)
    try:
        absent = look()
    except CannotReachKafka as problem:
        return Finding("broker", State.WRONG, str(problem))
    finally:
        look.close()
    if absent:
        return Finding("broker", State.WRONG, f"Kafka has no topic {absent[0]}: run 'nightlight topics'.")
    return Finding("broker", State.WELL, "Kafka answers, and has every topic.")


async def _database(engine: AsyncEngine) -> Finding:
    try:
        async with asyncio.timeout(ASK_WITHIN), engine.connect() as connection:
            await connection.execute(text("SELECT version FROM children LIMIT 0"))
    except (OperationalError, InterfaceError, ProgrammingError) as problem:
        return Finding("database", State.WRONG, sentence(problem))
    except (OSError, TimeoutError):
        return Finding(
            "database", State.WRONG, "PostgreSQL does not answer in 5 s: look at its load and at the network."
        )
    return Finding("database", State.WELL, "PostgreSQL answers, and is at this version.")


Looks = Callable[[AsyncConnection, Settings], Awaitable[list[Finding]]]


async def _looked(engine: AsyncEngine, given: Settings, look: Looks) -> list[Finding]:
    async with engine.connect() as connection:
        return await look(connection, given)


async def _clock(connection: AsyncConnection, _: Settings) -> list[Finding]:
    before = utc_now()
    theirs = await connection.scalar(text("SELECT clock_timestamp()"))
    apart = abs(theirs - before) if theirs else timedelta()
    if apart > CLOCK_APART:
        seconds = apart.total_seconds()
        return [
            Finding(
                "clock", State.WRONG, f"This machine and the database's are {seconds:.0f} s apart: let both follow NTP."
            )
        ]
    return [Finding("clock", State.WELL, "This machine's clock agrees with the database's.")]


async def _list(connection: AsyncConnection, given: Settings) -> list[Finding]:
    now, broken = utc_now(), list[str]()
    count = 0
    async for _ in children.snapshot(connection, KeyringFile(given.keyring_path), broken=broken.append):
        count += 1
    if broken:
        named = ", ".join(broken[:5])
        return [
            Finding(
                "children",
                State.WRONG,
                f"{len(broken)} cannot be read with these keys, as {named}: import them again, or restore the keyring.",
            )
        ]
    if not count:
        return [Finding("children", State.WRONG, "Nobody is on the list: 'nightlight children import FILE.csv'.")]
    late = len(await children.due(connection, today(now), within=0))
    if late:
        return [
            Finding(
                "children",
                State.NOTE,
                f"{count} on the list, {late} past their review: 'nightlight children due' names them.",
            )
        ]
    return [Finding("children", State.WELL, f"{count} on the list.")]


async def _rota(connection: AsyncConnection, _: Settings) -> list[Finding]:
    found = await gaps.check(connection, utc_now())
    if not found:
        return [Finding("rota", State.WELL, "Somebody who can be reached is on call in every role for 14 days.")]
    more = f" And {len(found) - 1} more: 'nightlight rota check' names them." if len(found) > 1 else ""
    return [Finding("rota", State.WRONG, f"{found[0].rstrip('.')}.{more}")]


async def _feeds(connection: AsyncConnection, given: Settings) -> list[Finding]:
    now = utc_now()
    known = await agencies.listing(connection, at=now, leave_out=(PROBE,))
    if not known:
        return [Finding("feeds", State.WRONG, "No agency may send anything: 'nightlight agencies add'.")]
    found = [
        Finding(
            "feeds", State.WRONG, f"{one.agency} is silent: {one.because}. Ring them: docs/runbooks/feed-silent.md."
        )
        for one in await feeds.silent(connection, now)
    ]
    if given.mode is Mode.LIVE:
        found += [
            Finding(
                "feeds",
                State.WRONG,
                f"{one.name} has no sharing agreement in force: 'nightlight agencies agree {one.name}'.",
            )
            for one in known
            if one.key_ends and not (one.agreement and one.agreement.covers(today(now)))
        ]
    return found or [Finding("feeds", State.WELL, f"{len(known)} registered, none of them silent.")]


async def _providers(given: Settings) -> list[Finding]:
    made_up = pretended(given.data_dir)
    try:
        there = providers.set_up(read({**os.environ, **made_up}) if made_up else given)
    except BadSettings as problem:
        return [Finding("providers", State.WRONG, str(problem))]
    if not any(notifier.channel is Channel.SMS for notifier in there):
        state = State.WRONG if given.mode is Mode.LIVE else State.NOTE
        return [
            Finding(
                "providers",
                state,
                "No provider of texts is set up: set NIGHTLIGHT_TWILIO_ACCOUNT_SID, _AUTH_TOKEN and _FROM.",
            )
        ]
    found = [await _provider(notifier) for notifier in there]
    if phone := started(given.data_dir).get("phone"):
        says = f"Texts and calls end on the screen of 'nightlight up', at {phone}: no real phone rings."
        return [Finding("providers", State.NOTE, says), *found]
    return found


async def _provider(notifier: Notifier) -> Finding:
    """Asked for what it knows of a number that is nobody's: it answers, and knows our account, or it does not."""
    name = f"{notifier.channel} by {notifier.provider}"
    if notifier.channel is not Channel.SMS:  # of the others none can be asked without telling somebody something
        await notifier.close()
        return Finding("providers", State.NOTE, f"{name} is set up; only a drill tries it: 'nightlight drill TEAM'.")
    try:
        async with asyncio.timeout(ASK_WITHIN):
            await notifier.look_up(
                NOBODYS_NUMBER, attempt=uuid4(), containing="doctor", since=utc_now(), known=frozenset()
            )
    except (DeliveryError, TimeoutError) as problem:
        why = problem.reason.value if isinstance(problem, DeliveryError) else "no answer in 5 s"
        return Finding(
            "providers",
            State.WRONG,
            f"{name}: {why}. Look at its settings and its status page: docs/runbooks/provider-failing.md.",
        )
    finally:
        await notifier.close()
    return Finding("providers", State.WELL, f"{name} answers.")
