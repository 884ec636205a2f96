"""Pairs that a person has said are two people, in this worker: from PostgreSQL, and every change within a second."""

from collections import defaultdict
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.base import Clock
from schemas.logs import logger
from schemas.moments import Decision
from schemas.person import Person
from schemas.wire import Sealer
from store import pairs
from store.pairs import Pair
from streams.children import AWAY, Notices

POLL_SECONDS = 1.0

WHOLE_EVERY = timedelta(minutes=1)
"""All of them again: what left with a child who was removed is told by nothing else."""


class Pairs:
    """`load` once, then `follow` for as long as the process lives. `unlike` never waits."""

    def __init__(self, engine: AsyncEngine, sealer: Sealer, clock: Clock) -> None:
        self._engine = engine
        self._sealer = sealer
        self._clock = clock
        self._whole_at: datetime | None = None
        self._version = 0
        self._known: dict[str, dict[str, frozenset[str]]] = {}  # child, then mark; and what it does not count beside

    def unlike(self, person: Person, decision: Decision) -> frozenset[str]:
        """Those of the decision's candidates that this person has been said not to be.

        Not a child one of whose own identifiers the event bears: a clerk who has opened the wrong twin's record must not
        hide the right one.
        """
        there = [each.child for each in decision.candidates if each.child in self._known]
        if not there:
            return frozenset()
        marks = frozenset(pairs.marks(self._sealer, person))
        return frozenset(child for child in there if self._excluded(child, marks))

    def _excluded(self, child: str, marks: frozenset[str]) -> bool:
        said = self._known[child]
        return any(not marks & said[mark] for mark in marks & said.keys())

    async def load(self) -> None:
        """All there are. Raises one of AWAY."""
        at = self._clock()
        async with self._engine.connect() as connection:
            found = await pairs.since(connection, 0)
        whole: defaultdict[str, dict[str, frozenset[str]]] = defaultdict(dict)
        for pair in found:
            whole[pair.child][pair.mark] = pair.unless
        self._known = dict(whole)
        self._version = max((pair.version for pair in found), default=self._version)
        self._whole_at = at

    async def follow(self) -> None:
        """Stay in step with the database for ever. Woken by its notices; asks each second in case one is missed."""
        notices = Notices(self._engine)
        while True:
            try:
                await self.catch_up()
            except AWAY as problem:
                logger().warning("pairs-not-followed", error=type(problem).__name__)
            await notices.wait(POLL_SECONDS)

    async def catch_up(self) -> None:
        """Take what has changed since the last time. Raises one of AWAY."""
        if self._whole_at is None or self._clock() >= self._whole_at + WHOLE_EVERY:
            await self.load()
            return
        async with self._engine.connect() as connection:
            for pair in await pairs.since(connection, self._version):
                self._take_in(pair)
                self._version = pair.version

    def _take_in(self, pair: Pair) -> None:
        said = self._known.setdefault(pair.child, {})
        if pair.ended:
            said.pop(pair.mark, None)
        else:
            said[pair.mark] = pair.unless
        if not said:
            del self._known[pair.child]
