"""STOP from a phone on call: the law's opt-out is kept, and whoever manages the rota is told at once (paging page, 2.8)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.logs import logger
from schemas.pages import Purpose, Role
from store import answers, people, sending
from store.audit import What, record
from store.people import Responder, responders


async def stop(
    connection: AsyncConnection, person: Responder, waiting: Sequence[UUID], *, about: str, at: datetime
) -> None:
    """This phone can no longer be texted. What waits for it goes to the next person now, and each team's manager is told.

    `waiting` are the open pages this person was told of; `about` is the message's id, so that it is told once.
    """
    for page in sorted(waiting):
        await answers.pass_on(connection, page, person.person, via="reply", at=at)
    await _set(connection, person, at)
    told = 0
    for team in person.teams:
        for manager in await people.on_call(connection, team, Role.MANAGER, at):
            if manager.person != person.person:
                about_this = f"{about}/{team}"
                told += await sending.add(
                    connection, purpose=Purpose.STOPPED, person=manager.person, at=at, team=team, about=about_this
                )
    if not told:
        logger().error("phone-stopped-and-no-manager-on-call", count=len(person.teams))
    await record(
        connection,
        What.PHONE_STOPPED,
        who=person.person,
        about=f"responder/{person.person}",
        at=at,
        detail={"managers_told": told},
    )


async def start(connection: AsyncConnection, person: Responder, *, at: datetime) -> None:
    """This phone can be texted again."""
    await _set(connection, person, None)
    await record(connection, What.PHONE_STARTED, who=person.person, about=f"responder/{person.person}", at=at)


async def _set(connection: AsyncConnection, person: Responder, stopped_at: datetime | None) -> None:
    mine = responders.c.person == person.person
    await connection.execute(update(responders).where(mine).values(stopped_at=stopped_at))
