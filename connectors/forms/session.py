"""Who fills in the forms: an agency's key typed once, and then a sealed cookie that knows no key and ends by itself."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request, Response

from connectors.door import Door
from connectors.problems import Reason, Refused
from schemas.sealing import SealBroken
from schemas.settings import Mode
from store.agencies import PREFIX
from store.rights import Agency

IDLE: Final = timedelta(hours=1)
LONGEST: Final = timedelta(hours=12)
"""A shift: after that the key is asked for again, whoever is at the desk then."""

_PLACE: Final = "form/session"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody of this agency. `cookie` is as the browser holds it, and `prefix` the start of the key that they came with."""

    agency: Agency
    prefix: str
    since: datetime
    cookie: str


@dataclass(frozen=True)
class Sessions:
    """Makes and reads the cookies. Nothing is kept here: a key that was revoked or has ended ends its sessions too."""

    door: Door

    def begin(self, agency: Agency, key: str) -> Session:
        return self._made(agency, key[:PREFIX], self.door.clock())

    def again(self, session: Session) -> Session:
        """The same, for another hour."""
        return self._made(session.agency, session.prefix, session.since)

    def find(self, request: Request) -> Session | None:
        """Who is asking; None if nobody is signed in, or no longer."""
        cookie = request.cookies.get(self.name(request), "")
        now = self.door.clock()
        try:
            opened = self.door.sealer.open(base64.urlsafe_b64decode(cookie.encode()), place=_PLACE)
            held = json.loads(opened)
            since, ends = (datetime.fromisoformat(held[name]) for name in ("since", "ends"))
        except (SealBroken, ValueError, KeyError, TypeError, binascii.Error):
            return None
        agency = self.door.doorkeeper.holder(held["prefix"])
        if agency is None or now >= min(ends, since + LONGEST):
            return None
        return Session(agency, held["prefix"], since, cookie)

    def name(self, request: Request) -> str:
        """`__Host-` makes the browser hold it to this host and to https; plain http is for a rehearsal on one machine."""
        return "__Host-nightlight-form" if self._secure(request) else "nightlight-form"

    def put(self, request: Request, answer: Response, session: Session) -> None:
        name, secure = self.name(request), self._secure(request)
        answer.set_cookie(name, session.cookie, secure=secure, httponly=True, samesite="strict")

    def end(self, request: Request, answer: Response) -> None:
        answer.delete_cookie(self.name(request), secure=self._secure(request), httponly=True, samesite="strict")
        answer.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'

    def token(self, session: Session) -> str:
        """What every form of this key's carries: another site cannot know it, and one opened before the last sign-in is good."""
        return self.door.sealer.mark("form/token", session.prefix)[:32]

    def check_token(self, session: Session, given: str) -> None:
        """Raises Refused: the form is another site's, or another session's."""
        if not compare_digest(given.encode(), self.token(session).encode()):
            raise Refused(Reason.NOT_YOURS, "That form has grown old. Open it again, and try once more.")

    def _made(self, agency: Agency, prefix: str, since: datetime) -> Session:
        ends = min(self.door.clock() + IDLE, since + LONGEST)
        held = {"prefix": prefix, "since": since.isoformat(), "ends": ends.isoformat()}
        sealed = self.door.sealer.seal(json.dumps(held).encode(), place=_PLACE)
        return Session(agency, prefix, since, base64.urlsafe_b64encode(sealed).decode())

    def _secure(self, request: Request) -> bool:
        forwarded = request.headers.get("x-forwarded-proto", "")
        return self.door.mode is Mode.LIVE or "https" in (request.url.scheme, forwarded)


def check_origin(request: Request) -> None:
    """Raises Refused for a form that is not on a page of ours. A browser says so in Sec-Fetch-Site, an older one in Origin."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin", "null")
    elsewhere = origin != "null" and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
    if elsewhere if site is None else site not in ("same-origin", "none"):
        raise Refused(Reason.NOT_YOURS, "That form is on another site. Open it here, and try again.")
