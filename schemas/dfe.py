"""Why a school has suspended or excluded a child: the Department for Education's census codes."""

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """The school census's sixteen codes, up to three on a record, and `other` for what suppliers add."""

    PP = "PP"
    PA = "PA"
    VP = "VP"
    VA = "VA"
    OW = "OW"
    BU = "BU"
    RA = "RA"
    LG = "LG"
    DS = "DS"
    SM = "SM"
    DA = "DA"
    DM = "DM"
    TH = "TH"
    DB = "DB"
    MT = "MT"
    PH = "PH"
    OTHER = "other"


MEANINGS: Final[dict[Reason, str]] = {
    Reason.PP: "physical assault against a pupil",
    Reason.PA: "physical assault against an adult",
    Reason.VP: "verbal abuse or threatening behaviour against a pupil",
    Reason.VA: "verbal abuse or threatening behaviour against an adult",
    Reason.OW: "use or threat of use of an offensive weapon or prohibited item",
    Reason.BU: "bullying",
    Reason.RA: "racist abuse",
    Reason.LG: "abuse against sexual orientation or gender identity",
    Reason.DS: "abuse relating to disability",
    Reason.SM: "sexual misconduct",
    Reason.DA: "drug and alcohol related",
    Reason.DM: "damage",
    Reason.TH: "theft",
    Reason.DB: "persistent disruptive behaviour",
    Reason.MT: "inappropriate use of social media or online technology",
    Reason.PH: "breach of measures that protect public health",
    Reason.OTHER: "another reason",
}
"""What a code means, for a signed-in page only: a reason never goes into a text (contract section 8)."""


def reason(code: str) -> Reason:
    """The code in capitals or small letters. One that the department does not list is `other`, never an error."""
    try:
        return Reason(code.strip().upper())
    except ValueError:
        return Reason.OTHER
