"""Whatever order events, cancellations, releases and replays come in: the same few rules hold after every step."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.kinds import BY_TYPE
from schemas.moments import Message, MomentFound, Outcome, ReviewAsked
from store.following import follow_up
from store.moments import facts, moments
from store.opening import open_or_join
from store.pages import pages
from store.reviews import ask_review
from tests.store_cast import NOON, ROBIN, SEALER, WREN, asked, cancelled, child, found, house, released, watch

T = TypeVar("T")
EVENTS = st.sampled_from(range(4))
WHO = st.sampled_from((ROBIN, WREN))


class History(RuleBasedStateMachine):
    """Two children and a handful of events, told and taken back in any order; each example has children of its own."""

    engine: AsyncEngine
    runner: asyncio.Runner
    examples = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).examples += 1
        self.name = f"h{self.examples}"
        self.told: dict[str, tuple[Message, Outcome]] = {}
        self.run(self._list())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _list(self) -> None:
        async with self.engine.begin() as connection:
            await watch(connection, *(child(self.own(who)) for who in (ROBIN, WREN)))

    def own(self, name: str) -> str:
        return f"{self.name}-{name}"

    def say(self, name: str, message: Message) -> None:
        """The first message of this name is what it says for ever: an agency's id is used once."""
        message, ended = self.told.get(name, (message, None))
        outcome = self.run(self._handle(message))
        assert ended in (None, outcome), "a replay ended otherwise"
        self.told[name] = message, outcome

    async def _handle(self, message: Message) -> Outcome:
        async with self.engine.begin() as connection:
            if isinstance(message, MomentFound):
                return await open_or_join(connection, SEALER, message, at=NOON)
            if isinstance(message, ReviewAsked):
                return await ask_review(connection, SEALER, message, at=NOON)
            return await follow_up(connection, SEALER, message, at=NOON)  # type: ignore[arg-type]

    @rule(number=EVENTS, who=WHO)
    def an_agency_tells_of_a_child(self, number: int, who: str) -> None:
        name = self.own(f"event-{number}")
        self.say(name, found(name, self.own(who)))

    @rule(number=EVENTS, who=WHO)
    def an_agency_tells_of_somebody_who_may_be_a_child(self, number: int, who: str) -> None:
        name = self.own(f"event-{number}")
        self.say(name, asked(name, self.own(who)))

    @rule(number=EVENTS)
    def an_agency_takes_it_back(self, number: int) -> None:
        name = self.own(f"cancel-{number}")
        self.say(name, cancelled(name, of=self.own(f"event-{number}")))

    @rule(number=EVENTS)
    def the_child_leaves(self, number: int) -> None:
        name = self.own(f"release-{number}")
        self.say(name, released(name, about=self.own(f"event-{number}")))

    @rule()
    def everything_comes_again(self) -> None:
        for name, (message, _) in list(self.told.items()):
            self.say(name, message)

    @invariant()
    def the_rules_hold(self) -> None:
        self.run(self._check())

    async def _check(self) -> None:
        async with self.engine.connect() as connection:
            for who in (ROBIN, WREN):
                await self._check_child(connection, self.own(who))

    async def _check_child(self, connection: AsyncConnection, who: str) -> None:
        mine = select(moments.c.moment, moments.c.state, pages.c.state.label("page")).outerjoin(pages)
        found_ = (await connection.execute(mine.where(moments.c.child == who))).all()
        assert sum(row.state == "open" for row in found_) <= 1, "one open moment for a child"
        for row in found_:
            live = (facts.c.moment == row.moment) & facts.c.withdrawn_at.is_(None) & facts.c.type.in_(BY_TYPE)
            lives = await connection.scalar(select(func.count()).select_from(facts).where(live))
            assert (row.page == "open") == bool(lives), (
                "a page is open if, and only if, a fact still tells of the child"
            )
            assert (row.state == "open") == (row.page == "open")


def test_the_rules_hold_in_any_order(database_url: str) -> None:
    with asyncio.Runner() as runner:
        made = house(database_url)
        History.engine, History.runner = runner.run(made.__aenter__()), runner
        History.examples = 0
        try:
            run_state_machine_as_test(  # type: ignore[no-untyped-call]
                History,
                settings=settings(
                    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
                ),
            )
        finally:
            runner.run(made.__aexit__(None, None, None))
