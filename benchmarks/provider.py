"""A provider that answers at once and remembers when each request came: the end of the way that is measured."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qs


class Provider:
    """Speaks just enough of Twilio's Messages API for a page to be sent. `arrivals` holds (time, body of the text); to the
    numbers in `slow` it answers after so many seconds."""

    def __init__(self) -> None:
        self.arrivals: list[tuple[float, str]] = []
        self.slow: dict[str, float] = {}
        self.url = ""

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = next(
                    (
                        int(line.split(":")[1])
                        for line in head.splitlines()
                        if line.lower().startswith("content-length")
                    ),
                    0,
                )
                form = parse_qs((await reader.readexactly(length)).decode())
                self.arrivals.append((time.time(), form.get("Body", [""])[0]))
                await asyncio.sleep(self.slow.get(form.get("To", [""])[0], 0))
                said = json.dumps(
                    {"sid": f"SM{len(self.arrivals):032x}", "status": "queued", "error_code": None}
                ).encode()
                writer.write(
                    b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                    % (len(said), said)
                )
                await writer.drain()
        writer.close()

    async def _serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            server = await asyncio.start_server(self._answer, sock=listening)
            ready.set()
            await stop.wait()
            server.close()


@contextlib.contextmanager
def provider() -> Iterator[Provider]:
    """A provider in a thread of its own, on a free port of this machine."""
    made, ready = Provider(), threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(made._serve(ready, stop),), daemon=True)  # noqa: SLF001
    thread.start()
    ready.wait()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=5)
