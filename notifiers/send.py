"""Sending one attempt, in four parts of which each is over before the next begins.

1. Claim: the attempt becomes `sending`, with a deadline and a fresh link, and that is committed.
2. Call the provider, holding no database connection.
3. Settle what it said, in a transaction of its own.
4. If it said nothing that settles it: wait for a receipt until the deadline, look it up, and try once more.

A crash between any two of them ends in part 4: at least one text goes out, at most two, with the same reference.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from notifiers import settle, texts
from notifiers.channel import DeliveryError, Notifier, Reason
from schemas.base import Clock
from schemas.kinds import BY_TYPE
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.pages import Channel
from store import sending, unsettled
from store.receipts import Receipt
from store.sending import Claimed, Sent
from store.unsettled import Unknown

DEADLINE = timedelta(seconds=8)
"""From the claim: 5 s for the provider's answer, and 3 s for a receipt that comes instead of it."""

GRACE = timedelta(seconds=2)
"""After an answer that leaves it open: only a receipt can still settle it."""

PAUSE = timedelta(seconds=2)
"""Before the second try, when the provider was busy or out of reach."""

NONE = "none"
"""The provider's label where a channel has none."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A claimed attempt and its words."""

    claimed: Claimed
    text: str


@dataclass(frozen=True)
class Sender:
    """Claims attempts and sends them through the notifiers that are set up. Safe in any number of processes at once."""

    engine: AsyncEngine
    notifiers: Mapping[Channel, Notifier]
    base_url: str
    metrics: Metrics
    clock: Clock
    at_point: Callable[[str], None]

    @cached_property
    def by_statement(self) -> AsyncEngine:
        """The same connections, each statement committed by itself: one round trip where a transaction has three."""
        return self.engine.execution_options(isolation_level="AUTOCOMMIT")

    async def claim(self, limit: int) -> list[Ready]:
        """Up to `limit` attempts for this sender alone, pages first."""
        now = self.clock()
        async with self.by_statement.connect() as connection:
            claimed, dropped = await sending.claim(connection, at=now, deadline=now + DEADLINE, limit=limit)
        if dropped:
            logger().info("attempts-dropped", count=dropped, reason=Reason.PAGE_MOVED_ON.value)
        if claimed:
            self.at_point("after_attempt_row")
        return [Ready(one, self._word(one)) for one in claimed]

    async def deliver(self, ready: Ready) -> None:
        """Send it and settle it. Raises SQLAlchemyError if it cannot be settled now: then its deadline will."""
        one = ready.claimed
        try:
            notifier = self._notifier(one)
            self.at_point("before_http")
            accepted = await notifier.send(one.mobile, ready.text, attempt=one.attempt, valid_seconds=one.wait_seconds)
        except DeliveryError as problem:
            await self._settle_problem(one, problem)
            return
        self.at_point("after_http_reply")
        receipt = Receipt(notifier.provider, accepted.provider_id, "", attempt=one.attempt)
        await self._settle_sent(receipt, one.channel, one.type, one.authority)

    async def resolve(self, lost: Unknown, channel: Channel = Channel.SMS) -> None:
        """Nothing was heard of it: ask the provider what became of it, and if it knows nothing, try once more."""
        notifier = self.notifiers.get(channel)
        found = None
        if notifier is not None and lost.reference is not None:
            try:
                found = await notifier.look_up(
                    lost.mobile, containing=lost.reference, since=lost.since, known=lost.known
                )
            except DeliveryError as problem:
                logger().warning("look-up-failed", attempt=str(lost.attempt), reason=problem.reason.value)
        if notifier is not None and found is not None:
            receipt = Receipt(notifier.provider, found.provider_id, "", attempt=lost.attempt)
            await self._settle_sent(receipt, channel, "", "")
            return
        async with self.engine.begin() as connection:
            again = await unsettled.try_again(connection, lost.attempt, at=self.clock())
        logger().warning("attempt-unknown", attempt=str(lost.attempt), outcome="tried-again" if again else "left")

    def _notifier(self, one: Claimed) -> Notifier:
        if one.opted_out:
            raise DeliveryError(Reason.OPTED_OUT, permanent=True)
        notifier = self.notifiers.get(one.channel)
        if notifier is None:
            raise DeliveryError(Reason.CHANNEL_NOT_SET_UP, permanent=True)
        return notifier

    def _word(self, one: Claimed) -> str:
        kind = BY_TYPE.get(one.type)
        link = f"{self.base_url}/p/{one.token}" if one.token else self.base_url
        fields = texts.Fields(one.reference, kind.place if kind else "an agency", one.team, link)
        return texts.write(one.purpose, fields)

    async def _settle_sent(self, receipt: Receipt, channel: Channel, type_: str, authority: str) -> None:
        assert receipt.attempt is not None  # noqa: S101 - both callers give it
        now = self.clock()
        self.at_point("before_status_row")
        try:
            sent = await self._mark_sent(receipt.attempt, receipt, now)
        except OperationalError as problem:
            if not problem.connection_invalidated:
                raise
            # It had died unnoticed, as all do in a restart of PostgreSQL. To write the same again changes nothing.
            sent = await self._mark_sent(receipt.attempt, receipt, now)
        self.at_point("after_status_row")
        self._count(channel, receipt.provider, "sent")
        if sent.received_at is not None and type_:
            seconds = (now - sent.received_at).total_seconds()
            self.metrics.received_to_sent_seconds.labels(type=type_, authority=authority).observe(seconds)
        if sent.receipts:
            await self._settle_early(receipt, now)
        logger().info("attempt-sent", attempt=str(receipt.attempt), channel=channel.value, provider=receipt.provider)

    async def _mark_sent(self, attempt: UUID, receipt: Receipt, now: datetime) -> Sent:
        async with self.by_statement.connect() as connection:
            return await sending.settle_sent(
                connection, attempt, provider=receipt.provider, provider_id=receipt.provider_id, at=now
            )

    async def _settle_early(self, receipt: Receipt, now: datetime) -> None:
        """Receipts that came before we knew whose they are. Should we die here, the silence moves the page on."""
        async with self.engine.begin() as connection:
            early = await settle.join_orphans(connection, receipt=receipt, at=now)
        for settled in early:
            settle.observe(self.metrics, receipt, settled, at=now)

    async def _settle_problem(self, one: Claimed, problem: DeliveryError) -> None:
        now = self.clock()
        notifier = self.notifiers.get(one.channel)
        provider = notifier.provider if notifier else NONE
        words = {"attempt": str(one.attempt), "reason": problem.reason.value, "code": problem.code}
        if not problem.certain:
            if problem.reason is not Reason.NO_ANSWER:
                async with self.engine.begin() as connection:
                    await sending.shorten(connection, one.attempt, deadline=now + GRACE)
            self._count(one.channel, provider, "unknown")
            logger().warning("attempt-unanswered", **words)
            return
        async with self.engine.begin() as connection:
            await sending.settle_failed(
                connection,
                one.attempt,
                reason=problem.reason.value,
                code=problem.code,
                provider=notifier.provider if notifier else None,
                at=now,
            )
            if one.try_ == 1 and not problem.permanent:
                await unsettled.try_again(connection, one.attempt, at=now + PAUSE)
        self._count(one.channel, provider, "failed")
        logger().warning("attempt-failed", **words)

    def _count(self, channel: Channel, provider: str, outcome: str) -> None:
        self.metrics.attempts.labels(channel=channel.value, provider=provider, outcome=outcome).inc()
