"""The door over real sockets: in order, one answer for each frame, and nobody is held up by anybody."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.hl7.acknowledgements import Answer
from connectors.mllp.framing import Frame, framed
from connectors.mllp.known import Peer
from connectors.mllp.server import Limits, Server
from connectors.mllp.tls import context
from schemas.settings import BadSettings, Mode, Settings
from tests.hl7.cast import ROYAL, DoorKept, fields, message
from tests.hl7.certificates import Authority

QUICK = Limits(quiet=0.3, new=0.3, half=0.2, frame=0.4, end=0.05, unread=0.3, largest=5_000, grace=0.5)


class Line:
    """One sender's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def write(self, *chunks: bytes, pause: float = 0) -> None:
        for chunk in chunks:
            self.writer.write(chunk)
            await self.writer.drain()
            await asyncio.sleep(pause)

    async def answer(self) -> str:
        async with asyncio.timeout(20):
            frame = await self.reader.readuntil(b"\x1c\r")
        assert frame.startswith(b"\x0b")
        return frame[1:-2].decode()

    async def send(self, data: bytes) -> str:
        await self.write(framed(data))
        return await self.answer()

    async def ended(self) -> bytes:
        """What comes until they hang up."""
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
        return b""


class Served:
    """A door that is served."""

    def __init__(self, door: DoorKept, server: Server, port: int) -> None:
        self.door = door
        self.server = server
        self.port = port
        self._lines: list[Line] = []

    async def line(self, tls: ssl.SSLContext | None = None, **more: int) -> Line:
        name = "nightlight.example" if tls else None
        made = Line(*await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, server_hostname=name, **more))  # type: ignore[arg-type]
        self._lines.append(made)
        return made

    async def hang_up(self) -> None:
        for line in self._lines:
            line.writer.transport.abort()
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def served(
    limits: Limits = QUICK, door: DoorKept | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Served]:
    kept = door or DoorKept()
    gauge = kept.metrics.door_connections.labels(door="mllp")
    welcomes = kept.senders.welcomes if tls else lambda _: True
    server = Server(kept.listener, limits=limits, welcomes=welcomes, connections=gauge)
    made = Served(kept, server, await server.start("127.0.0.1", 0, tls))
    try:
        yield made
    finally:
        await made.hang_up()
        await server.close()


async def test_messages_on_one_connection_are_answered_in_order() -> None:
    async with served() as house:
        line = await house.line()
        await line.write(b"".join(framed(message(control_id=f"C{number}", visit=f"V{number}")) for number in range(50)))

        answers = [await line.answer() for _ in range(50)]

    assert [fields(answer)[1:3] for answer in answers] == [["AA", f"C{number}"] for number in range(50)]
    assert len(house.door.shelf.kept) == 50


async def test_a_frame_in_many_pieces_is_answered_as_one() -> None:
    stream = framed(message())
    async with served() as house:
        for size in (1, 3, 100):
            line = await house.line()
            await line.write(*(stream[at : at + size] for at in range(0, len(stream), size)))

            assert fields(await line.answer())[1] == "AA"


async def test_noise_halves_and_rubbish_do_not_stop_what_comes_after_them() -> None:
    async with served() as house:
        line = await house.line()
        await line.write(b"GET / HTTP/1.1\r\n\r\n", b"\x0bMSH|half", framed(message()), framed(b"rubbish"), framed(b""))
        await line.write(framed(b"M" * 20_000), framed(message(control_id="C2")))

        codes = [fields(await line.answer())[1] for _ in range(5)]

    assert codes == ["AA", "AR", "AR", "AR", "AA"]


async def test_a_sender_who_leaves_the_last_cr_out_is_answered_after_a_moment() -> None:
    async with served() as house:
        line = await house.line()
        await line.write(framed(message())[:-1])

        assert fields(await line.answer())[1] == "AA"


async def test_a_sender_who_hangs_up_after_the_end_mark_has_been_heard() -> None:
    async with served() as house:
        line = await house.line()
        await line.write(framed(message())[:-1])
        line.writer.write_eof()

        assert fields(await line.answer())[1] == "AA"


@pytest.mark.parametrize(
    "sent", [b"", b"noise", b"\x0bMSH|^~\\&|half a message"], ids=["nothing", "noise", "half a message"]
)
async def test_who_says_nothing_or_half_of_it_is_hung_up_on_without_an_answer(sent: bytes) -> None:
    async with served() as house:
        line = await house.line()
        await line.write(sent)

        assert await line.ended() == b""
    assert house.door.shelf.kept == []


async def test_who_sends_a_byte_now_and_then_is_hung_up_on_and_delays_nobody() -> None:
    async with served() as house:
        slow = await house.line()
        await slow.write(b"\x0b")
        dripping = asyncio.create_task(slow.write(*[b"M"] * 100, pause=0.02))
        good = await house.line()

        answers = [await good.send(message(control_id=f"C{number}")) for number in range(20)]
        assert await slow.ended() == b""
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)

    assert {fields(answer)[1] for answer in answers} == {"AA"}


class Wordy:
    """Answers at such length that it does not all fit on the way."""

    async def answer(self, *_: object) -> Answer:
        return Answer("MSA|AA|C\r" * 50_000, "utf-8")


async def test_who_does_not_read_the_answers_is_hung_up_on() -> None:
    server = Server(Wordy(), limits=QUICK)
    port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    del reader
    with contextlib.suppress(ConnectionError):
        for _ in range(200):
            writer.write(framed(b"M"))
            await writer.drain()

    async with asyncio.timeout(10):
        await asyncio.gather(*server._tasks)
    writer.transport.abort()
    await server.close()


