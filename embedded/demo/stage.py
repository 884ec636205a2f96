"""The stage: what a newcomer can do, whether on the page or by a key, and the one loop that watches what comes of it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from embedded.demo import cast
from embedded.demo.cast import Child
from embedded.demo.feeds import SILENT_AFTER, Feeds, NotTaken
from embedded.demo.outcomes import Outcomes
from embedded.demo.scenes import SCENES, Scene
from embedded.demo.seen import Seen, Sent, at_first, look
from embedded.demo.story import Line, in_order, spoken, tell
from schemas.base import utc_now

LOOKS_EVERY = 0.15  # seconds
REMEMBERED = 40  # moments on the screen; the page shows the newest and scrolls the others
SILENCED = "custody-north"
VICTIM = "streams-a"


@dataclass(frozen=True)
class Text:
    """One text on a made-up phone. `mine` was sent from it; `note` is what became of one that was not."""

    id: str
    number: str
    mine: bool
    words: str
    at: datetime
    note: str = ""


class Phone(Protocol):
    """The phone on the screen, for every made-up number. Nothing here raises, or waits for anything outside this process."""

    def texts(self) -> Sequence[Text]:
        """Every text to and from every number, in order."""

    def fail_next(self) -> None:
        """The next text is taken by the provider and then cannot be delivered."""

    async def answer(self, number: str, words: str) -> None:
        """Somebody types this on that phone, and sends it."""


class Processes(Protocol):
    """Who keeps the processes alive."""

    def kill(self, name: str) -> int: ...
    def pids(self) -> dict[str, int]: ...
    def alive(self, name: str) -> bool: ...


class Stage:
    """Everything that is played, and everything seen of it. One event loop's own: other threads go through that loop."""

    def __init__(
        self, *, engine: AsyncEngine, feeds: Feeds, phone: Phone, processes: Processes, outcomes: Outcomes,
        say: Callable[[Line], None],
    ) -> None:  # fmt: skip
        self.phone = phone
        self.feeds = feeds
        self.processes = processes
        self.seen: list[Seen] = []  # the newest first
        self._engine = engine
        self._outcomes = outcomes
        self._say = say
        self._rung: set[str] = set()
        self._silent: set[str] = set()
        self._turn = 0

    async def play(self, scene: Scene, *, watched: bool, child_id: str | None = None) -> Sent:
        """Send one event of this kind, about this child or the next who has no open moment. Raises NotTaken."""
        child = self._chosen(child_id) if watched and child_id else self._next(watched=watched)
        sent = await self.feeds.tell(scene, child)
        first = at_first(sent)
        self.seen = [first, *self.seen][:REMEMBERED]
        for line in tell(None, first):
            self._say(line)
        return sent

    async def follow(self) -> None:
        """Look again and again, and say each new thing, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOKS_EVERY)

    async def look(self) -> None:
        """One look at the database and the phones. What is new is said in order of time."""
        before = {seen.sent.key: seen for seen in self.seen}
        try:
            async with self._engine.connect() as connection:
                now = await look(connection, [seen.sent for seen in self.seen], self._outcomes.heard)
        except (OperationalError, InterfaceError):  # it shows: the page's moments stand still
            return
        after = {seen.sent.key: seen for seen in now}
        self.seen = [after.get(seen.sent.key, seen) for seen in self.seen]
        lines = [line for seen in now for line in tell(before.get(seen.sent.key), seen)]
        for line in in_order([*lines, *self._rang(), *self._fell_silent()]):
            self._say(line)

    async def accept(self) -> bool:
        """The person who was texted last for the newest open page accepts. False if nothing waits for an answer."""
        for seen in self.seen:
            if seen.waiting and (text := self.last_text(seen)):
                await self.phone.answer(text.number, self._yes(seen, text))
                return True
        return False

    async def accept_or_begin(self) -> str:
        """Accept what waits; if nothing does, something happens. Returns what to watch."""
        if await self.accept():
            return "Accepted by a reply: see how long it took, and whose time that was."
        await self.play(SCENES["arrest"], watched=True)
        return "An arrest: press Enter again and the person on call accepts."

    async def answer_all(self) -> None:
        """Everybody who was texted for an open page accepts it, naming its reference where they have several."""
        for seen in self.seen:
            if seen.waiting and (text := self.last_text(seen)):
                await self.phone.answer(text.number, self._yes(seen, text))

    def find(self, sent: Sent) -> Seen:
        """One event as it was at the last look."""
        return next(seen for seen in self.seen if seen.sent.key == sent.key)

    async def nobody_answers(self) -> str:
        """A page that is left alone. Returns what to watch."""
        if not any(seen.waiting and seen.step <= 1 for seen in self.seen):
            await self.play(SCENES["arrest"], watched=True)
        return (
            "Nobody answers: the backup is texted after 20 s, the manager after 40 s, and again until somebody accepts."
        )

    async def text_fails(self) -> str:
        """The next text comes back undelivered. Returns what to watch."""
        self.phone.fail_next()
        await self.play(SCENES["arrival"], watched=True)
        return "The text fails: the next person is told at once, not after the wait."

    async def feed_falls_silent(self) -> str:
        """The custody suite stops, or begins again. Returns what to watch."""
        self.feeds.silenced ^= {SILENCED}
        if SILENCED in self.feeds.silenced:
            return f"{SILENCED} has stopped saying that it is alive: within 15 s it is shown as silent."
        return f"{SILENCED} is back."

    async def worker_is_killed(self) -> str:
        """A worker dies as an arrest comes in. Returns what to watch."""
        await self.play(SCENES["arrest"], watched=True)
        pid = self.processes.kill(VICTIM)
        return f"{VICTIM} (process {pid}) was killed: the other lane opens the page, and there is one page, not none and not two."

    def last_text(self, seen: Seen) -> Text | None:
        """The newest text that carries this page's reference to a phone."""
        carrying = [text for text in self.phone.texts() if not text.mine and _carries(text, seen)]
        return carrying[-1] if carrying else None

    def _yes(self, seen: Seen, text: Text) -> str:
        several = sum(other.waiting and self._told(other, text.number) for other in self.seen) > 1
        return f"{seen.reference} 1" if several else "1"

    def _told(self, seen: Seen, number: str) -> bool:
        return any(text.number == number and not text.mine and _carries(text, seen) for text in self.phone.texts())

    def _rang(self) -> list[Line]:
        new = [text for text in self.phone.texts() if text.id not in self._rung]
        self._rung |= {text.id for text in new}
        return [
            Line(text.at, f"{spoken(text.number)} {'says' if text.mine else 'reads'}: {text.words}") for text in new
        ]

    def _fell_silent(self) -> list[Line]:
        now = utc_now()
        silent = {feed for feed in self.feeds.heard if self.feeds.silent(feed, now)}
        new, self._silent = silent - self._silent, silent
        return [Line(now, f"{feed} is silent: nothing has come for {SILENT_AFTER:.0f} s") for feed in sorted(new)]

    def _chosen(self, child_id: str) -> Child:
        found = [child for child in cast.watched() if child.id == child_id]
        if not found:
            raise NotTaken("There is no made-up child of that name.")
        return found[0]

    def _next(self, *, watched: bool) -> Child:
        """In turn, those without a moment of their own first: when all have one, an event joins it."""
        everybody = cast.in_turn(cast.watched() if watched else cast.not_watched())
        busy = {seen.sent.child_id for seen in self.seen}
        free = [child for child in everybody if watched and child.id not in busy]
        self._turn += 1
        return free[0] if free else everybody[self._turn % len(everybody)]


def _carries(text: Text, seen: Seen) -> bool:
    return bool(seen.reference) and f"{seen.reference}: new moment" in text.words


async def now_and_then(until: Callable[[], bool], *, seconds: float) -> bool:
    """Wait until something is so, or for so long. True if it became so."""
    deadline = utc_now().timestamp() + seconds
    while not until():
        if utc_now().timestamp() > deadline:
            return False
        await asyncio.sleep(LOOKS_EVERY / 3)
    return True
