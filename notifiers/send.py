"""Sending one attempt, in four parts of which each is over before the next begins.

1. Claim: the attempt becomes `sending`, with a deadline and a fresh link, and that is committed.
2. Call the provider, holding no database connection.
3. Settle what it said, in a transaction of its own.
4. If it said nothing that settles it: wait for a receipt until the deadline, look it up, and try once more, through
   another provider of the same channel if there is one.

A crash between any two of them ends in part 4: at least one text goes out, at most two, with the same reference.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from notifiers import failover, settle, texts, wording
from notifiers.channel import PROVIDERS_OWN, Accepted, DeliveryError, Notifier, Reason
from notifiers.providers import Providers, Room
from schemas.base import Clock
from schemas.kinds import BY_TYPE, DRILL
from schemas.logs import logger
from schemas.metrics import Metrics
from schemas.pages import Channel
from schemas.probe import PAGE_TYPE
from store import probing, sending, unsettled
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
    providers: Providers
    base_url: str
    metrics: Metrics
    clock: Clock
    at_point: Callable[[str], None]

    @cached_property
    def by_statement(self) -> AsyncEngine:
        """The same connections, each statement committed by itself: one round trip where a transaction has three."""
        return self.engine.execution_options(isolation_level="AUTOCOMMIT")

    async def claim(self, limit: int, room: Room | None = None) -> list[Ready]:
        """Up to `limit` attempts for this sender alone, pages first; `room` is what there was for them, if it is known."""
        now, room = self.clock(), room or self.providers.room()
        async with self.by_statement.connect() as connection:
            claimed, dropped = await sending.claim(
                connection, at=now, deadline=now + DEADLINE, limit=limit, full=room.full, drawn=room.drawn
            )
        if dropped:
            logger().info("attempts-dropped", count=dropped, reason=Reason.PAGE_MOVED_ON.value)
        for one in claimed:
            self.providers.begin(one.channel, one.provider, one.attempt)
        if claimed:
            self.at_point("after_attempt_row")
        return [Ready(one, self._word(one)) for one in claimed]

    async def deliver(self, ready: Ready) -> None:
        """Send it and settle it. Raises SQLAlchemyError if it cannot be settled now: then its deadline will."""
        one = ready.claimed
        try:
            if one.type == PAGE_TYPE:
                await self._end_probe(one)
                return
            await self._deliver(one, ready.text)
        finally:
            self.providers.end(one.channel, one.provider, one.attempt)

    async def _deliver(self, one: Claimed, text: str) -> None:
        try:
            notifier = self._notifier(one)
            to = _address(one)
            self.at_point("before_http")
            accepted = await notifier.send(to, text, attempt=one.attempt, valid_seconds=one.wait_seconds)
        except DeliveryError as problem:
            await self._settle_problem(one, problem)
            return
        self.at_point("after_http_reply")
        await self._settle_sent(one.attempt, notifier, accepted, one.type, one.authority)

    async def resolve(self, lost: Unknown) -> None:
        """Nothing was heard of it: ask the provider what became of it, and if it knows nothing, try once more."""
        notifier = self.providers.get(lost.channel, lost.provider)
        found = None
        if notifier is not None:
            try:
                found = await notifier.look_up(
                    lost.mobile,
                    attempt=lost.attempt,
                    containing=lost.reference or "",
                    since=lost.since,
                    known=lost.known,
                )
            except DeliveryError as problem:
                logger().warning("look-up-failed", attempt=str(lost.attempt), reason=problem.reason.value)
        if notifier is not None and found is not None:
            await self._settle_sent(lost.attempt, notifier, found, "", "")
            return
        other = self.providers.other(lost.channel, lost.provider)
        async with self.engine.begin() as connection:
            again = await unsettled.try_again(
                connection, lost.attempt, at=self.clock(), provider=other or lost.provider
            )
        outcome = "tried-again" if again else "left"
        logger().warning("attempt-unknown", attempt=str(lost.attempt), outcome=outcome, provider=other)

    async def ask_after(self, quiet: Unknown) -> None:
        """No receipt has come of it: ask the provider how it stands, and take its word as one. Nothing is sent."""
        notifier = self.providers.get(quiet.channel, quiet.provider)
        if notifier is None or notifier.provider != quiet.provider:
            return
        try:
            found = await notifier.look_up(
                quiet.mobile,
                attempt=quiet.attempt,
                containing=quiet.reference or "",
                since=quiet.since,
                known=quiet.known,
            )
        except DeliveryError as problem:
            logger().warning("look-up-failed", attempt=str(quiet.attempt), reason=problem.reason.value)
            return
        if found is None or found.provider_id != quiet.provider_id or not found.status:
            return
        receipt, now = (
            Receipt(notifier.provider, found.provider_id, found.status, found.code, quiet.attempt),
            self.clock(),
        )
        async with self.engine.begin() as connection:
            settled = await settle.take(connection, receipt, at=now)
        if settled is not None:
            settle.observe(self.metrics, receipt, settled, at=now)

    async def _end_probe(self, one: Claimed) -> None:
        """The synthetic child has come as far as anybody's page, and ends here: the one hop left out is the provider's."""
        now = self.clock()
        async with self.engine.begin() as connection:
            seconds = await probing.came_through(connection, one.attempt, at=now)
        if seconds is not None:
            self.metrics.probe_seconds.observe(max(seconds, 0.0))
            self.metrics.probe_last_success_timestamp_seconds.set(now.timestamp())

    def _notifier(self, one: Claimed) -> Notifier:
        if one.opted_out and one.channel in (Channel.SMS, Channel.VOICE):
            raise DeliveryError(Reason.OPTED_OUT, permanent=True)
        notifier = self.providers.get(one.channel, one.provider)
        if notifier is None:
            raise DeliveryError(Reason.CHANNEL_NOT_SET_UP, permanent=True)
        return notifier

    def _word(self, one: Claimed) -> str:
        kind = BY_TYPE.get(one.type)
        link = f"{self.base_url}/p/{one.token}" if one.token else self.base_url
        fields = texts.Fields(
            one.reference,
            kind.place if kind else "an agency",
            one.team,
            link,
            one.note,
            drill=one.type == DRILL,
            possible=one.possible,
        )
        return wording.write(one.channel, one.purpose, fields)

    async def _settle_sent(
        self, attempt: UUID, notifier: Notifier, accepted: Accepted, type_: str, authority: str
    ) -> None:
        now, channel = self.clock(), notifier.channel
        receipt = Receipt(notifier.provider, accepted.provider_id, accepted.status, accepted.code, attempt)
        self.at_point("before_status_row")
        try:
            sent = await self._mark_sent(attempt, receipt, now)
        except OperationalError as problem:
            if not problem.connection_invalidated:
                raise
            # It had died unnoticed, as all do in a restart of PostgreSQL. To write the same again changes nothing.
            sent = await self._mark_sent(attempt, receipt, now)
        self.at_point("after_status_row")
        self._count(channel, receipt.provider, "sent")
        if sent.received_at is not None and type_ and type_ != DRILL:
            seconds = (now - sent.received_at).total_seconds()
            self.metrics.received_to_sent_seconds.labels(type=type_, authority=authority).observe(seconds)
        if sent.receipts or receipt.status:
            await self._settle_early(receipt, now)
        logger().info("attempt-sent", attempt=str(attempt), channel=channel.value, provider=receipt.provider)
        if self.providers.has_failed(channel, receipt.provider):
            order = self.providers.order(channel)
            async with self.engine.begin() as connection:
                stands = await failover.success(connection, channel, receipt.provider, order=order, at=now)
            self.providers.stand(channel, stands)

    async def _mark_sent(self, attempt: UUID, receipt: Receipt, now: datetime) -> Sent:
        async with self.by_statement.connect() as connection:
            return await sending.settle_sent(
                connection, attempt, provider=receipt.provider, provider_id=receipt.provider_id, at=now
            )

    async def _settle_early(self, receipt: Receipt, now: datetime) -> None:
        """What came before we knew whose it is, or with the answer. Should we die here, the silence moves the page on."""
        async with self.engine.begin() as connection:
            early = await settle.join_orphans(connection, receipt=receipt, at=now)
            told = await settle.take(connection, receipt, at=now) if receipt.status else None
        for settled in (*early, *filter(None, (told,))):
            settle.observe(self.metrics, receipt, settled, at=now)

    async def _settle_problem(self, one: Claimed, problem: DeliveryError) -> None:
        now = self.clock()
        notifier = self.providers.get(one.channel, one.provider)
        provider = notifier.provider if notifier else None
        if problem.certain:
            await self._settle_failed(one, problem, provider, now)
        elif problem.reason is not Reason.NO_ANSWER:
            async with self.engine.begin() as connection:
                await sending.shorten(
                    connection, one.attempt, deadline=now + GRACE, reason=problem.reason.value, code=problem.code
                )
        outcome = "failed" if problem.certain else "unknown"
        self._count(one.channel, provider or NONE, outcome)
        words = {"attempt": str(one.attempt), "reason": problem.reason.value, "code": problem.code}
        logger().warning("attempt-failed", outcome=outcome, provider=provider, channel=one.channel.value, **words)
        if provider is not None:
            await self._blame(one.channel, provider, problem.reason, now)

    async def _settle_failed(self, one: Claimed, problem: DeliveryError, provider: str | None, now: datetime) -> None:
        """It will not arrive this way. What is wrong with the provider, another may do better at once."""
        other = self.providers.other(one.channel, provider) if problem.reason in PROVIDERS_OWN else None
        async with self.engine.begin() as connection:
            await sending.settle_failed(
                connection, one.attempt, reason=problem.reason.value, code=problem.code, provider=provider, at=now
            )
            if one.try_ == 1 and other is not None:
                await unsettled.try_again(connection, one.attempt, at=now, provider=other)
            elif one.try_ == 1 and not problem.permanent:
                await unsettled.try_again(connection, one.attempt, at=now + PAUSE, provider=provider)

    async def _blame(self, channel: Channel, provider: str, reason: Reason, now: datetime) -> None:
        """Let the next attempts go another way, if it was the provider's fault."""
        if reason not in PROVIDERS_OWN:
            return
        async with self.engine.begin() as connection:
            order = self.providers.order(channel)
            stands = await failover.fault(connection, channel, provider, reason, order=order, at=now)
        if stands is not None:
            self.providers.stand(channel, stands)

    def _count(self, channel: Channel, provider: str, outcome: str) -> None:
        self.metrics.attempts.labels(channel=channel.value, provider=provider, outcome=outcome).inc()


def _address(one: Claimed) -> str:
    """Where this channel reaches them. Raises DeliveryError."""
    match one.channel:
        case Channel.EMAIL if one.email:
            return one.email
        case Channel.EMAIL:
            raise DeliveryError(Reason.NO_ADDRESS, permanent=True)
        case Channel.WEBHOOK:
            return one.team
        case _:
            return one.mobile
