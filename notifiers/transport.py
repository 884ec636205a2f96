"""How Twilio's SDK reaches the network.

The SDK's own asynchronous client takes a `timeout` and then does not use it: in 9.13.0 every request goes out with none
(`AsyncTwilioHttpClient.request` hands on its own argument, which the API classes never give). It also logs the query of
each request, and a look-up's query is a phone number. This one has a limit for the whole request, and no log.
"""

import asyncio
import logging

import httpx2
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from notifiers.channel import DeliveryError, Reason

KEPT = httpx2.Limits(max_keepalive_connections=20, keepalive_expiry=25)
"""Connections are used again for 25 s, so that the texts of one moment need one handshake. Not longer: one that the provider
closes in the instant in which we send leaves it open whether the text goes out."""


class Transport(AsyncHttpClient):  # type: ignore[misc]  # the SDK ships no types
    """Twilio's SDK over httpx2: no redirects, no proxies from the environment, and an end to every request.

    Raises DeliveryError where no usable answer comes: certain if no connection was made, not certain after that.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(logging.getLogger(__name__), True, seconds)
        self._seconds = seconds
        self._http = httpx2.AsyncClient(timeout=seconds, limits=KEPT, follow_redirects=False, trust_env=False)

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
        try:
            async with asyncio.timeout(timeout or self._seconds):
                answer = await self._http.request(
                    method,
                    uri,
                    params=params,  # type: ignore[arg-type]  # plain values, as the SDK gives them
                    data=data,
                    headers=headers,
                    auth=auth,
                )
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as problem:
            raise DeliveryError(Reason.NOT_CONNECTED, permanent=False) from problem
        except (httpx2.HTTPError, TimeoutError) as problem:
            raise DeliveryError(Reason.NO_ANSWER, permanent=False, certain=False) from problem
        return Response(answer.status_code, answer.text, answer.headers)

    async def close(self) -> None:
        await self._http.aclose()
