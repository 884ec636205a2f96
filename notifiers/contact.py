"""Accepted, and then silence: whoever has the page is asked for contact by text, then by voice, then the team is asked again.

Each wait is a clock of its own (`schemas.pages.ContactWaits`). A question that reaches nobody does not wait for the next.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.logs import logger
from schemas.pages import CONTACT_WAITS, Channel, ContactWaits, Reopened
from store import audit, escalating, reopening

WHO = "pager"


class Asked(StrEnum):
    """What was done about an accepted page without contact."""

    BY_TEXT = "by-text"
    BY_VOICE = "by-voice"
    BACK_TO_THE_TEAM = "back-to-the-team"


IN_ORDER = (Asked.BY_TEXT, Asked.BY_VOICE, Asked.BACK_TO_THE_TEAM)
CHANNELS = {Asked.BY_TEXT: Channel.SMS, Asked.BY_VOICE: Channel.VOICE}


def decide(asked: int) -> Asked:
    """What comes next after so many questions."""
    return IN_ORDER[min(asked, len(IN_ORDER) - 1)]


async def carry_out(
    connection: AsyncConnection,
    page: UUID,
    *,
    at: datetime,
    at_point: Callable[[str], None],
    waits: ContactWaits = CONTACT_WAITS,
) -> Asked | None:
    """Ask once more about one page, or give it back to its team, in the caller's transaction.

    None if somebody has answered meanwhile, or another process has it in hand.
    """
    held = await escalating.hold_accepted(connection, page)
    if held is None:
        return None
    next_ = decide(held.asked)
    at_point("before_contact_asked")
    if next_ is Asked.BACK_TO_THE_TEAM:
        lines = await reopening.reopen(connection, page, Reopened.NO_CONTACT, at=at) or []
    else:
        wait = waits.call if next_ is Asked.BY_TEXT else waits.team
        next_at = at + timedelta(seconds=wait)
        await escalating.ask_for_contact(connection, held, CHANNELS[next_], next_at=next_at, at=at)
        detail = {"person": held.person, "by": CHANNELS[next_]}
        lines = [audit.Line(audit.What.CONTACT_ASKED, WHO, f"page/{page}", at, detail)]
    await audit.record_all(connection, lines)
    logger().info("contact-asked", page=str(page), outcome=next_.value)
    return next_
