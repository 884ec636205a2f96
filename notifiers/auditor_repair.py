"""What the auditor mends by itself, and how it tells people of what it cannot: with the pager's own functions, and no others."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from notifiers import contact, escalate
from notifiers.auditor_invariants import PAGES_MAY_NOT_COME, Finding, Invariant
from notifiers.wake import Bells
from schemas.logs import logger
from schemas.pages import Channel, Purpose, Role
from store import escalating, expiry, people, sending, unsettled
from store.people import shifts

WAYS = (Channel.EMAIL, Channel.VOICE, Channel.SMS)
"""In which order a manager is told. Not by text first: that may be the very thing that fails."""


class Repair:
    """Mends what can be mended. Each thing in a transaction of its own; what fails again is found again."""

    def __init__(self, engine: AsyncEngine, bells: Bells, at_point: Callable[[str], None]) -> None:
        self._engine = engine
        self._bells = bells
        self._at_point = at_point

    async def mend(self, findings: Sequence[Finding], at: datetime) -> None:
        """Everything that these findings allow."""
        mends: Mapping[Invariant, Callable[[AsyncConnection, UUID, datetime], Awaitable[object]]] = {
            Invariant.STEP_LATE: self._escalate,
            Invariant.NOBODY_TOLD: self._begin_next,
            Invariant.CONTACT_LATE: self._ask,
        }
        for finding in findings:
            mend = mends.get(finding.invariant)
            if mend is not None and finding.of.page is not None:
                await self._alone(finding, mend, at)
        found = {finding.invariant for finding in findings}
        if Invariant.ATTEMPT_STUCK in found:
            await self._unstick(at)
        if Invariant.WINDOW_OVER in found:
            await self._end_windows(at)

    async def _alone(
        self, finding: Finding, mend: Callable[[AsyncConnection, UUID, datetime], Awaitable[object]], at: datetime
    ) -> None:
        assert finding.of.page is not None  # noqa: S101 - the caller has looked
        try:
            async with self._engine.begin() as connection:
                done = await mend(connection, finding.of.page, at)
        except (SQLAlchemyError, ValueError) as problem:
            logger().error("auditor-could-not-mend", page=finding.of.about, error=type(problem).__name__)
            return
        logger().warning("auditor-mended", page=finding.of.about, reason=finding.invariant.value, outcome=str(done))

    async def _escalate(self, connection: AsyncConnection, page: UUID, at: datetime) -> object:
        return await escalate.carry_out(connection, page, at=at, at_point=self._at_point)

    async def _begin_next(self, connection: AsyncConnection, page: UUID, at: datetime) -> object:
        await escalating.bring_forward(connection, page, to=at)
        return await escalate.carry_out(connection, page, at=at, at_point=self._at_point)

    async def _ask(self, connection: AsyncConnection, page: UUID, at: datetime) -> object:
        return await contact.carry_out(connection, page, at=at, at_point=self._at_point)

    async def _unstick(self, at: datetime) -> None:
        async with self._engine.begin() as connection:
            given_up = await unsettled.give_up_waiting(connection, at=at)
        logger().warning("auditor-mended", reason=Invariant.ATTEMPT_STUCK.value, count=given_up)
        self._bells.ring()

    async def _end_windows(self, at: datetime) -> None:
        async with self._engine.begin() as connection:
            ended = await expiry.expire(connection, at)
        logger().warning("auditor-mended", reason=Invariant.WINDOW_OVER.value, count=len(ended))


async def tell_managers(
    connection: AsyncConnection, findings: Sequence[Finding], channels: Collection[Channel], at: datetime
) -> int:
    """Tell the managers on call of the teams concerned, or of every team, by all of these channels that reach them; each
    once an hour for each promise. Returns how many attempts that makes.

    A finding that is about one page or team concerns its team; any other concerns everybody who may be waiting for a page.
    """
    told = 0
    for invariant in sorted({finding.invariant for finding in findings} & PAGES_MAY_NOT_COME):
        teams = {finding.of.team for finding in findings if finding.invariant is invariant}
        concerned = await _teams_on_call(connection, at) if None in teams else {team for team in teams if team}
        for team in sorted(concerned):
            told += await _tell(connection, invariant, team, channels, at)
    return told


async def _tell(
    connection: AsyncConnection, invariant: Invariant, team: str, channels: Collection[Channel], at: datetime
) -> int:
    told = 0
    for manager in await people.on_call(connection, team, Role.MANAGER, at):
        about = f"alarm/{invariant}/{manager.person}/{at:%Y-%m-%dT%H}"
        alarm: dict[str, Any] = {"purpose": Purpose.ALARM, "person": manager.person, "team": team, "about": about}
        ways = [channel for channel in WAYS if channel in channels and manager.can_be_reached_by(channel)]
        # By every way at once: which of them works is what nobody knows now.
        told += sum([await sending.add(connection, **alarm, channel=channel, at=at) for channel in ways])
    return told


async def _teams_on_call(connection: AsyncConnection, at: datetime) -> set[str]:
    now = (shifts.c.role == Role.MANAGER) & (shifts.c.starts <= at) & (shifts.c.ends > at)
    return set(await connection.scalars(select(shifts.c.team).where(now).distinct()))
