"""What a provider's receipt means to us, by the table of its words that each provider's module has, and what it moves."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from notifiers import notify, sms, voice
from notifiers.channel import Reason
from schemas.kinds import DRILL
from schemas.metrics import Metrics
from schemas.pages import AttemptState
from store import receipts
from store.receipts import Receipt, Settled

CALL = "CA"
"""How Twilio's ids of calls begin; its texts' begin otherwise."""


def read(receipt: Receipt) -> tuple[AttemptState, Reason | None] | None:
    """What a provider's word means: our state, and why if nobody was reached. None for a word that is in no table of its."""
    match receipt.provider:
        case notify.Notify.provider:
            return notify.STATUSES.get(receipt.status)
        case sms.Twilio.provider if receipt.provider_id.startswith(CALL):
            return voice.STATUSES.get(receipt.status)
        case _:
            state = sms.STATUSES.get(receipt.status)
    if state in (AttemptState.UNDELIVERED, AttemptState.FAILED):
        return state, sms.read_code(receipt.code)
    return (state, None) if state else None


async def take(connection: AsyncConnection, receipt: Receipt, *, at: datetime) -> Settled | None:
    """A receipt has come: keep it, and move its attempt if that moves it forward. None if nothing moved.

    Late, repeated, reordered and unknown ones all end here harmlessly. One whose attempt is not known waits for it.
    """
    if not await receipts.keep(connection, receipt, at=at):
        return None
    return await apply(connection, receipt, at=at)


async def join_orphans(connection: AsyncConnection, *, receipt: Receipt, at: datetime) -> list[Settled]:
    """Apply what was said of this message before we knew that it was ours."""
    assert receipt.attempt is not None  # noqa: S101 - the caller has just written the attempt
    waiting = await receipts.orphans(
        connection, attempt=receipt.attempt, provider=receipt.provider, provider_id=receipt.provider_id
    )
    moved = [await apply(connection, early, at=at) for early in waiting]
    return [settled for settled in moved if settled is not None]


async def apply(connection: AsyncConnection, receipt: Receipt, *, at: datetime) -> Settled | None:
    """Move the attempt as the receipt says. A status that is not in the table is kept and moves nothing."""
    meant = read(receipt)
    if meant is None:
        return None
    state, reason = meant
    return await receipts.settle(connection, receipt, to=state, reason=reason.value if reason else None, at=at)


def observe(metrics: Metrics, receipt: Receipt, settled: Settled, *, at: datetime) -> None:
    """Count it, and stop the clocks that it stops."""
    metrics.attempts.labels(channel=settled.channel, provider=receipt.provider, outcome=settled.state.value).inc()
    if settled.received_at is not None and settled.type != DRILL:
        taken = (at - settled.received_at).total_seconds()
        metrics.received_to_sent_seconds.labels(type=settled.type, authority=settled.authority).observe(taken)
    if settled.state is AttemptState.DELIVERED:
        seconds = max((at - settled.sent_at).total_seconds(), 0)
        metrics.sent_to_delivered_seconds.labels(channel=settled.channel, provider=receipt.provider).observe(seconds)
