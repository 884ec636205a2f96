"""A watched child: who somebody has promised to watch over, why, on whose decision, and until when (contract section 5)."""

from datetime import date
from typing import Annotated

from pydantic import StringConstraints

from schemas.base import Name, Shape
from schemas.person import Person, PlainDate, Sex

ChildId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]


class WatchedChild(Shape):
    """One entry of the list. Kept sealed; in the clear are only its id, authority, team and dates."""

    child_id: ChildId
    authority: str
    team: str
    family_name: Name | None = None
    given_name: Name | None = None
    other_names: tuple[Name, ...] = ()
    previous_family_names: tuple[Name, ...] = ()
    date_of_birth: PlainDate | None = None
    sex: Sex | None = None
    postcode: str | None = None
    address_line: Name | None = None
    nhs_number: str | None = None
    upn: str | None = None
    pnc_id: str | None = None
    cro_number: str | None = None
    reason: str = ""
    legal_basis: str = ""
    decided_by: str = ""
    starts_on: PlainDate = date.min
    review_on: PlainDate = date.max
    expires_on: PlainDate = date.max
    approach: str = ""

    def in_force(self, today: date) -> bool:
        """Whether it may match. A passed review or expiry date stops it, and the manager is told (domain page, L1)."""
        return self.starts_on <= today <= min(self.review_on, self.expires_on)

    def person(self) -> Person:
        """The part that is compared with an event's person. Raises ValueError if there is nothing to recognise the child by."""
        return Person.model_validate(self.model_dump(include=set(Person.model_fields), exclude_none=True))
