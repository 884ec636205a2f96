"""Sessions of the desk: who is signed in, until when, and why they look at what they look at."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, ForeignKey, LargeBinary, Table, Text, Uuid, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from store.audit import What, record
from store.columns import Instant
from store.database import TABLES
from store.people import responders

sessions = Table(
    "sessions",
    TABLES,
    Column("digest", LargeBinary, primary_key=True),
    Column("person", Text, ForeignKey("accounts.person", ondelete="CASCADE"), nullable=False, index=True),
    Column("made_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
)

# Why somebody is looking, asked once for each page in each session; every single look is a line of the audit chain.
reasons = Table(
    "reasons",
    TABLES,
    Column("session", LargeBinary, ForeignKey("sessions.digest", ondelete="CASCADE"), primary_key=True),
    Column("page", Uuid, ForeignKey("pages.page", ondelete="CASCADE"), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("given_at", Instant, nullable=False),
)

SHIFT = timedelta(hours=12)
"""How long a session lasts, used or not (docs/decisions/0005-sessions.md)."""

MARK = 12


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in, and the teams they belong to at this moment."""

    digest: bytes
    person: str
    name: str
    teams: tuple[str, ...]
    ends_at: datetime
    form_token: str = field(repr=False)

    @property
    def mark(self) -> str:
        """Names the session in the audit chain; nobody can sign in with it."""
        return self.digest.hex()[:MARK]


async def begin(connection: AsyncConnection, person: str, *, at: datetime) -> str:
    """A new session of somebody who has just proved who they are. Returns its cookie: only a digest of it is kept."""
    cookie = secrets.token_urlsafe(32)
    await connection.execute(delete(sessions).where(sessions.c.ends_at <= at))
    made = {"digest": _digest(cookie), "person": person, "made_at": at, "ends_at": at + SHIFT}
    await connection.execute(insert(sessions).values(made))
    mark = _digest(cookie).hex()[:MARK]
    await record(connection, What.SIGNED_IN, who=person, about=f"responder/{person}", at=at, detail={"session": mark})
    return cookie


async def find(connection: AsyncConnection, cookie: str, *, at: datetime) -> Session | None:
    """Who this cookie is, if its session has not ended. Teams are read each time: a leaver is out at once."""
    alive = (sessions.c.digest == _digest(cookie)) & (sessions.c.ends_at > at)
    chosen = select(sessions, responders.c.name, responders.c.teams).join(
        responders, responders.c.person == sessions.c.person
    )
    row = (await connection.execute(chosen.where(alive))).first()
    if row is None:
        return None
    return Session(bytes(row.digest), row.person, row.name, tuple(row.teams), row.ends_at, form_token(cookie))


async def sign_out(connection: AsyncConnection, leaving: Session, *, at: datetime) -> None:
    await connection.execute(delete(sessions).where(sessions.c.digest == leaving.digest))
    await record(
        connection,
        What.SIGNED_OUT,
        who=leaving.person,
        about=f"responder/{leaving.person}",
        at=at,
        detail={"session": leaving.mark},
    )


async def give_reason(connection: AsyncConnection, looking: Session, page: UUID, reason: str, *, at: datetime) -> None:
    """Keep why this session looks at this page. The look itself is recorded with `record_view`."""
    given = upsert(reasons).values(session=looking.digest, page=page, reason=reason, given_at=at)
    await connection.execute(
        given.on_conflict_do_update(index_elements=["session", "page"], set_={"reason": reason, "given_at": at})
    )


async def reason_for(connection: AsyncConnection, looking: Session, page: UUID) -> str | None:
    mine = (reasons.c.session == looking.digest) & (reasons.c.page == page)
    reason: str | None = await connection.scalar(select(reasons.c.reason).where(mine))
    return reason


async def record_view(
    connection: AsyncConnection, looking: Session, page: UUID, reason: str, what: list[str], *, at: datetime
) -> None:
    """One line for one look: who, when, why and what (DPA 2018 section 62). Committed before anything is shown."""
    detail = {"reason": reason, "showed": what, "session": looking.mark}
    await record(connection, What.CHILD_VIEWED, who=looking.person, about=f"page/{page}", at=at, detail=detail)


def form_token(cookie: str) -> str:
    """What every form of a signed-in page carries: made from the cookie, which another site cannot read."""
    return hmac.new(cookie.encode(), b"form", hashlib.sha256).hexdigest()


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