async def test_a_thousand_connections_are_each_answered() -> None:
    async with served(replace(QUICK, new=30, quiet=30)) as house:
        lines = [await house.line() for _ in range(1000)]

        answers = await asyncio.gather(
            *(line.send(message(control_id=f"C{place}", visit=f"V{place}")) for place, line in enumerate(lines))
        )

        assert house.door.metric("nightlight_door_connections", door="mllp") == 1000
    assert [fields(answer)[1:3] for answer in answers] == [["AA", f"C{place}"] for place in range(1000)]


async def test_one_address_cannot_have_every_connection() -> None:
    async with served(replace(QUICK, address=3, new=5)) as house:
        lines = [await house.line() for _ in range(3)]
        one_too_many = await house.line()

        assert await one_too_many.ended() == b""
        assert fields(await lines[0].send(message()))[1] == "AA"
        lines[1].writer.close()
        await asyncio.sleep(0.05)
        assert fields(await (await house.line()).send(message(control_id="C2")))[1] == "AA"


async def test_on_stopping_a_message_in_hand_is_answered_and_the_idle_are_hung_up_on() -> None:
    door = DoorKept()
    begun, go = asyncio.Event(), asyncio.Event()

    class Waits:
        async def answer(self, frame: Frame, peer: Peer) -> Answer:
            begun.set()
            await go.wait()
            return await door.listener.answer(frame, peer)

    server = Server(Waits(), limits=replace(QUICK, quiet=30, new=30, grace=5))
    port = await server.start("127.0.0.1", 0)
    busy, idle = [Line(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(2)]
    await busy.write(framed(message()))
    await begun.wait()

    closing = asyncio.create_task(server.close())
    assert await idle.ended() == b""
    go.set()

    assert fields(await busy.answer())[1] == "AA"
    await closing
    for line in (busy, idle):
        line.writer.close()


@pytest.fixture
def royal_authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "hospitals")


def settings_of(authority: Authority, **more: object) -> Settings:
    certificate, key = authority.signs("nightlight.example")
    given = {
        "mllp_certificate_file": certificate,
        "mllp_key_file": key,
        "mllp_client_ca_file": authority.path,
        "mode": Mode.LIVE,
    }
    return Settings.model_validate({**given, **more})


def client(authority: Authority, shown: tuple[Path, Path] | None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(authority.path))
    if shown:
        made.load_cert_chain(*shown)
    return made


async def test_over_tls_a_registered_certificate_is_taken(royal_authority: Authority) -> None:
    door = DoorKept(sender=replace(ROYAL, certificate="tie.barts.example"))
    async with served(door=door, tls=context(settings_of(royal_authority))) as house:
        line = await house.line(client(royal_authority, royal_authority.signs("tie.barts.example")))

        assert fields(await line.send(message()))[1] == "AA"
        assert fields(await line.send(message(sender="LAB|RXX", control_id="C2")))[1] == "AR"

        door.senders.know([])
        assert fields(await line.send(message(control_id="C3")))[1] == "AR"


@pytest.mark.parametrize("who", ["nobody", "another name", "another authority", "ended"])
async def test_over_tls_nobody_else_is_heard(royal_authority: Authority, tmp_path: Path, who: str) -> None:
    door = DoorKept(sender=replace(ROYAL, certificate="tie.barts.example"))
    shown = {
        "nobody": lambda: None,
        "another name": lambda: royal_authority.signs("evil.example"),
        "another authority": lambda: Authority(tmp_path, "others").signs("tie.barts.example"),
        "ended": lambda: royal_authority.signs("tie.barts.example", days=-1),
    }[who]()
    async with served(door=door, tls=context(settings_of(royal_authority))) as house:
        try:
            line = await house.line(client(royal_authority, shown))
            await line.write(framed(message()))
            heard = await line.ended()
        except (ssl.SSLError, ConnectionError):
            heard = b""

    assert heard == b""
    assert door.shelf.kept == []
    assert door.metric("nightlight_events_refused_total", feed="unknown", reason="unknown-sender") is None


async def test_who_speaks_plainly_to_a_door_with_tls_is_not_heard(royal_authority: Authority) -> None:
    async with served(tls=context(settings_of(royal_authority))) as house:
        line = await house.line()
        await line.write(framed(message()))

        assert b"MSA" not in await line.ended()
    assert house.door.shelf.kept == []


@pytest.mark.parametrize(
    ("given", "starts"),
    [
        ({"mode": "rehearsal", "mllp_listen": "0.0.0.0:2575"}, True),
        ({"mode": "live", "mllp_listen": "127.0.0.1:2575"}, True),
        ({"mode": "live", "mllp_listen": "0.0.0.0:2575"}, False),
        ({"mode": "live", "mllp_listen": "0.0.0.0:2575", "mllp_plain": True}, True),
        ({"mode": "live", "mllp_certificate_file": "a.pem"}, False),
    ],
)
def test_without_tls_a_live_door_is_for_this_machine_alone(given: dict[str, object], starts: bool) -> None:
    settings = Settings.model_validate(given)

    if starts:
        assert context(settings) is None
        return
    with pytest.raises(BadSettings, match="NIGHTLIGHT_MLLP_"):
        context(settings)


def test_files_that_are_no_certificates_are_named(royal_authority: Authority, tmp_path: Path) -> None:
    absent, wrong, empty = (tmp_path / name for name in ("absent.pem", "wrong.pem", "empty.pem"))
    wrong.write_text("this is no certificate")
    empty.touch()

    for path in (absent, wrong, empty):
        with pytest.raises(BadSettings, match="NIGHTLIGHT_MLLP_CERTIFICATE_FILE"):
            context(settings_of(royal_authority, mllp_certificate_file=path))


def test_three_empty_files_are_none(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()

    assert context(Settings(mllp_certificate_file=empty, mllp_key_file=empty, mllp_client_ca_file=empty)) is None
