"""A named cast for tests of the store: one team, three people on call, two children, noon on a fixed day."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.child import WatchedChild
from schemas.envelope import Mode
from schemas.moments import Candidate, Decision, Fact, FollowedUp, Lane, MomentFound, ReviewAsked
from schemas.pages import Role
from schemas.person import Person
from schemas.sealing import Keyring
from store import children
from store.database import connect
from store.people import responders, shifts
from store.roster import Action, Change

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TODAY = date(2026, 11, 21)
SEALER = Keyring.make(lambda size: bytes(range(size)))
TEAM = "Islington"
AUTHORITY = "E09000019"
ROBIN = "c-robin"
WREN = "c-wren"
DUTY, BACKUP, MANAGER = "dora", "ben", "mina"
PHONES = {DUTY: "+447700900001", BACKUP: "+447700900002", MANAGER: "+447700900003"}

ARREST = "nightlight.arrest.v1"
RELEASE = "nightlight.custody-release.v1"
ADMISSION = "nightlight.admission.v1"
DISCHARGE = "nightlight.discharge.v1"
CANCELLED = "nightlight.cancelled.v1"
IDENTITY = "nightlight.identity-changed.v1"


def key(name: str) -> str:
    """An event or subject key as the wire has them: 64 hex digits."""
    return hashlib.sha256(name.encode()).hexdigest()


def fact(event: str, *, about: str | None = None, type: str = ARREST, mode: Mode = Mode.LIVE, **more: Any) -> Fact:  # noqa: A002
    """What an agency said, two minutes ago."""
    said = {
        "event_key": key(event),
        "subject_key": key(f"subject/{about or event}"),
        "type": type,
        "feed": "met-custody",
        "authority": AUTHORITY,
        "mode": mode,
        "occurred_at": NOON - timedelta(minutes=2),
        "received_at": NOON - timedelta(seconds=2),
        "matched_at": NOON - timedelta(seconds=1),
        "details": {"custody_record": "01CB/1234/26"},
    }
    return Fact.model_validate(said | more)


def decision(child: str, lane: Lane = Lane.PAGE) -> Decision:
    candidates = (Candidate(child=child, weight=21.5, probability=0.99),)
    return Decision(lane=lane, child=child, candidates=candidates, why=("date_of_birth: equal (+9.1)",), model="test")


def found(event: str, child: str = ROBIN, **more: Any) -> MomentFound:
    return MomentFound(fact=fact(event, **more), child=child, decision=decision(child))


def asked(event: str, child: str = ROBIN, **more: Any) -> ReviewAsked:
    person = Person(family_name="Lampwick", date_of_birth=date(2010, 3, 14))
    return ReviewAsked(fact=fact(event, **more), person=person, decision=decision(child, Lane.REVIEW))


def released(event: str, *, about: str, type: str = RELEASE, **more: Any) -> FollowedUp:  # noqa: A002
    """They have left the place that the event `about` told of."""
    return FollowedUp(fact=fact(event, about=about, type=type, **more))


def cancelled(event: str, *, of: str, **more: Any) -> FollowedUp:
    return FollowedUp(fact=fact(event, type=CANCELLED, details={}, **more), of=key(of))


def child(child_id: str = ROBIN, **more: Any) -> WatchedChild:
    entry = {
        "child_id": child_id,
        "authority": AUTHORITY,
        "team": TEAM,
        "family_name": "Lampwick",
        "given_name": "Robin",
        "date_of_birth": date(2010, 3, 14),
        "nhs_number": "9990000018",
        "reason": "at risk",
        "legal_basis": "Children Act 1989 s47",
        "decided_by": "strategy meeting",
        "starts_on": TODAY - timedelta(days=7),
        "review_on": TODAY + timedelta(days=60),
        "expires_on": TODAY + timedelta(days=90),
    }
    return WatchedChild.model_validate(entry | more)


async def watch(connection: AsyncConnection, *entries: WatchedChild) -> None:
    changes = [Change(line, Action.ADD, each.child_id, each) for line, each in enumerate(entries, start=2)]
    await children.apply_import(connection, SEALER, changes, at=NOON, who="test")


async def put_on_call(connection: AsyncConnection, roles: dict[str, Role], *, team: str = TEAM) -> None:
    """These people, for two days around noon."""
    for person, role in roles.items():
        known = await connection.scalar(select(responders.c.person).where(responders.c.person == person))
        if not known:
            who = {"person": person, "name": person.title(), "mobile": PHONES[person], "teams": [TEAM]}
            await connection.execute(insert(responders).values(**who))
        time = {"starts": NOON - timedelta(days=1), "ends": NOON + timedelta(days=1)}
        await connection.execute(insert(shifts).values(team=team, person=person, role=role, **time))


EVERYBODY = {DUTY: Role.PRIMARY, BACKUP: Role.BACKUP, MANAGER: Role.MANAGER}


@asynccontextmanager
async def house(url: str, *, on_call: dict[str, Role] | None = None) -> AsyncIterator[AsyncEngine]:
    """The cast on duty and both children on the list."""
    async with engine(url) as made:
        async with made.begin() as connection:
            await put_on_call(connection, EVERYBODY if on_call is None else on_call)
            await watch(connection, child(ROBIN), child(WREN))
        yield made


@asynccontextmanager
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    made = connect(url)
    try:
        yield made
    finally:
        await made.dispose()


async def rows(connection: AsyncConnection, table: Table, *columns: str) -> list[Any]:
    """Everything in a table, or these columns of it, in the order of its first column."""
    chosen = [table.c[name] for name in columns] or list(table.c)
    return list((await connection.execute(select(*chosen).order_by(*chosen[:1]))).all())


async def count(connection: AsyncConnection, table: Table) -> int:
    return await connection.scalar(select(func.count()).select_from(table)) or 0
