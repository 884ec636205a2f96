"""The MLLP door itself: many connections at once, each answered in order, none able to hold up or use up another's."""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Final, Protocol

from prometheus_client import Gauge

from connectors.hl7.acknowledgements import Answer
from connectors.mllp.framing import LARGEST, Frame, Framer, framed
from connectors.mllp.known import Peer, marks_of, plain_address
from schemas.logs import logger

CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one door. Times are in seconds.

    `quiet`: without a message, for a connection on which one was taken; `new`: until the first. `half`: without a byte in the
    middle of a message; `frame`: for the whole of one. `end`: after an end mark without its CR. `unread`: for an answer that
    nobody takes. `address`: connections from one address, so that one that runs wild leaves room for the others.
    """

    connections: int = 10_000
    address: int = 5_000
    quiet: float = 3600.0
    new: float = 60.0
    half: float = 30.0
    frame: float = 60.0
    end: float = 1.0
    unread: float = 30.0
    largest: int = LARGEST
    grace: float = 4.0


class Answers(Protocol):
    """Answers every frame, and does not raise."""

    async def answer(self, frame: Frame, peer: Peer) -> Answer: ...


class Server:
    """Serves until `close`. `welcomes` decides over TLS, by the certificate alone, before a byte is read."""

    def __init__(
        self,
        listener: Answers,
        *,
        limits: Limits,
        welcomes: Callable[[Peer], bool] = lambda _: True,
        connections: Gauge | None = None,
        ticks: Callable[[], float] = monotonic,
    ) -> None:
        self._listener = listener
        self._limits = limits
        self._welcomes = welcomes
        self._gauge = connections
        self._ticks = ticks
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()
        self._from: Counter[str] = Counter()
        self._closing = False

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen, and return the port. Raises OSError if the address cannot be had."""
        self._server = await asyncio.start_server(
            self._connected,
            host,
            port,
            limit=CHUNK,
            backlog=1024,
            ssl=tls,
            **({"ssl_handshake_timeout": 10.0, "ssl_shutdown_timeout": 2.0} if tls else {}),
        )
        taken: int = self._server.sockets[0].getsockname()[1]
        return taken

    async def close(self) -> None:
        """No new connections; a message in hand is answered, within the grace; what waits for its next message is closed."""
        self._closing = True
        if self._server is not None:
            self._server.close()
        for task in list(self._idle):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._limits.grace)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio calls this in a task of its own
        self._tasks.add(task)
        peer = _peer(writer)
        self._count(peer, 1)
        try:
            if peer is not None and self._lets_in(peer):
                await _Connection(self, reader, writer, peer).serve()
        except (ConnectionError, TimeoutError, ssl.SSLError, OSError, asyncio.CancelledError):
            pass  # they have gone, or must go: whatever was not answered they send again
        finally:
            self._count(peer, -1)
            self._tasks.discard(task)
            self._idle.discard(task)
            await _hang_up(writer)

    def _count(self, peer: Peer | None, by: int) -> None:
        if peer is not None:
            self._from[peer.address] += by
            self._from += Counter()  # drops the zeroes
        if self._gauge is not None:
            self._gauge.inc(by)

    def _lets_in(self, peer: Peer) -> bool:
        full = len(self._tasks) > self._limits.connections or self._from[peer.address] > self._limits.address
        if full:
            logger().warning("connection-refused", reason="too-many")
        elif not self._welcomes(peer):
            logger().warning("connection-refused", reason="unknown-certificate")
            return False
        return not full and not self._closing

    @property
    def limits(self) -> Limits:
        return self._limits

    def now(self) -> float:
        return self._ticks()

    async def reply(self, frame: Frame, peer: Peer) -> Answer:
        return await self._listener.answer(frame, peer)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Around a wait for the next message: nothing is in hand meanwhile, and closing need not wait."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._idle.add(task)
        if self._closing:
            raise ConnectionResetError("closing")
        try:
            yield
        finally:
            self._idle.discard(task)


class _Connection:
    """One sender's connection: a frame is read, answered, and only then is the next one looked at."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> None:
        self._server = server
        self._limits = server.limits
        self._reader = reader
        self._writer = writer
        self._peer = peer
        self._framer = Framer(server.limits.largest)
        self._began: float | None = None  # when the frame under way began
        self._welcome = False  # whether anything has been taken from them

    async def serve(self) -> None:
        """Until they hang up, or go over a limit: TimeoutError or ConnectionError."""
        while True:
            try:
                data = await self._read()
            except TimeoutError:
                if (frame := self._framer.silence()) is None:
                    raise
                await self._answer(frame)
                continue
            if not data:
                if frame := self._framer.silence():
                    await self._answer(frame)
                return
            for frame in self._framer.feed(data):
                await self._answer(frame)
            self._note_beginning()

    async def _read(self) -> bytes:
        async with asyncio.timeout(self._patience()):
            with self._server.waiting():
                return await self._reader.read(CHUNK)

    def _patience(self) -> float:
        if self._framer.at_end_mark:
            return self._limits.end
        if self._began is not None:
            left = self._began + self._limits.frame - self._server.now()
            return max(0.0, min(left, self._limits.half))
        return self._limits.quiet if self._welcome else self._limits.new

    def _note_beginning(self) -> None:
        if not self._framer.inside:
            self._began = None
        elif self._began is None:
            self._began = self._server.now()

    async def _answer(self, frame: Frame) -> None:
        answer = await self._server.reply(frame, self._peer)
        self._began = None
        self._welcome = True
        self._writer.write(framed(answer.encoded()))
        if self._writer.transport.get_write_buffer_size():  # nearly never: the system takes an answer at once
            async with asyncio.timeout(self._limits.unread):
                await self._writer.drain()
        await asyncio.sleep(0)  # a chunk may hold a thousand frames: others have their turn between two


def _peer(writer: asyncio.StreamWriter) -> Peer | None:
    """Who is there. None if they have gone already."""
    there = writer.get_extra_info("peername")
    if not there:
        return None
    with contextlib.suppress(OSError, AttributeError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    tls = writer.get_extra_info("ssl_object")
    shown = tls.getpeercert(binary_form=True) if tls else None
    try:
        return Peer(plain_address(there[0]), marks_of(shown) if shown else frozenset())
    except ValueError:  # a certificate that OpenSSL takes and nobody else can read
        return None


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    """What they have not taken within two seconds they do not get."""
    writer.close()
    try:
        async with asyncio.timeout(2):
            await writer.wait_closed()
    except (ConnectionError, TimeoutError, ssl.SSLError, OSError):
        writer.transport.abort()
