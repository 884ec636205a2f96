"""Which authorities our own requests trust: this machine's. They are read once: each time takes 30 ms, in which a loop stands still."""

import ssl
from functools import cache

import httpx2


@cache
def authorities() -> ssl.SSLContext:
    """For the `verify` of every client of this process that takes nothing from the environment."""
    return httpx2.create_ssl_context(trust_env=False)
