"""Coming on call: told by text, confirmed by a reply, and reported to the manager if it is not."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.logs import logger
from schemas.metrics import Metrics
from store import duties, phones
from store.phones import PhoneState
from store.rotas import AHEAD


async def look(connection: AsyncConnection, _: Metrics, at: datetime) -> None:
    """Tell whoever comes on call soon, and report whoever has not confirmed; in the caller's transaction."""
    if told := await duties.tell_coming(connection, at=at):
        logger().info("coming-on-call", count=told)
    for shift in await duties.report_unconfirmed(connection, at=at):
        if shift.told:
            logger().warning("duty-unconfirmed", team=shift.team, count=len(shift.told))
        else:
            logger().error("duty-unconfirmed-and-nobody-to-tell", team=shift.team)


async def show(connection: AsyncConnection, metrics: Metrics, at: datetime) -> None:
    """Count the phones on the rota by their state, for the gauge."""
    people = await duties.people(connection, at, at + AHEAD)
    found = [phone.state for phone in await phones.listing(connection, people=people)]
    for state in PhoneState:
        metrics.phones.labels(state=state.value).set(found.count(state))
