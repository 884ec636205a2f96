"""How requests reach providers: one client each, with an end to every request, and Twilio's SDK on top of it.

The SDK's own asynchronous client takes a `timeout` and then does not use it: in 9.13.0 every request goes out with none
(`AsyncTwilioHttpClient.request` hands on its own argument, which the API classes never give). It also logs the query of
each request, and a look-up's query is a phone number. This one has a limit for the whole request, and no log.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import httpx2
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from notifiers.channel import DeliveryError, Reason
from schemas.authorities import authorities
from schemas.settings import Settings

KEPT = httpx2.Limits(max_keepalive_connections=20, keepalive_expiry=25)
"""Connections are used again for 25 s, so that the texts of one moment need one handshake. Not longer: one that the provider
closes in the instant in which we send leaves it open whether the text goes out."""

LONGEST_ANSWER = 512 * 1024
"""Bytes of an answer that are read; a provider's longest, a list of twenty messages, has some thirty thousand."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whatever status it has; `headers` by their names in small letters."""

    status: int
    text: str
    headers: dict[str, str]


class Line:
    """The way to one provider: no redirects, no proxies from the environment, and an end to every request."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._http = httpx2.AsyncClient(
            verify=authorities(), timeout=seconds, limits=KEPT, follow_redirects=False, trust_env=False
        )

    async def ask(self, method: str, url: str, *, seconds: float | None = None, **given: Any) -> Answer:
        """One request and its whole answer, within `seconds`.

        Raises DeliveryError where no usable answer comes: certain if no connection was made, not certain after that.
        """
        try:
            async with asyncio.timeout(seconds or self._seconds), self._http.stream(method, url, **given) as answer:
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > LONGEST_ANSWER:
                        raise DeliveryError(Reason.PROVIDER_FAULT, permanent=False, certain=False)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as problem:
            raise DeliveryError(Reason.NOT_CONNECTED, permanent=False) from problem
        except (httpx2.HTTPError, TimeoutError) as problem:
            raise DeliveryError(Reason.NO_ANSWER, permanent=False, certain=False) from problem
        return Answer(answer.status_code, body.decode("utf-8", "replace"), dict(answer.headers))

    async def close(self) -> None:
        await self._http.aclose()


class Transport(AsyncHttpClient):  # type: ignore[misc]  # the SDK ships no types
    """Twilio's SDK over a `Line`, and raising as it does."""

    def __init__(self, seconds: float) -> None:
        super().__init__(logging.getLogger(__name__), True, seconds)
        self._line = Line(seconds)

    async def request(
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the SDK's signature
        allow_redirects: bool = False,  # noqa: ARG002 - never
    ) -> Response:
        """One request and its answer, whatever its status; `timeout` in seconds."""
        answer = await self._line.ask(
            method, uri, seconds=timeout, params=params, data=data, headers=headers, auth=auth
        )
        return Response(answer.status, answer.text, answer.headers)

    async def close(self) -> None:
        await self._line.close()


def twilio(settings: Settings, transport: Transport) -> Client:
    """Twilio's SDK for the account of the settings. Raises BadSettings if the account or the token is not set."""
    client = Client(
        settings.need("twilio_account_sid"),
        settings.need("twilio_auth_token"),
        http_client=transport,
        environment={"": ""},  # not the process's: TWILIO_EDGE and TWILIO_REGION would change the address
    )
    client.api.base_url = settings.twilio_api
    return client
