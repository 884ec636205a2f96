"""Phones of people on call: whose they are, and whether they still work.

A phone is verified by a code that was texted to it and came back, and proven by every reply from it. Whatever its state,
a page still goes to it unless its owner has opted out: a text that may fail is better than a certain silence.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hmac import compare_digest
from typing import Final
from uuid import uuid4

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    Table,
    Text,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.pages import AttemptState, Channel, Purpose
from schemas.probe import NAME as PROBE_NAME
from store import sending
from store.audit import What, record
from store.columns import Instant
from store.database import TABLES
from store.pages import attempts
from store.people import responders

phones = Table(
    "phones",
    TABLES,
    Column("person", Text, ForeignKey("responders.person", ondelete="CASCADE"), primary_key=True),
    Column("mobile", Text),  # the number that was verified: another one starts afresh
    Column("verified_at", Instant),
    Column("proven_at", Instant),  # the last reply from it
    Column("code", Text),
    Column("code_for", Text),  # the number that the code was sent to
    Column("code_until", Instant),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("tested_at", Instant),
)

CODE_LASTS = timedelta(minutes=30)
TRIES = 5
PROVEN_FOR = timedelta(days=31)
"""A phone of which nothing was heard for so long is to be proven again (paging page, 2.14)."""

NEVER: Final = frozenset({"number-not-valid", "not-a-mobile", "blocked"})
"""Reasons for which no text or call will ever get there; the words are those of the notifiers' closed list."""
NOT_NOW: Final = frozenset({"phone-unreachable", "too-late"})


class PhoneState(StrEnum):
    """Worst first: a phone is in the first of these that is true."""

    OPTED_OUT = "opted-out"  # STOP: it may not be texted
    UNREACHABLE = "unreachable"  # the provider says that nothing will ever get there
    FAILING = "failing"  # the last text or call did not arrive
    CHANGED = "changed"  # another number was verified, and this one was not
    UNVERIFIED = "unverified"
    VERIFIED = "verified"


