"""The synthetic child: nobody's, watched in code and on no list, so that the whole way can be tried every minute.

Her events come in at the gateway like any other and end one hop before the provider. She is in no count and on no list:
she has an authority and a team of her own, which no person belongs to.
"""

from datetime import date
from typing import Final
from uuid import UUID

from schemas.child import WatchedChild
from schemas.events import ArrestReported
from schemas.person import Person

NAME: Final = "nightlight-probe"
"""Of her entry, her team, her authority, the agency that tells of her, and the one who is told."""

PAGE_TYPE: Final = "nightlight.probe.v1"
"""The type of her pages: no event has it, so nobody outside can make one, and no clock of a real page counts it."""

NO_PHONE: Final = "+999000000000"
"""In place of a mobile number: no country has this code, and nothing is ever sent to it."""

# A name, a birth date and a number from the block of made-up children that nothing else here uses.
PROBE: Final = WatchedChild(
    child_id=NAME,
    authority=NAME,
    team=NAME,
    family_name="Nightlightprobe",
    given_name="Synthetica",
    date_of_birth=date(2011, 2, 28),
    nhs_number="9998887771",
    reason="tries the whole way, every minute",
    legal_basis="none: she does not exist",
    decided_by="Nightlight",
)


def event(number: UUID) -> ArrestReported:
    """What is told of her: a made-up arrest, a new one each time."""
    person = Person(
        family_name=PROBE.family_name,
        given_name=PROBE.given_name,
        date_of_birth=PROBE.date_of_birth,
        nhs_number=PROBE.nhs_number,
    )
    return ArrestReported(custody_record=str(number), force=NAME, suite=NAME, person=person)
