"""What a provider's receipt means to us: its status words in one table, beside our states."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from notifiers.sms import read_code
from schemas.metrics import Metrics
from schemas.pages import AttemptState
from store import receipts
from store.receipts import Receipt, Settled

STATUSES: dict[str, AttemptState] = {
    # Twilio's word: our state. Its words are in its documentation of the Message resource.
    "accepted": AttemptState.SENT,  # "Twilio has received your API request to send a message"
    "scheduled": AttemptState.SENT,
    "queued": AttemptState.SENT,  # "the API request has been successful and the message is queued to be sent"
    "sending": AttemptState.SENT,  # "Twilio is in the process of dispatching the message to the carrier"
    "sent": AttemptState.SENT,  # "the nearest upstream carrier has accepted the message": no phone has it yet
    "delivered": AttemptState.DELIVERED,  # "Twilio has received confirmation of message delivery from the carrier"
    "read": AttemptState.DELIVERED,
    "undelivered": AttemptState.UNDELIVERED,  # "a delivery receipt indicating that the message was not delivered"
    "failed": AttemptState.FAILED,  # "the message could not be sent"
    "canceled": AttemptState.FAILED,
}


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
    state = STATUSES.get(receipt.status)
    if state is None:
        return None
    failed = state in (AttemptState.UNDELIVERED, AttemptState.FAILED)
    reason = read_code(receipt.code).value if failed else None
    return await receipts.settle(connection, receipt, to=state, reason=reason, at=at)


def observe(metrics: Metrics, receipt: Receipt, settled: Settled, *, at: datetime) -> None:
    """Count it, and stop the clocks that it stops."""
    metrics.attempts.labels(channel=settled.channel, provider=receipt.provider, outcome=settled.state.value).inc()
    if settled.received_at is not None:
        taken = (at - settled.received_at).total_seconds()
        metrics.received_to_sent_seconds.labels(type=settled.type, authority=settled.authority).observe(taken)
    if settled.state is AttemptState.DELIVERED:
        seconds = max((at - settled.sent_at).total_seconds(), 0)
        metrics.sent_to_delivered_seconds.labels(channel=settled.channel, provider=receipt.provider).observe(seconds)