CANNOT_BE_REACHED: Final = frozenset({PhoneState.OPTED_OUT, PhoneState.UNREACHABLE, PhoneState.FAILING})


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone as a manager may see it: never its number, but for the last three digits."""

    person: str
    name: str = field(repr=False)
    teams: tuple[str, ...]
    ends_in: str = field(repr=False)
    state: PhoneState
    verified_at: datetime | None
    proven_at: datetime | None

    def is_due(self, at: datetime) -> bool:
        """Verified once, and too long silent since."""
        heard = max((time for time in (self.verified_at, self.proven_at) if time), default=None)
        return self.state is PhoneState.VERIFIED and heard is not None and heard + PROVEN_FOR < at


class Checked(StrEnum):
    """What became of a code."""

    VERIFIED = "verified"
    WRONG = "wrong"
    OVER = "over"  # there is none, or it is too old, or it was guessed at too often


class NoSuchPhone(Exception):
    """Nobody of this id can be paged, or their phone has opted out. The message says what to do."""


def state_of(
    *, stopped: bool, mobile: str, verified: str | None, last: AttemptState | None, reason: str | None
) -> PhoneState:
    """From what is known of it. `verified` is the number that was; `last` and `reason` the last attempt that says anything."""
    if stopped:
        return PhoneState.OPTED_OUT
    if last in (AttemptState.FAILED, AttemptState.UNDELIVERED):
        return PhoneState.UNREACHABLE if reason in NEVER else PhoneState.FAILING
    if verified is None:
        return PhoneState.UNVERIFIED
    return PhoneState.VERIFIED if verified == mobile else PhoneState.CHANGED


_SPOKEN = attempts.c.channel.in_((Channel.SMS, Channel.VOICE))
_SAYS_SOMETHING = (attempts.c.state == AttemptState.DELIVERED) | (
    # A provider that is down, or a channel that is not set up, says nothing of a phone.
    (attempts.c.state == AttemptState.UNDELIVERED) & func.coalesce(attempts.c.reason, "").not_in(("provider-fault",))
    | (attempts.c.state == AttemptState.FAILED) & attempts.c.reason.in_(NEVER | NOT_NOW)
)
_WHEN = func.greatest(attempts.c.delivered_at, attempts.c.settled_at)
_LAST = (
    select(attempts.c.person, attempts.c.state, attempts.c.reason)
    .ext(distinct_on(attempts.c.person))
    .join(responders, responders.c.person == attempts.c.person)
    .where(_SPOKEN & _SAYS_SOMETHING & (responders.c.mobile_since.is_(None) | (responders.c.mobile_since <= _WHEN)))
    .order_by(attempts.c.person, _WHEN.desc(), attempts.c["try"].desc())
    .subquery("last")
)


async def listing(
    connection: AsyncConnection, *, teams: Collection[str] | None = None, people: Collection[str] | None = None
) -> list[Phone]:
    """The phones of these people, of everybody in these teams, or of all; by person."""
    query = (
        select(responders, phones.c.mobile.label("verified"), phones.c.verified_at, phones.c.proven_at)
        .add_columns(_LAST.c.state.label("last"), _LAST.c.reason)
        .outerjoin(phones, phones.c.person == responders.c.person)
        .outerjoin(_LAST, _LAST.c.person == responders.c.person)
        .where(responders.c.person != PROBE_NAME)  # the synthetic child's responder has none
        .order_by(responders.c.person)
    )
    if teams is not None:
        query = query.where(responders.c.teams.overlap(list(teams)))
    if people is not None:
        query = query.where(responders.c.person.in_(people))
    return [
        Phone(
            person=row.person,
            name=row.name,
            teams=tuple(row.teams),
            ends_in=row.mobile[-3:],
            state=state_of(
                stopped=row.stopped_at is not None,
                mobile=row.mobile,
                verified=row.verified,
                last=AttemptState(row.last) if row.last else None,
                reason=row.reason,
            ),
            verified_at=row.verified_at,
            proven_at=row.proven_at,
        )
        for row in await connection.execute(query)
    ]


async def send_code(connection: AsyncConnection, person: str, *, code: str, at: datetime, who: str) -> None:
    """Text this phone a code, in force for half an hour; an earlier one is void. Raises NoSuchPhone."""
    mobile, team = await _reachable(connection, person)
    values = {"code": code, "code_for": mobile, "code_until": at + CODE_LASTS, "tries": 0}
    await _keep(connection, person, **values)
    about = f"code/{person}/{uuid4()}"
    await sending.add(connection, purpose=Purpose.CODE, person=person, at=at, team=team, about=about, note=code)
    await record(connection, What.PHONE_CODE_SENT, who=who, about=f"responder/{person}", at=at)


async def check_code(connection: AsyncConnection, person: str, code: str, *, at: datetime, who: str) -> Checked:
    """Is this the code that was texted? Then the phone is theirs. After five wrong ones it is void."""
    mine = select(phones, responders.c.mobile.label("now")).join(responders).where(phones.c.person == person)
    row = (await connection.execute(mine.with_for_update(of=phones))).first()
    if row is None or row.code is None or row.code_until <= at or row.tries >= TRIES or row.code_for != row.now:
        return Checked.OVER
    if not compare_digest(row.code.encode(), code.strip().encode()):
        await _keep(connection, person, tries=row.tries + 1)
        return Checked.WRONG
    values = {"mobile": row.code_for, "verified_at": at, "proven_at": at, "code": None, "code_until": None}
    await _keep(connection, person, **values)
    await record(connection, What.PHONE_VERIFIED, who=who, about=f"responder/{person}", at=at)
    return Checked.VERIFIED


async def waits_for_code(connection: AsyncConnection, person: str, *, at: datetime) -> bool:
    """Was a code texted to this person that is still in force?"""
    waiting = (phones.c.person == person) & phones.c.code.is_not(None) & (phones.c.code_until > at)
    return (await connection.execute(select(phones.c.person).where(waiting))).first() is not None


async def send_test(
    connection: AsyncConnection,
    person: str,
    *,
    at: datetime,
    who: str,
    channels: Collection[Channel] = (Channel.SMS, Channel.VOICE),
) -> None:
    """Text and call this phone, now. Raises NoSuchPhone."""
    _, team = await _reachable(connection, person)
    about = f"test/{person}/{uuid4()}"
    for channel in channels:
        await sending.add(
            connection, purpose=Purpose.TEST, person=person, at=at, team=team, about=about, channel=channel
        )
    await _keep(connection, person, tested_at=at)
    await record(connection, What.PHONE_TESTED, who=who, about=f"responder/{person}", at=at)


async def heard(connection: AsyncConnection, person: str, *, at: datetime) -> None:
    """A reply has come from this person's phone: it works, in both directions."""
    await _keep(connection, person, proven_at=at)


async def was_tested(connection: AsyncConnection, person: str, *, since: datetime) -> bool:
    """Was a test sent to this person's phone, and no page since, so that their words may be the answer to it?"""
    paged = exists().where(
        (attempts.c.person == person) & (attempts.c.purpose == Purpose.PAGE) & (attempts.c.due_at > phones.c.tested_at)
    )
    tested = (phones.c.person == person) & (phones.c.tested_at > since) & ~paged
    return (await connection.execute(select(phones.c.person).where(tested))).first() is not None


async def forget_codes(connection: AsyncConnection, *, at: datetime) -> None:
    """Codes that are over are not kept, here and in what was to be sent."""
    over = phones.c.code_until <= at
    await connection.execute(update(phones).where(over).values(code=None, code_for=None, code_until=None))
    old = (attempts.c.purpose == Purpose.CODE) & attempts.c.note.is_not(None) & (attempts.c.due_at <= at - CODE_LASTS)
    await connection.execute(update(attempts).where(old).values(note=None))


async def _reachable(connection: AsyncConnection, person: str) -> tuple[str, str]:
    row = (await connection.execute(select(responders).where(responders.c.person == person))).first()
    if row is None:
        raise NoSuchPhone(f"There is no responder {person}: import them with 'nightlight responders import' first.")
    if row.stopped_at is not None:
        raise NoSuchPhone(f"{person}'s phone has opted out (STOP): ask them to text START to our number first.")
    return row.mobile, next(iter(row.teams), "")


async def _keep(connection: AsyncConnection, person: str, **values: object) -> None:
    statement = insert(phones).values(person=person, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["person"], set_=values))
