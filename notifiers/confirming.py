"""Replies that are about the phone or the rota and not about a page: a code, and the OK to a time on call or to a test.

A page comes first, always: while one waits for this person's answer, "1" and "OK" mean the page. Only a code is read
whatever is open, because no answer to a page looks like one.
"""

import re
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from notifiers import texts
from store import duties, phones
from store.people import Responder
from store.phones import Checked

ANSWERED_WITHIN = timedelta(hours=24)
"""So long an OK may still be the answer to a test of the phone."""

_CODE = re.compile(r"[^0-9A-Za-z]*([0-9]{6})[^0-9A-Za-z]*")


async def take(connection: AsyncConnection, person: Responder, body: str, *, accepts: bool, at: datetime) -> str | None:
    """What to say, if these words were meant so; None, and then they are about a page, or about nothing.

    `accepts`: the words are those of an acceptance, and no page waits for one.
    """
    code = _CODE.fullmatch(body)
    if code and await phones.waits_for_code(connection, person.person, at=at):
        found = await phones.check_code(connection, person.person, code[1], at=at, who=person.person)
        return texts.VERIFIED if found is Checked.VERIFIED else texts.WRONG_CODE
    if not accepts:
        return None
    if await duties.confirm(connection, person.person, at=at):
        return texts.CONFIRMED
    if await phones.was_tested(connection, person.person, since=at - ANSWERED_WITHIN):
        return texts.PROVEN
    return None
