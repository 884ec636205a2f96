"""Sharing agreements: under which one an agency sends, and until when (domain page, L14)."""

import re
from datetime import datetime, time, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.london import LONDON, today
from store import audit
from store.agencies import agencies, hold
from store.audit import What
from store.rights import AgencyRefused, Agreement

_ENTERED = select(agencies.c.agreement_starts, agencies.c.agreement_ends)
_AGREEMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")


async def agree(connection: AsyncConnection, agency: str, agreement: Agreement, *, at: datetime, who: str) -> None:
    """Enter the sharing agreement under which an agency sends, in place of the former one.

    Raises:
        AgencyRefused: there is no such agency, or the agreement is over, or has no sound id; or it begins later, while the
            former one is in force: until then the agency would be refused.
    """
    if not _AGREEMENT.fullmatch(agreement.id):
        raise AgencyRefused(
            "An agreement's id is letters, digits and . _ / - up to 100, as in the register of agreements."
        )
    if agreement.ends < max(agreement.starts, today(at)):
        raise AgencyRefused("The agreement must end today or later, and not before it starts: look at its dates.")
    await hold(connection, agency)
    former = (await connection.execute(_ENTERED.where(agencies.c.agency == agency))).one()
    now = today(at)
    in_force = former.agreement_starts and former.agreement_starts <= now <= former.agreement_ends
    if in_force and agreement.starts > now:
        raise AgencyRefused(
            f"{agency} sends under another agreement until {former.agreement_ends:%d %b %Y}, and nothing would be taken until "
            "this one starts: enter it on its first day, or with a first day that has come."
        )
    values = {
        "agreement": agreement.id,
        "agreement_starts": agreement.starts,
        "agreement_ends": agreement.ends,
    }
    await connection.execute(update(agencies).where(agencies.c.agency == agency).values(**values))
    detail = {"agreement": agreement.id, "starts": str(agreement.starts), "ends": str(agreement.ends)}
    await audit.record(connection, What.AGENCY_AGREED, who=who, about=agency, at=at, detail=detail)


async def ends(connection: AsyncConnection) -> dict[str, datetime]:
    """Agency → the instant at which its sharing agreement ends: the midnight after its last day, in London."""
    rows = await connection.execute(select(agencies.c.agency, agencies.c.agreement_ends))
    return {
        row.agency: datetime.combine(row.agreement_ends + timedelta(days=1), time(), LONDON)
        for row in rows
        if row.agreement_ends
    }
