"""One client for all that tests ask of processes beside them: to make one is 30 ms of processor, and some ask ten times a second."""

import httpx2

from schemas.authorities import authorities

# No connection is kept: the process at its other end may be killed, and begun again, between two requests.
WEB = httpx2.Client(verify=authorities(), limits=httpx2.Limits(max_keepalive_connections=0), trust_env=False)
