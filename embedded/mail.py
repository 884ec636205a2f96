"""A made-up mail server over SMTP (RFC 5321), with or without TLS: every mail it takes stays here."""

import base64
import contextlib
import email
import email.policy
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import TYPE_CHECKING

from embedded.server import HOST

if TYPE_CHECKING:
    from embedded.network import Phone

SMTP = "smtp"

REFUSALS = {
    # How the network treats an address: what the server answers to it.
    "invalid": "550 5.1.1 mailbox unavailable",
    "429": "450 4.2.1 mailbox temporarily blocked",
    "opted-out": "554 5.7.1 transaction failed",
}


@dataclass(frozen=True)
class Mail:
    """A mail that was taken."""

    to: str
    sender: str
    data: bytes
    at: datetime
    encrypted: bool
    user: str | None = None

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.data, policy=email.policy.default)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        said: str = self.message.get_content()
        return said.strip()


@dataclass(frozen=True)
class Server:
    """How it speaks: encrypted from the beginning, after STARTTLS, or not at all; for one user, or for everybody."""

    context: ssl.SSLContext | None = None
    implicit: bool = False
    user: tuple[str, str] | None = None


@contextlib.contextmanager
def smtp_serving(phone: "Phone", *, port: int = 0, server: Server | None = None) -> Iterator[int]:
    """Serve on 127.0.0.1 from threads while the body runs; the port, which `phone.smtp_port` says too."""
    how = server or Server()

    class Talk(_Talk):
        network = phone
        speaks = how

    with _Threads((HOST, port), Talk) as listening:
        phone.smtp_port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield phone.smtp_port
        finally:
            listening.shutdown()
            thread.join(timeout=5)


class _Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is no news."""


class _Talk(socketserver.StreamRequestHandler):
    """One connection: the commands of RFC 5321, in the order in which a client may give them."""

    network: "Phone"
    speaks: Server
    timeout = 30

    def setup(self) -> None:
        if self.speaks.implicit and self.speaks.context:
            self.request = self.speaks.context.wrap_socket(self.request, server_side=True)
        super().setup()
        self.encrypted = self.speaks.implicit
        self.sender = self.to = ""
        self.known: str | None = None

    def handle(self) -> None:
        self.say("220 made-up ESMTP")
        while line := self.rfile.readline(1000):
            verb, _, rest = line.decode("ascii", "replace").strip().partition(" ")
            command = getattr(self, f"do_{verb.casefold()}", None)
            if command is None:
                self.say("500 5.5.2 command unrecognized")
            elif command(rest) is False:
                return

    def say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())

    def do_ehlo(self, _: str) -> None:
        offers = ["made-up", "8BITMIME"]
        if self.speaks.context and not self.encrypted:
            offers.append("STARTTLS")
        if self.speaks.user:
            offers.append("AUTH PLAIN")
        for offer in offers[:-1]:
            self.say(f"250-{offer}")
        self.say(f"250 {offers[-1]}")

    def do_starttls(self, _: str) -> None:
        if not self.speaks.context:
            self.say("454 4.7.0 TLS not available")
            return
        self.say("220 2.0.0 ready")
        self.request = self.connection = self.speaks.context.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)
        self.encrypted = True

    def do_auth(self, rest: str) -> None:
        given = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")[1:]
        if tuple(given) != self.speaks.user:
            self.say("535 5.7.8 authentication credentials invalid")
            return
        self.known = given[0]
        self.say("235 2.7.0 authentication succeeded")

    def do_mail(self, rest: str) -> None:
        if self.speaks.user and self.known is None:
            self.say("530 5.7.0 authentication required")
            return
        self.sender = rest.partition("<")[2].partition(">")[0]
        self.say("250 2.1.0 OK")

    def do_rcpt(self, rest: str) -> None:
        self.to = rest.partition("<")[2].partition(">")[0]
        self.say(REFUSALS.get(self.network.behaviour(self.to, SMTP).mode.value, "250 2.1.5 OK"))

    def do_data(self, _: str) -> bool:
        behaviour = self.network.behaviour(self.to, SMTP)
        self.say("354 go ahead")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.network.requests += 1
        if behaviour.mode.value == "500":
            self.say("451 4.3.0 local error in processing")
            return True
        data = b"".join(lines)
        self.network.mails.append(Mail(self.to, self.sender, data, datetime.now(UTC), self.encrypted, self.known))
        if behaviour.mode.value == "slow":
            time.sleep(behaviour.seconds)
        if behaviour.mode.value.startswith("lost"):
            return False
        self.say("250 2.0.0 OK")
        return True

    def do_noop(self, _: str) -> None:
        self.say("250 2.0.0 OK")

    do_rset = do_noop

    def do_quit(self, _: str) -> bool:
        self.say("221 2.0.0 goodbye")
        return False
