"""What each form asks, as a table: the page, the reading of it and its errors all come from here."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from schemas.dfe import MEANINGS, Reason


class Kind(Enum):
    """How a field is shown and read."""

    TEXT = auto()
    NAMES = auto()  # several, with commas between
    DATE = auto()  # three boxes
    WHEN = auto()  # three boxes and the time of day
    ONE_OF = auto()
    SOME_OF = auto()
    TICK = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """One question. `past`: it cannot be still to come. `ticked` is what a tick puts into the data, by place."""

    name: str
    label: str
    kind: Kind = Kind.TEXT
    hint: str = ""
    required: bool = False
    person: bool = False
    past: bool = False
    short: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    ticked: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One form. `at` is the field that says when it happened; `place` asks what and where, and `who` of whom."""

    slug: str
    type: str
    title: str
    lead: str
    place: tuple[Field, ...]
    who: tuple[Field, ...] = ()
    at: str = ""


def _who(*identifiers: Field) -> tuple[Field, ...]:
    return (
        Field("family_name", "Family name", person=True),
        Field("given_name", "First name", person=True),
        Field(
            "other_names", "Other names", Kind.NAMES, "Middle names, nicknames. Put commas between them.", person=True
        ),
        Field("date_of_birth", "Date of birth", Kind.DATE, "For example, 14 3 2010", person=True),
        Field(
            "sex",
            "Sex",
            Kind.ONE_OF,
            person=True,
            choices=(("female", "Female"), ("male", "Male"), ("other", "Other"), ("unknown", "Not known")),
        ),
        Field("postcode", "Home postcode", person=True, short=True),
        Field("address_line", "First line of the home address", person=True),
        *identifiers,
        Field(
            "doubt",
            "They may not have given their real name or age",
            Kind.TICK,
            person=True,
            ticked=(("identity_reliable", False), ("date_of_birth_is", "claimed")),
        ),
    )


_NHS = Field("nhs_number", "NHS number", hint="If you have it. 10 digits.", person=True, short=True)
_UPN = Field("upn", "Unique pupil number", hint="If you have it. 13 letters and digits.", person=True, short=True)
_PNC = Field("pnc_id", "PNC ID", hint="If you have it, for example 2009/0123456X", person=True, short=True)
_FORCE = Field("force", "Police force", hint="Its code, for example 01", required=True, short=True)
_SITE = Field("site", "Hospital site", hint="Its ODS code, for example RKE01", required=True, short=True)
_CUSTODY = Field("custody_record", "Custody record number", required=True)
_ATTENDANCE = Field("attendance", "Attendance number", required=True)
_REPORT = Field("report", "Report number", required=True)

PAGES: Final = (
    Page(
        "arrest",
        "nightlight.arrest.v1",
        "A child has been arrested",
        "For a custody suite: somebody who is or may be under 18 has been booked in.",
        (
            _CUSTODY,
            _FORCE,
            Field("suite", "Custody suite", required=True),
            Field("arrested_at", "When were they arrested?", Kind.WHEN, required=True, past=True),
            Field("expected_release_at", "When do you expect to release them?", Kind.WHEN, "If you know it."),
        ),
        _who(_NHS, _PNC),
        "arrested_at",
    ),
    Page(
        "release",
        "nightlight.custody-release.v1",
        "They have left custody",
        "For a custody suite: give the same force and custody record as for the arrest.",
        (
            _CUSTODY,
            _FORCE,
            Field("released_at", "When did they leave?", Kind.WHEN, required=True, past=True),
        ),
        at="released_at",
    ),
    Page(
        "admission",
        "nightlight.admission.v1",
        "A child has come to A&E",
        "For an A&E department: a child has arrived, whatever for.",
        (
            _ATTENDANCE,
            _SITE,
            Field("site_name", "Name of the hospital"),
            Field("arrived_at", "When did they arrive?", Kind.WHEN, required=True, past=True),
            Field(
                "sensitive",
                "The record is restricted: their address must not be shown",
                Kind.TICK,
                ticked=(("sensitive", True),),
            ),
        ),
        _who(_NHS),
        "arrived_at",
    ),
    Page(
        "discharge",
        "nightlight.discharge.v1",
        "They have left A&E",
        "For an A&E department: give the same site and attendance number as for the arrival.",
        (_ATTENDANCE, _SITE, Field("left_at", "When did they leave?", Kind.WHEN, required=True, past=True)),
        at="left_at",
    ),
    Page(
        "exclusion",
        "nightlight.exclusion.v1",
        "A pupil has been suspended or excluded",
        "For a school office: as soon as it is decided, before the pupil goes home.",
        (
            Field("exclusion", "Your reference for it", hint="Leave it empty if you have none."),
            Field("school_urn", "School’s URN", hint="6 digits", required=True, short=True),
            Field("school_name", "Name of the school"),
            Field(
                "kind",
                "What has been decided?",
                Kind.ONE_OF,
                required=True,
                choices=(
                    ("suspension", "A suspension"),
                    ("permanent", "A permanent exclusion"),
                    ("lunchtime", "A lunchtime suspension"),
                ),
            ),
            Field(
                "reasons",
                "Why?",
                Kind.SOME_OF,
                "Tick up to three, if you wish.",
                choices=tuple((str(each), MEANINGS[each].capitalize()) for each in Reason),
            ),
            Field("starts_on", "First day", Kind.DATE, required=True),
            Field("ends_on", "Last day", Kind.DATE, "If it is for a fixed time."),
            Field("decided_at", "When was it decided?", Kind.WHEN, required=True, past=True),
        ),
        _who(_UPN, _NHS),
        "decided_at",
    ),
    Page(
        "missing",
        "nightlight.missing.v1",
        "A child has been reported missing",
        "For a missing-person unit.",
        (
            _REPORT,
            _FORCE,
            Field("reported_at", "When was it reported?", Kind.WHEN, required=True, past=True),
            Field("last_seen_at", "When were they last seen?", Kind.WHEN, "If it is known.", past=True),
            Field("missing_from", "Where from?", hint="For example: home, a children’s home, school"),
            Field(
                "risk",
                "Risk",
                Kind.ONE_OF,
                required=True,
                choices=(
                    ("high", "High"),
                    ("medium", "Medium"),
                    ("low", "Low"),
                    ("no-apparent-risk", "No apparent risk"),
                    ("other", "Other, or not graded yet"),
                ),
            ),
        ),
        _who(_NHS, _PNC),
        "reported_at",
    ),
    Page(
        "found",
        "nightlight.found.v1",
        "They have been found",
        "For a missing-person unit: give the same force and report number as before.",
        (_REPORT, _FORCE, Field("found_at", "When were they found?", Kind.WHEN, required=True, past=True)),
        at="found_at",
    ),
    Page(
        "mistake",
        "nightlight.cancelled.v1",
        "It was a mistake",
        "What was sent before did not happen, or was about somebody else. Nobody goes on looking for the child because of it.",
        (
            Field(
                "of", "Reference", hint="As the page said when it was sent, for example form-7K2M9-QXDAB", required=True
            ),
        ),
    ),
)
"""In the order of the list that a signed-in person sees, of those that their agency may send."""

BY_SLUG: Final[Mapping[str, Page]] = {page.slug: page for page in PAGES}

TRIAL: Final = Field(
    "trial", "This is only a trial: nobody is to be paged", Kind.TICK, "It goes the whole way and pages nobody."
)
