"""Whose messages come over this connection: the table of senders in memory, read again each second."""

import asyncio
import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.base import Clock
from schemas.logs import logger
from schemas.settings import Mode
from store import agencies, senders
from store.rights import Agency
from store.senders import Sender

REFRESH_SECONDS: Final = 1

MOST_FOUND: Final = 1_000
"""Answers to "whose is this?" that are remembered until the table is read again."""

LONGEST: Final = 200
"""Characters of MSH-3 and MSH-4 together for which one is."""

Entry = tuple[Sender, Agency]


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end: their address, and over TLS what their certificate is known by (empty without TLS)."""

    address: str
    certificate: frozenset[str] = frozenset()

    @property
    def is_here(self) -> bool:
        """Whether they are on this machine."""
        return ipaddress.ip_address(self.address).is_loopback


def marks_of(certificate: bytes) -> frozenset[str]:
    """What a client certificate (DER) may be registered by: its SHA-256 in hex, and each DNS name that is in it."""
    read = x509.load_der_x509_certificate(certificate)
    try:
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        )
    except x509.ExtensionNotFound:
        names = []
    return frozenset((hashlib.sha256(certificate).hexdigest(), *(name.lower() for name in names)))


def plain_address(text: str) -> str:
    """An address as it is registered: IPv4 that comes by way of an IPv6 socket is IPv4."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


class Senders:
    """The table of senders. While PostgreSQL is away the last one stays good; nothing here waits for it but `keep`.

    In a rehearsal, on this machine alone, an agency whose name is in MSH-3 or MSH-4 needs no line in the table.
    """

    def __init__(self, engine: AsyncEngine, clock: Clock, *, mode: Mode = Mode.LIVE) -> None:
        self._engine = engine
        self._clock = clock
        self._mode = mode
        self._entries: list[Entry] | None = None
        self._agencies: dict[str, Agency] = {}
        self._networks: dict[str, tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]] = {}
        self._found: dict[tuple[str, str, Peer], Entry] = {}

    @property
    def ready(self) -> bool:
        """Whether the table has been read once."""
        return self._entries is not None

    def know(self, entries: Iterable[Entry], allowed: Iterable[Agency] = ()) -> None:
        """From now on these are the ones in force, and these the agencies that may send."""
        self._entries = list(entries)
        self._agencies = {agency.name.casefold(): agency for agency in allowed}
        self._found.clear()
        self._networks = {
            sender.sender: tuple(ipaddress.ip_network(each) for each in sender.addresses) for sender, _ in self._entries
        }

    def welcomes(self, peer: Peer) -> bool:
        """Over TLS: whether any sender is registered by this certificate. A stranger is sent away before a byte is read."""
        return any(sender.certificate in peer.certificate for sender, _ in self._entries or ())

    def find(self, application: str, facility: str, peer: Peer) -> Entry | None:
        """Whose message it is. Of several that fit, the one that says most about MSH-3 and MSH-4."""
        asked = application, facility, peer
        if asked in self._found:
            return self._found[asked]
        found = self._look(*asked)
        # A stranger is not remembered: there is no end to what one may call himself.
        if found is not None and len(self._found) < MOST_FOUND and len(application) + len(facility) <= LONGEST:
            self._found[asked] = found
        return found

    def _look(self, application: str, facility: str, peer: Peer) -> Entry | None:
        fitting = [
            (sender, agency)
            for sender, agency in self._entries or ()
            if sender.says(application, facility) and self._comes_from(sender, peer)
        ]
        fitting.sort(key=lambda entry: (not entry[0].application) + (not entry[0].facility))
        return fitting[0] if fitting else self._beginner(application, facility, peer)

    def _comes_from(self, sender: Sender, peer: Peer) -> bool:
        if sender.certificate or peer.certificate:
            return sender.certificate in peer.certificate
        networks = self._networks[sender.sender]
        return any(ipaddress.ip_address(peer.address) in network for network in networks) if networks else peer.is_here

    def _beginner(self, application: str, facility: str, peer: Peer) -> Entry | None:
        if self._mode is not Mode.REHEARSAL or not peer.is_here or peer.certificate:
            return None
        for name in (application, facility):
            if agency := self._agencies.get(name.casefold()):
                return Sender(sender=agency.name, agency=agency.name), agency
        return None

    async def refresh(self) -> None:
        """Read the table."""
        async with self._engine.connect() as connection:
            self.know(*await _read(connection, at=self._clock(), mode=self._mode))

    async def keep(self) -> None:
        """Read the table each second, until cancelled."""
        away = False
        while True:
            try:
                await self.refresh()
                away = False
            except (SQLAlchemyError, OSError) as problem:
                if not away:
                    logger().warning("senders-stale", error=type(problem).__name__)
                away = True
            await asyncio.sleep(REFRESH_SECONDS)


async def _read(connection: AsyncConnection, *, at: datetime, mode: Mode) -> tuple[list[Entry], list[Agency]]:
    """The senders whose agency has a key in force, and those agencies: revoking one ends all its ways in."""
    allowed = {key.agency.name: key.agency for key in await agencies.keys_in_force(connection, at=at, mode=mode)}
    listed = await senders.listing(connection)
    return [(sender, allowed[sender.agency]) for sender in listed if sender.agency in allowed], list(allowed.values())
