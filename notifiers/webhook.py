"""Messages to a team's chat: one POST of `{"text": …}`, which Slack, Teams and most others take, and what they answer.

Everybody in the chat reads it, so it has no link that accepts for one person: who takes it signs in, or has a text as well.

The address is the operator's own setting, and is treated as if it were not: https only, no redirects, never to an address
of our own network, and the name is looked up once, so that what was checked is what is asked.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from notifiers.channel import Accepted, DeliveryError, Reason
from notifiers.transport import Line
from schemas.base import Clock, utc_now
from schemas.pages import Channel
from schemas.settings import Mode, Settings
from schemas.standins import is_stand_in

SEND_SECONDS = 5
SIGNATURE = "X-Nightlight-Signature"
ANY_TEAM = "*"

STATUSES: dict[int, tuple[Reason, bool]] = {
    # status: (our reason, would the same request fail the same way?), beside Slack's own words for it
    400: (Reason.REFUSED, True),  # "invalid_payload", "user_not_found"
    401: (Reason.NOT_ALLOWED, True),
    403: (Reason.NOT_ALLOWED, True),  # "action_prohibited", "invalid_token"
    404: (Reason.NOT_ALLOWED, True),  # "channel_not_found", "no_service": the address has been taken back
    410: (Reason.NOT_ALLOWED, True),  # "channel_is_archived"
    429: (Reason.TOO_MANY, False),  # "rate_limited"
    500: (Reason.PROVIDER_FAULT, False),  # "rollup_error"
}


class Webhook:
    """A `Notifier`: one request for each message. What it takes is at once in the chat: there is no later receipt."""

    channel = Channel.WEBHOOK
    provider = "chat"

    def __init__(self, settings: Settings, clock: Clock = utc_now) -> None:
        """Raises BadSettings if no address is set."""
        settings.need("webhook_urls")
        self._mode = settings.mode
        self._urls: Mapping[str, str] = settings.webhooks
        self._secret = settings.webhook_secret
        self._clock = clock
        self._line = Line(SEND_SECONDS)

    async def send(self, to: str, text: str, *, attempt: UUID, valid_seconds: float) -> Accepted:  # noqa: ARG002
        """`to` is the team. Raises DeliveryError."""
        url = self._urls.get(" ".join(to.split())) or self._urls.get(ANY_TEAM)
        if url is None:
            raise DeliveryError(Reason.CHANNEL_NOT_SET_UP, permanent=True)
        parts = urlsplit(url)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                address = await self._resolve(parts)
        except TimeoutError as problem:
            raise DeliveryError(Reason.NOT_CONNECTED, permanent=False) from problem
        body = json.dumps({"text": text}).encode()
        answer = await self._line.ask(
            "POST",
            parts._replace(netloc=_at(address, parts)).geturl(),
            content=body,
            headers={"Host": parts.netloc, "Content-Type": "application/json", **self._signed(body, attempt)},
            extensions={"sni_hostname": parts.hostname},
        )
        if 200 <= answer.status < 300:
            return Accepted(str(attempt), "delivered")
        raise read_refusal(answer.status)

    async def look_up(
        self,
        to: str,  # noqa: ARG002
        *,
        attempt: UUID,  # noqa: ARG002
        containing: str,  # noqa: ARG002
        since: datetime,  # noqa: ARG002
        known: frozenset[str],  # noqa: ARG002
    ) -> Accepted | None:
        """None: a chat's webhook only takes."""
        return None

    async def close(self) -> None:
        await self._line.close()

    async def _resolve(self, parts: SplitResult) -> str:
        """Where that is, as an IP address. Raises DeliveryError for one that must not be asked."""
        host = parts.hostname or ""
        if self._mode is Mode.REHEARSAL and not is_stand_in(host):
            raise DeliveryError(Reason.NOT_A_REHEARSAL_NUMBER, permanent=True)
        if self._mode is Mode.LIVE and parts.scheme != "https":
            raise DeliveryError(Reason.NOT_ALLOWED, permanent=True)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, parts.port or 443, type=socket.SOCK_STREAM)
        except OSError as problem:
            raise DeliveryError(Reason.NOT_CONNECTED, permanent=False) from problem
        addresses = [str(place[4][0]) for place in found]
        if self._mode is Mode.LIVE and not all(is_public(address) for address in addresses):
            raise DeliveryError(Reason.NOT_ALLOWED, permanent=True)
        return addresses[0]

    def _signed(self, body: bytes, attempt: UUID) -> dict[str, str]:
        at = int(self._clock().timestamp())
        said = {"X-Nightlight-Attempt": str(attempt), "X-Nightlight-Timestamp": str(at)}
        if self._secret is None:
            return said
        return {**said, SIGNATURE: sign(body, at, self._secret.get_secret_value())}


def sign(body: bytes, at: int, secret: str) -> str:
    """`v1=` and the HMAC-SHA256, in hex, of the time in seconds since 1970, a dot, and the body."""
    return "v1=" + hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def is_public(address: str) -> bool:
    """An address of the internet: not this machine, not our network, not where a cloud keeps its keys (169.254.169.254)."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    return ip.is_global and not ip.is_multicast and (mapped is None or mapped.is_global)


def _at(address: str, parts: SplitResult) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{parts.port}" if parts.port else host


def read_refusal(status: int) -> DeliveryError:
    """What an answer of 300 or more says. After a 5xx it is open whether the message is there."""
    fault = status >= 500
    unlisted = (Reason.PROVIDER_FAULT, False) if fault else (Reason.REFUSED, True)
    reason, permanent = STATUSES.get(status, unlisted)
    return DeliveryError(reason, permanent=permanent, certain=not fault, code=str(status))
