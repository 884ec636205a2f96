"""The demo's own process: the screen and the phone on one port, the story as it happens, and the keys of the terminal."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from embedded.demo import cast, keys
from embedded.demo.feeds import Feeds, NotTaken
from embedded.demo.handset import Handset
from embedded.demo.headless import play_all
from embedded.demo.load import House, load
from embedded.demo.outcomes import Outcomes
from embedded.demo.screen import Surroundings, build
from embedded.demo.stage import Processes, Stage
from embedded.demo.story import Line
from embedded.phone import mail_server
from schemas import web
from schemas.base import utc_now
from schemas.sealing import KeyringFile
from schemas.settings import Settings
from store.database import connect
from store.people import responders

LOADED_WITHIN = 15.0  # seconds: an import is in force within one; a busy machine may take longer
LANES = ("streams-a", "streams-b")


class CannotPlay(Exception):
    """The demo cannot go on. The message is one sentence that says what to do."""


@dataclass(frozen=True)
class Place:
    """Where the demo is: `settings` with the screen's own `listen`, kafka-python's options, every process's address."""

    settings: Settings
    kafka: Mapping[str, Any]
    urls: Mapping[str, str]
    processes: Processes


@dataclass
class Ask:
    """What is asked of the host, and how it tells: `say` a line of the story, `progress` while it starts.

    `keys` is the line that names the keys, or None for no keys. `stop` may be called from any thread, at any time.
    """

    say: Callable[[object], None]
    progress: Callable[[str], None]
    headless: bool
    keys: str | None
    _stopping: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        self._stopping.set()

    def wait(self) -> None:
        """Block until it is stopped."""
        self._stopping.wait()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()


async def host(place: Place, ask: Ask) -> list[str]:
    """Load the made-up house, serve the screen and the phone, and play until stopped, or headless to the end.

    Returns what was missing from a headless play, one sentence each. Raises CannotPlay, NotOurs.
    """
    sealer = KeyringFile(place.settings.keyring_path)
    engine = connect(place.settings.need("database_url"))
    outcomes = Outcomes(place.kafka, sealer)
    try:
        async with engine.begin() as connection:
            house = await load(connection, sealer, at=utc_now())
        outcomes.start()
        async with httpx2.AsyncClient(trust_env=False) as client:
            await _wait_for_children(client, place)
            feeds = Feeds(client, place.urls["gateway"], house.keys, sealer)
            if problem := await feeds.greet(seconds=LOADED_WITHIN):
                raise CannotPlay(problem)
            ask.progress(f"{len(cast.watched())} made-up children, 2 teams on call, {len(house.keys)} feeds")
            stage = Stage(
                engine=engine,
                feeds=feeds,
                phone=(phone := Handset(place.settings)),
                processes=place.processes,
                outcomes=outcomes,
                say=_only_while(ask, ask.say),
            )
            around = Surroundings(await _people(engine), _links(place), house.sign_in)
            app = build(stage, around, phone.app, ask.say)
            with mail_server(place.settings, phone.network):
                async with _served(app, place.settings), _watched(stage):
                    return await _play(stage, house, place, ask)
    finally:
        outcomes.stop()
        await engine.dispose()


async def _play(stage: Stage, house: House, place: Place, ask: Ask) -> list[str]:
    if ask.headless:
        try:
            return await play_all(stage, say=ask.say, stopping=lambda: ask.stopping)
        except NotTaken as problem:
            return [str(problem)]
    for line in first_screen(place.urls, house):
        ask.say(line)
    with keys.pressed(lambda key: _press(key, stage, ask)) as listening:
        ask.say(ask.keys if listening and ask.keys else "Ctrl-C stops all of it and deletes what it made.")
        await asyncio.to_thread(ask.wait)
    return []


def first_screen(urls: Mapping[str, str], house: House) -> list[str]:
    """What a newcomer reads once everything runs: where to look, and that nothing is real."""
    code, _ = house.sign_in.code(utc_now())
    who = f"{house.sign_in.person}, password {house.sign_in.password}, code {code} (the screen shows the next)"
    return [
        "",
        f"Screen     {urls['phone']}/   ← open this: buttons, the moment, and a pretend phone",
        f"Duty desk  {urls['desk']}/   sign in: {who}",
        f"Gateway    {urls['gateway']}/docs",
        "Everything is made up, and nothing here can text a real phone.",
        "",
    ]


def _press(key: str, stage: Stage, ask: Ask) -> None:
    actions = {
        "\n": stage.accept_or_begin,
        "\r": stage.accept_or_begin,
        "1": stage.accept_or_begin,
        "2": stage.nobody_answers,
        "3": stage.text_fails,
        "4": stage.feed_falls_silent,
        "5": stage.worker_is_killed,
    }
    if key == "q":
        ask.stop()
    elif key in actions:
        task = asyncio.get_running_loop().create_task(_do(actions[key], ask))
        _UNDER_WAY.add(task)
        task.add_done_callback(_UNDER_WAY.discard)


_UNDER_WAY: set["asyncio.Task[None]"] = set()
"""The loop itself keeps only weak references to its tasks."""


async def _do(action: Callable[[], Any], ask: Ask) -> None:
    try:
        ask.say(await action())
    except NotTaken as problem:
        ask.say(str(problem))


def _only_while(ask: Ask, say: Callable[[object], None]) -> Callable[[Line], None]:
    def told(line: Line) -> None:
        if not ask.stopping:
            say(line)

    return told


async def _wait_for_children(client: httpx2.AsyncClient, place: Place) -> None:
    """Until both lanes know every child: an event that came sooner would be about nobody."""
    wanted = f"nightlight_children_loaded {float(len(cast.watched()))}"
    for lane in LANES:
        try:
            async with asyncio.timeout(LOADED_WITHIN):
                await _wait_for_words(client, f"{place.urls[lane]}/metrics", wanted)
        except TimeoutError:
            raise CannotPlay(
                f"{lane} did not take the made-up children within {LOADED_WITHIN:.0f} s: start again."
            ) from None


async def _wait_for_words(client: httpx2.AsyncClient, url: str, words: str) -> None:
    while True:
        with contextlib.suppress(httpx2.HTTPError):
            if words in (await client.get(url, timeout=2)).text:
                return
        await asyncio.sleep(0.1)


async def _people(engine: AsyncEngine) -> dict[str, str]:
    """Names by number."""
    async with engine.connect() as connection:
        chosen = select(responders.c.mobile, responders.c.name).order_by(responders.c.mobile)
        return {row.mobile: row.name for row in await connection.execute(chosen)}


def _links(place: Place) -> dict[str, str]:
    return {
        "desk": f"{place.urls['desk']}/",
        "docs": f"{place.urls['gateway']}/docs",
        "metrics": f"{place.urls['pager']}/metrics",
    }


@contextlib.asynccontextmanager
async def _watched(stage: Stage) -> AsyncIterator[None]:
    """What the stage does by itself, while the body runs. A fault in it ends the demo: a screen that stands still would lie."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(stage.follow()), tasks.create_task(stage.feeds.beat())]
        yield
        for task in running:
            task.cancel()


@contextlib.asynccontextmanager
async def _served(app: Any, settings: Settings) -> AsyncIterator[None]:
    server = web.server(app, settings)
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if serving.done():
                raise CannotPlay(f"The screen could not have {settings.listen}: choose other ports with --ports-from.")
            await asyncio.sleep(0.02)
        yield
    finally:
        server.should_exit = True
        await serving
