"""Mails over SMTP, the last resort, and the table of what a mail server's codes mean to us.

A server that takes a mail says nothing of when anybody reads it: a mail is sent, and never delivered.
"""

import asyncio
import contextlib
import ipaddress
import smtplib
import ssl
import threading
import time
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit
from uuid import UUID

from notifiers.channel import Accepted, DeliveryError, Reason
from schemas.base import Clock, utc_now
from schemas.pages import Channel
from schemas.settings import Mode, Settings
from schemas.standins import is_made_up, is_stand_in

SEND_SECONDS = 5
IMPLICIT_TLS, SUBMISSION = 465, 587
"""The ports of `smtps://` and `smtp://` where the address names none (RFC 8314)."""

CODES: dict[int, tuple[Reason, bool]] = {
    # code: (our reason, would the same mail fail the same way?), beside the words of RFC 5321 and RFC 4954
    421: (Reason.PROVIDER_FAULT, False),  # "Service not available, closing transmission channel"
    450: (
        Reason.TOO_MANY,
        False,
    ),  # "mailbox unavailable (e.g., mailbox busy or temporarily blocked for policy reasons)"
    451: (Reason.PROVIDER_FAULT, False),  # "local error in processing"
    452: (Reason.PROVIDER_FAULT, False),  # "insufficient system storage"
    454: (Reason.PROVIDER_FAULT, False),  # "Temporary authentication failure", and of STARTTLS
    530: (Reason.NOT_ALLOWED, True),  # "Authentication required", and "Must issue a STARTTLS command first"
    534: (Reason.NOT_ALLOWED, True),  # "Authentication mechanism is too weak"
    535: (Reason.NOT_ALLOWED, True),  # "Authentication credentials invalid"
    550: (Reason.ADDRESS_NOT_VALID, True),  # "mailbox unavailable (e.g., mailbox not found, no access)"
    551: (Reason.ADDRESS_NOT_VALID, True),  # "User not local"
    552: (Reason.REFUSED, False),  # "exceeded storage allocation"
    553: (Reason.ADDRESS_NOT_VALID, True),  # "mailbox name not allowed"
    554: (Reason.BLOCKED, True),  # "Transaction failed"
}


class Email:
    """A `Notifier`: one mail over one connection, which is closed again."""

    channel = Channel.EMAIL
    provider = "smtp"

    def __init__(
        self,
        settings: Settings,
        clock: Clock = utc_now,
        trust: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        """`trust` makes what certificates are checked against. Raises BadSettings if no server is set."""
        parts = urlsplit(settings.need("smtp_url"))
        self._implicit = parts.scheme == "smtps"
        self._host = parts.hostname or ""
        self._port = parts.port or (IMPLICIT_TLS if self._implicit else SUBMISSION)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._mode = settings.mode
        self._domain = _domain(urlsplit(settings.base_url).hostname)
        self._sender = settings.smtp_from or f"nightlight@{self._domain}"
        self._clock = clock
        self._trust = trust

    async def send(self, to: str, text: str, *, attempt: UUID, valid_seconds: float) -> Accepted:  # noqa: ARG002
        # In rehearsal nobody real is written to: only a domain that belongs to nobody, and only through a stand-in.
        if self._mode is Mode.REHEARSAL and not (is_made_up(to.rpartition("@")[2]) and is_stand_in(self._host)):
            raise DeliveryError(Reason.NOT_A_REHEARSAL_NUMBER, permanent=True)
        message = self._write(to, text, attempt)
        talk = Talk(time.monotonic() + SEND_SECONDS)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await asyncio.to_thread(self._deliver, message, to, talk)
        except (OSError, smtplib.SMTPException) as problem:  # of which TimeoutError is one
            raise talk.end(problem) from problem
        return Accepted(message["Message-ID"])

    async def look_up(
        self,
        to: str,  # noqa: ARG002
        *,
        attempt: UUID,  # noqa: ARG002
        containing: str,  # noqa: ARG002
        since: datetime,  # noqa: ARG002
        known: frozenset[str],  # noqa: ARG002
    ) -> Accepted | None:
        """None: a mail server does not tell."""
        return None

    async def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, to: str, text: str, attempt: UUID) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"] = self._sender, to
        message["Subject"] = text.partition(":")[0]  # "Nightlight K7Q4", as every text of ours begins
        message["Date"] = format_datetime(self._clock())
        message["Message-ID"] = f"<{attempt}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notice comes back
        message.set_content(text, cte="quoted-printable")
        return message

    def _deliver(self, message: EmailMessage, to: str, talk: "Talk") -> None:
        """In a thread: the whole dialogue. Raises OSError and smtplib.SMTPException."""
        with contextlib.closing(self._connect(talk)) as server:
            talk.step(server).ehlo_or_helo_if_needed()
            if not self._implicit and (server.has_extn("starttls") or not is_stand_in(self._host)):
                talk.step(server).starttls(context=self._trust())  # where it is not offered, that is the end of it
            if self._user:
                talk.step(server).login(self._user, self._password)
            _expect(talk.step(server).mail(self._sender))
            _expect(talk.step(server).rcpt(to))
            talk.hand_over()
            _expect(talk.step(server).data(message.as_bytes()))
            with contextlib.suppress(OSError, smtplib.SMTPException):
                server.putcmd("quit")  # and goodbye, without waiting for theirs

    def _connect(self, talk: "Talk") -> smtplib.SMTP:
        if self._implicit:
            return smtplib.SMTP_SSL(self._host, self._port, self._domain, timeout=talk.left(), context=self._trust())
        return smtplib.SMTP(self._host, self._port, self._domain, timeout=talk.left())


class Talk:
    """One dialogue's time, and how far it has come: before the mail is handed over, a failure is certain."""

    def __init__(self, until: float) -> None:
        self._until = until
        self._lock = threading.Lock()
        self._handed_over = self._over = False

    def left(self) -> float:
        return max(self._until - time.monotonic(), 0.05)

    def step(self, server: smtplib.SMTP) -> smtplib.SMTP:
        """The server, with no more time for its next answer than is left."""
        if server.sock is not None:
            server.sock.settimeout(self.left())
        return server

    def hand_over(self) -> None:
        """From here on it may arrive. Raises TimeoutError if nobody waits for this any more: then it must not."""
        with self._lock:
            if self._over:
                raise TimeoutError
            self._handed_over = True

    def end(self, problem: Exception) -> DeliveryError:
        """What has gone wrong, as everybody else is told of it. The thread, if it still runs, hands nothing over any more."""
        with self._lock:
            self._over = True
        if isinstance(problem, smtplib.SMTPResponseException) and problem.smtp_code > 0:
            return read_refusal(problem.smtp_code)
        if isinstance(problem, smtplib.SMTPNotSupportedError):
            return DeliveryError(Reason.NOT_ALLOWED, permanent=True)
        if self._handed_over:
            return DeliveryError(Reason.NO_ANSWER, permanent=False, certain=False)
        reason = Reason.NO_ANSWER if isinstance(problem, TimeoutError) else Reason.NOT_CONNECTED
        return DeliveryError(reason, permanent=False)


def read_refusal(code: int) -> DeliveryError:
    """What a code of 400 or more says. It is certain: the server has said that it has not taken it."""
    reason, permanent = CODES.get(code, (Reason.REFUSED, code >= 500))
    return DeliveryError(reason, permanent=permanent, code=str(code))


def _expect(answer: tuple[int, bytes]) -> None:
    code, words = answer
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, words)


def _domain(host: str | None) -> str:
    """Ours, as mails name it: an address of numbers is no name."""
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return host or "localhost"
    return "localhost"
