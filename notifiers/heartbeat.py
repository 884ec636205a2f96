"""The outside dead-man's switch: told that all is well, and nothing else. Its silence is the alarm, so it is never told when it is not."""

import httpx2

from schemas.logs import logger

ANSWERS_WITHIN = 5.0
"""Seconds."""


async def ping(url: str) -> bool:
    """One GET. Whether it was taken; whatever goes wrong is logged without the address, which is a secret, and is no finding:
    whoever waits for the ping hears that it did not come."""
    try:
        async with httpx2.AsyncClient(timeout=ANSWERS_WITHIN, follow_redirects=False) as client:
            answer = await client.get(url)
    except (httpx2.HTTPError, httpx2.InvalidURL) as problem:
        logger().warning("heartbeat-not-taken", error=type(problem).__name__)
        return False
    if not answer.is_success:
        logger().warning("heartbeat-not-taken", status=answer.status_code)
    return bool(answer.is_success)
