"""The synthetic child in a whole Nightlight: in at the gateway, through Kafka and a lane, to the pager; and the outside is told."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from notifiers.probe import Probe
from schemas.base import utc_now
from store.database import connect
from tests.house import House, eventually, house, settle_in

pinged: list[str] = []


@pytest.fixture(scope="module")
def outside() -> Iterator[str]:
    """Whoever waits for the heartbeat."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pinged.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/a-secret"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, outside: str) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("house"), given={"NIGHTLIGHT_HEARTBEAT_URL": outside}) as running:
        settle_in(running)
        yield running


async def test_she_comes_through_and_no_phone_rings_and_no_list_or_count_has_her(home: House) -> None:
    engine = connect(json.loads((home.data / "running.json").read_text())["database"])
    try:
        taken = await Probe(engine, home.urls["gateway"], utc_now).begin()
    finally:
        await engine.dispose()

    eventually(lambda: "nightlight_probe_seconds_count 1.0" in home.metrics("pager"), within=30)

    assert taken
    assert home.texts() == []
    assert "nightlight-probe" not in home.command("children", "list").stdout
    assert "nightlight-probe" not in home.command("rota", "check", check=False).stdout
    assert "nightlight-probe" not in home.command("agencies", "list").stdout
    assert "4 registered" in home.command("doctor", check=False).stdout
    assert 'nightlight_events_accepted_total{door="http",feed="nightlight-probe"' in home.metrics("gateway")
    pager, lane = home.metrics("pager"), home.metrics("streams-a")
    assert 'authority="nightlight-probe"' not in pager
    assert "nightlight_children_loaded 4.0" in lane
    assert not re.search(r'^nightlight_events_decided_total\{.*lane="page"', lane, re.M)


def test_while_nothing_is_found_the_outside_is_told_so(home: House) -> None:
    before = len(pinged)

    eventually(lambda: len(pinged) > before, within=40)

    assert set(pinged) == {"/a-secret"}
    assert home.does("auditor") == "Nothing is broken.\n"
