"""The desk as a process of its own: it starts, it answers, and it stops when told, whoever is still listening."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from embedded.server import choose_port
from schemas.base import utc_now
from schemas.sealing import save
from tests.desk_cast import Desk, Watch, open_desk
from tests.house import ROOT

SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_within_five_seconds_though_a_desk_is_open(
    database_url: str, tmp_path: Path, told: signal.Signals
) -> None:
    home = f"http://127.0.0.1:{choose_port('the desk', 0)}"
    async with open_desk(database_url, home=home, watch=Watch(utc_now())) as cast:
        await cast.give_account("ada")
        process = start(cast, tmp_path)
        try:
            async with listening(cast) as lines:
                assert "event: tick" in [await anext(lines) for _ in range(4)]

                begun = time.monotonic()
                process.send_signal(told)
                said_after = [line async for line in lines]
                code = await asyncio.to_thread(process.wait, 10)
        finally:
            process.kill()

    assert code == 0, (tmp_path / "log").read_text()
    assert time.monotonic() - begun < 10
    assert "event: end" not in said_after
    assert (tmp_path / "log").read_text() == ""


def start(cast: Desk, at: Path) -> "subprocess.Popen[bytes]":
    """`nightlight desk` beside the cast, with its database and its keyring."""
    save(cast.sealer, at / "keyring.json")
    given = {
        "NIGHTLIGHT_DATABASE_URL": cast.settings.need("database_url"),
        "NIGHTLIGHT_DATA_DIR": str(at),
        "NIGHTLIGHT_LISTEN": cast.settings.base_url.removeprefix("http://"),
        "NIGHTLIGHT_TWILIO_AUTH_TOKEN": "t" * 32,
    }
    with (at / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "nightlight", "desk"],
            cwd=ROOT,
            env={**os.environ, **given},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


@asynccontextmanager
async def listening(cast: Desk) -> AsyncIterator[AsyncIterator[str]]:
    """Sign in once the desk is ready, and hear what its stream says, line by line."""
    async with httpx2.AsyncClient(base_url=cast.settings.base_url, headers=SAME_SITE, timeout=10) as phone:
        deadline = time.monotonic() + 30
        while not await _is_ready(phone):
            assert time.monotonic() < deadline, "the desk did not become ready"
            await asyncio.sleep(0.1)
        assert (await phone.post("/sign-in", data=cast.credentials("ada"))).status_code == 303
        async with phone.stream("GET", "/events") as answer:
            yield answer.aiter_lines()


async def _is_ready(phone: httpx2.AsyncClient) -> bool:
    try:
        return (await phone.get("/readyz")).status_code == 200
    except httpx2.TransportError:
        return False
