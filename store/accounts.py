"""Accounts of the desk: a password, a second factor, and what happens when they are wrong."""

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Column, ForeignKey, Integer, Table, Text, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.wire import Sealer
from store import sessions
from store.audit import What, record
from store.columns import Instant, Sealed
from store.database import TABLES
from store.people import responders

accounts = Table(
    "accounts",
    TABLES,
    Column("person", Text, ForeignKey("responders.person", ondelete="CASCADE"), primary_key=True),
    Column("password", Text, nullable=False),  # Argon2id
    Column("totp", Sealed, nullable=False),
    Column("totp_step", Integer, nullable=False, server_default="0"),  # the last one used: a code works once
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("locked_until", Instant),
    Column("made_at", Instant, nullable=False, server_default=func.now()),
)

FREE_TRIES = 5
FIRST_LOCK = timedelta(seconds=30)
LONGEST_LOCK = timedelta(minutes=15)
CODE_SECONDS = 30
NOBODY = "nobody"
ARGON2 = PasswordHasher()  # the library's own strength: RFC 9106, for machines with little memory


class NoSuchPerson(Exception):
    """There is no responder of this name: import them first."""


class Refusal(StrEnum):
    """Why a sign-in was refused. For the audit chain alone: the screen says the same for all of them."""

    UNKNOWN = "unknown"
    LOCKED = "locked"
    PASSWORD = "password"  # noqa: S105 - the word, not one
    CODE = "code"
    CODE_USED = "code-used"


@dataclass(frozen=True)
class Account:
    """What a sign-in is checked against. `secret` is the second factor's, in base 32."""

    person: str
    password: str = field(repr=False)
    secret: str = field(repr=False)
    locked_until: datetime | None


@dataclass(frozen=True)
class Verdict:
    """What a check came to: the time step of the code, or why it was refused."""

    step: int = 0
    refusal: Refusal | None = None


def new_password(random: Callable[[int], str] = secrets.token_urlsafe) -> str:
    """A password of 96 random bits, to be printed once."""
    return random(12)


async def make(
    connection: AsyncConnection,
    sealer: Sealer,
    person: str,
    password: str,
    *,
    at: datetime,
    hasher: PasswordHasher = ARGON2,
) -> str:
    """Make an account, or make it anew: the old password, second factor and sessions end.

    `hasher`: how strongly the password is kept, and so how long each sign-in takes: the row itself says it.

    Returns the `otpauth://` address of the second factor, for the person's authenticator. Raises NoSuchPerson.
    """
    known = await connection.scalar(select(responders.c.person).where(responders.c.person == person))
    if known is None:
        raise NoSuchPerson(f"There is no responder {person}: import them with 'nightlight responders import' first.")
    secret = pyotp.random_base32()
    await connection.execute(delete(accounts).where(accounts.c.person == person))
    await connection.execute(
        insert(accounts).values(
            person=person,
            password=hasher.hash(password),
            totp=sealer.seal(secret.encode(), place=_place(person)),
            made_at=at,
        )
    )
    await record(connection, What.ACCOUNT_MADE, who="operator", about=f"responder/{person}", at=at)
    return pyotp.TOTP(secret).provisioning_uri(name=person, issuer_name="Nightlight")


async def find(connection: AsyncConnection, sealer: Sealer, name: str) -> Account | None:
    """The account of a person, by their id or by their mobile as they would type it."""
    named = or_(responders.c.person == name.strip(), responders.c.mobile == as_e164(name))
    row = (await connection.execute(select(accounts).join(responders).where(named))).first()
    if row is None:
        return None
    secret = sealer.open(row.totp, place=_place(row.person)).decode()
    return Account(row.person, row.password, secret, row.locked_until)


def check(account: Account | None, password: str, code: str, *, at: datetime) -> Verdict:
    """Whether these may come in. As slow for somebody unknown or locked as for anybody: call it in a thread (0.1 s)."""
    password_right = _matches(account.password if account else stand_in(), password)
    step = _step_of(account.secret if account else pyotp.random_base32(), code, at)
    if account is None:
        return Verdict(refusal=Refusal.UNKNOWN)
    if account.locked_until and at < account.locked_until:
        return Verdict(refusal=Refusal.LOCKED)
    if not password_right:
        return Verdict(refusal=Refusal.PASSWORD)
    if step is None:
        return Verdict(refusal=Refusal.CODE)
    return Verdict(step)


async def let_in(connection: AsyncConnection, person: str, step: int, *, at: datetime) -> str | None:
    """Begin a session and return its cookie; None if the code of this step, or a later one, has been used."""
    unused = (accounts.c.person == person) & (accounts.c.totp_step < step)
    fresh = await connection.execute(
        update(accounts).where(unused).values(totp_step=step, failures=0, locked_until=None)
    )
    if not fresh.rowcount:
        return None
    return await sessions.begin(connection, person, at=at)


async def refuse(connection: AsyncConnection, account: Account | None, why: Refusal, *, at: datetime) -> None:
    """Count a refused sign-in, and lock the account for longer each time."""
    person = account.person if account else NOBODY
    # A lock is not prolonged by trying while it lasts: a stranger who goes on trying would keep its owner out all night.
    count = 0 if why is Refusal.LOCKED else 1
    mine = accounts.c.person == person
    counted = update(accounts).where(mine).values(failures=accounts.c.failures + count).returning(accounts.c.failures)
    failures = await connection.scalar(counted) or 0
    if count and (locked := lock_for(failures)):
        await connection.execute(update(accounts).where(mine).values(locked_until=at + locked))
    await record(
        connection,
        What.SIGN_IN_REFUSED,
        who=person,
        about=f"responder/{person}",
        at=at,
        detail={"reason": why, "failures": failures},
    )


def lock_for(failures: int) -> timedelta:
    """How long an account is locked after this many failures in a row: nothing at first, then doubling to a quarter of an hour."""
    if failures < FREE_TRIES:
        return timedelta(0)
    return min(FIRST_LOCK * (1 << min(failures - FREE_TRIES, 10)), LONGEST_LOCK)


def as_e164(typed: str) -> str:
    """A mobile as people type it (07700 900123), as the list has it (+447700900123)."""
    digits = re.sub(r"[\s().-]", "", typed)
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    return f"+44{digits[1:]}" if digits.startswith("0") else digits


@cache
def stand_in() -> str:
    """A password nobody has, so that an unknown name takes as long as a known one."""
    return ARGON2.hash(secrets.token_urlsafe())


def _matches(stored: str, password: str) -> bool:
    try:
        return ARGON2.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _step_of(secret: str, code: str, at: datetime) -> int | None:
    """The time step whose code this is: the present one, the one before or the one after (ASVS 6.5.5)."""
    digits = re.sub(r"\s", "", code)
    now = int(at.timestamp()) // CODE_SECONDS
    for step in (now, now - 1, now + 1):
        if hmac.compare_digest(pyotp.TOTP(secret).at(step * CODE_SECONDS).encode(), digits.encode()):
            return step
    return None


def _place(person: str) -> str:
    return f"accounts/{person}"
