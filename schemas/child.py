"""A watched child: who somebody has promised to watch over, why, on whose decision, and until when (contract section 5)."""

from datetime import date
from typing import Annotated

from pydantic import StringConstraints

from schemas.base import Name, Shape
from schemas.person import Person, PlainDate, Sex

ChildId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]


class WatchedChild(Shape):
    """One entry of the list. Kept sealed; in the clear are only its id, authority, team and dates.

    `former_...`: what updates have replaced, newest first (`store.formers`). An agency that has not heard of a move or of
    a new name sends them still. Identifiers as (field, canonical value). No file may set them; removing the child ends them.
    """

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
    former_family_names: tuple[Name, ...] = ()
    former_given_names: tuple[Name, ...] = ()
    former_postcodes: tuple[str, ...] = ()
    former_identifiers: tuple[tuple[str, str], ...] = ()

    @property
    def has_formers(self) -> bool:
        """Whether an update has replaced anything that an agency may still say."""
        names = self.former_family_names or self.former_given_names
        return bool(names or self.former_postcodes or self.former_identifiers)

    def in_force(self, today: date) -> bool:
        """Whether it may match. A passed review or expiry date stops it, and the manager is told (domain page, L1)."""
        return self.starts_on <= today <= min(self.review_on, self.expires_on)

    def person(self) -> Person:
        """The part that is compared with an event's person. Raises ValueError if there is nothing to recognise the child by."""
        return Person.model_validate(self.model_dump(include=set(Person.model_fields), exclude_none=True))
