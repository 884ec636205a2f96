"""STOP from a phone on call: the law's opt-out is kept, and whoever manages the rota is told at once (paging page, 2.8)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.logs import logger
from schemas.pages import Channel, Purpose
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
        told += await _tell(connection, person, team, about=f"{about}/{team}", at=at)
    if not told:
        logger().error("phone-stopped-and-nobody-to-tell", count=len(person.teams))
    await record(
        connection,
        What.PHONE_STOPPED,
        who=person.person,
        about=f"responder/{person.person}",
        at=at,
        detail={"managers_told": told},
    )


async def _tell(connection: AsyncConnection, person: Responder, team: str, *, about: str, at: datetime) -> int:
    """Returns how many are told. Of those who are no managers nobody by mail alone: they have opted out too."""
    told = await people.managers_or_others(connection, team, at, but=person.person, others_by=(Channel.SMS,))
    stopped: dict[str, Any] = {"purpose": Purpose.STOPPED, "team": team, "about": about, "at": at}
    return sum([await sending.add(connection, person=who, channel=channel, **stopped) for who, channel in told])


async def start(connection: AsyncConnection, person: Responder, *, at: datetime) -> None:
    """This phone can be texted again."""
    await _set(connection, person, None)
    await record(connection, What.PHONE_STARTED, who=person.person, about=f"responder/{person.person}", at=at)


async def _set(connection: AsyncConnection, person: Responder, stopped_at: datetime | None) -> None:
    mine = responders.c.person == person.person
    await connection.execute(update(responders).where(mine).values(stopped_at=stopped_at))
