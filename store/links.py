"""The link in a text: 128 random bits, bound to one page and one person, good once and for a quarter of an hour (R28)."""

import base64
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.pages import links

BITS = 128
LIFE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Link:
    """What a token opens. Looking at it changes nothing; only `use` does."""

    page: UUID
    person: str
    made_at: datetime
    opened_at: datetime | None
    used_at: datetime | None

    def usable(self, at: datetime) -> bool:
        """Not used, and not too old."""
        return self.used_at is None and at < self.made_at + LIFE


async def make(
    connection: AsyncConnection,
    page: UUID,
    person: str,
    *,
    at: datetime,
    random: Callable[[int], bytes] = os.urandom,
) -> str:
    """A new token and its row. Only its digest is kept: the token is nowhere but in the text."""
    token = draw(random)
    await connection.execute(insert(links).values(digest=digest(token), page=page, person=person, made_at=at))
    return token


def draw(random: Callable[[int], bytes] = os.urandom) -> str:
    """A token that nobody can guess: 22 letters for an address."""
    return base64.urlsafe_b64encode(random(BITS // 8)).rstrip(b"=").decode()


def digest(token: str) -> bytes:
    """What is kept of a token (SHA-256)."""
    return hashlib.sha256(token.encode()).digest()


async def find(connection: AsyncConnection, token: str) -> Link | None:
    """The link, used and old ones too; None if there never was one."""
    row = (await connection.execute(select(*_COLUMNS).where(links.c.digest == digest(token)))).first()
    return Link(*row) if row else None


async def mark_opened(connection: AsyncConnection, token: str, *, at: datetime) -> None:
    """Somebody or something has looked at it: evidence, not consent, because clients open links by themselves."""
    first = (links.c.digest == digest(token)) & links.c.opened_at.is_(None)
    await connection.execute(update(links).where(first).values(opened_at=at))


async def use(connection: AsyncConnection, token: str, *, at: datetime) -> Link | None:
    """Use it up. None if it was used before, is too old, or never was: one UPDATE decides between two devices."""
    good = (links.c.digest == digest(token)) & links.c.used_at.is_(None) & (links.c.made_at > at - LIFE)
    row = (await connection.execute(update(links).where(good).values(used_at=at).returning(*_COLUMNS))).first()
    return Link(*row) if row else None


_COLUMNS = (links.c.page, links.c.person, links.c.made_at, links.c.opened_at, links.c.used_at)
