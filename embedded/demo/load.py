"""The made-up house: children, people on call, rota, policies and feeds, through the same doors as an operator's files."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime

import pyotp
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from embedded.demo.cast import file, not_watched, watched
from embedded.demo.scenes import FEEDS
from schemas.london import today
from schemas.settings import Mode
from schemas.wire import Sealer
from store import accounts, agencies, policies, responders, roster, rotas
from store.children import apply_import, children

WHO = "demo"
MANAGER = "cy"
"""Who the newcomer is at the duty desk: the one who belongs to both teams."""


class NotOurs(Exception):
    """The database holds children that are not the demo's: nothing was written."""


@dataclass(frozen=True)
class SignIn:
    """How a newcomer signs in to the duty desk. Shown on the demo's screen, because the demo has just made it up."""

    person: str
    password: str = field(repr=False)
    secret: str = field(repr=False)

    def code(self, at: datetime) -> tuple[str, int]:
        """What an authenticator would show now, and for how many seconds more."""
        totp = pyotp.TOTP(self.secret)
        return totp.at(at), totp.interval - int(at.timestamp()) % totp.interval


@dataclass(frozen=True)
class House:
    """What was made: each feed's key, and the sign-in."""

    keys: dict[str, str] = field(repr=False)
    sign_in: SignIn


async def load(connection: AsyncConnection, sealer: Sealer, *, at: datetime) -> House:
    """Everything the demo needs, in the caller's transaction; what is there already is left or made anew.

    Raises NotOurs.
    """
    day = today(at)
    here = set(await connection.scalars(select(children.c.child)))
    if here - {child.id for child in watched()}:
        raise NotOurs("This database holds children that are not the demo's: give the demo a database of its own.")
    entries = responders.read(file("responders", today=day), mode=Mode.REHEARSAL)
    await responders.apply(connection, entries, at=at, who=WHO)
    await rotas.apply(connection, rotas.read(file("rota", today=day)), at=at, who=WHO)
    await policies.apply(connection, policies.read(file("policies", today=day)), at=at, who=WHO)
    if not here:
        changes = roster.read(file("children", today=day), mode=Mode.REHEARSAL, today=day)
        await apply_import(connection, sealer, changes, at=at, who=WHO)
    return House(await _keys(connection, at), await _sign_in(connection, sealer, at))


async def _keys(connection: AsyncConnection, at: datetime) -> dict[str, str]:
    places = sorted({child.authority for child in (*watched(), *not_watched())})
    known = set(await connection.scalars(select(agencies.agencies.c.agency)))
    return {
        feed: await agencies.rotate(connection, feed, at=at, who=WHO, now=True)
        if feed in known
        else await agencies.add(connection, feed, types=types, authorities=places, at=at, who=WHO)
        for feed, types in FEEDS.items()
    }


async def _sign_in(connection: AsyncConnection, sealer: Sealer, at: datetime) -> SignIn:
    password = secrets.token_hex(4)
    address = await accounts.make(connection, sealer, MANAGER, password, at=at)
    return SignIn(MANAGER, password, pyotp.parse_uri(address).secret)
