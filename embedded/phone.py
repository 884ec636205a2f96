"""The phone on the screen: a stand-in for Twilio over HTTP, for the demo and for the tests.

The pager talks to it as it would to Twilio, and cannot tell the difference; nobody real can be reached through it.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import uvicorn

from embedded.behaviour import Mode
from embedded.mail import smtp_serving
from embedded.network import SENDER, Phone, Text, UnexpectedTextError
from embedded.phone_api import build
from embedded.server import HOST, EmbeddedError
from schemas.settings import Settings

__all__ = [
    "ACCOUNT",
    "SENDER",
    "TOKEN",
    "Mode",
    "Phone",
    "Text",
    "UnexpectedTextError",
    "build",
    "phone_serving",
    "run",
]

ACCOUNT = "AC00000000000000000000000000000000"
TOKEN = "made-up-token"  # noqa: S105 - of nobody's account
READY_WITHIN = 10


@contextlib.contextmanager
def phone_serving(
    *, port: int = 0, account: str = ACCOUNT, token: str = TOKEN, desk: str = "http://127.0.0.1:9", sender: str = SENDER
) -> Iterator[Phone]:
    """Serve on 127.0.0.1 from a thread, while the body runs; `phone.url` says where.

    `desk` is where replies go, and may be set later on the phone; receipts go to the address in each text. Raises
    EmbeddedError if the port is taken.
    """
    listener = _listen(port)
    phone = Phone(account, token, desk.rstrip("/"), sender, url=f"http://{HOST}:{listener.getsockname()[1]}")
    config = uvicorn.Config(build(phone), log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="phone", daemon=True)
    thread.start()
    mails = contextlib.ExitStack()
    try:
        mails.enter_context(smtp_serving(phone))
        deadline = time.monotonic() + READY_WITHIN
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise EmbeddedError(f"The phone could not start at {phone.url}: its log says why.")
            time.sleep(0.01)
        yield phone
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        listener.close()
        mails.close()


def _listen(port: int) -> socket.socket:
    """Held from here on: between asking for a free port and taking it, somebody else may have it."""
    try:
        return socket.create_server((HOST, port))
    except OSError as problem:
        raise EmbeddedError(
            f"The phone cannot have port {port} on {HOST}, something else is using it: stop that, or choose another."
        ) from problem


async def run(settings: Settings) -> None:
    """The process: serves at `listen` until it is stopped, with the account, token and number of the settings, or made-up ones."""
    token, callback = settings.twilio_auth_token, settings.notify_callback_token
    phone = Phone(
        settings.twilio_account_sid or ACCOUNT,
        token.get_secret_value() if token else TOKEN,
        settings.public_url or f"http://{HOST}:8080",
        settings.twilio_from or SENDER,
        url=f"http://{settings.listen}",
        notify_token=callback.get_secret_value() if callback else None,
    )
    config = uvicorn.Config(
        build(phone),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    with mail_server(settings, phone):
        await uvicorn.Server(config).serve()


@contextlib.contextmanager
def mail_server(settings: Settings, phone: Phone) -> Iterator[None]:
    """Serve SMTP where the settings look for it, if that is on this machine, while the body runs."""
    parts = urlsplit(settings.smtp_url.get_secret_value() if settings.smtp_url else "")
    if parts.hostname != HOST or not parts.port or parts.scheme != "smtp":
        yield
        return
    try:
        with smtp_serving(phone, port=parts.port):
            yield
    except OSError as problem:
        raise EmbeddedError(
            f"The phone cannot have port {parts.port} on {HOST} for mails: stop what uses it, or name another in NIGHTLIGHT_SMTP_URL."
        ) from problem
