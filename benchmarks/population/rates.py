"""How often things are missing, stale or wrong. Shares from 0 to 1; the defaults follow the matching page, sections 1.7 and 2."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rates:
    """`error` multiplies every rate of slips below it: 1 is as published, 2 twice as bad."""

    twins: float = 0.016
    other_surname_at_home: float = 0.14
    father_of_the_same_name: float = 0.02
    stale_postcode: float = 0.12
    listed_nhs_number: float = 0.88
    listed_upn: float = 0.80
    listed_pnc_id: float = 0.12
    listed_alias: float = 0.10
    about_listed: float = 0.05
    sibling: float = 0.05
    neighbour: float = 0.05
    error: float = 1.0
    name_slip: float = 0.035
    nickname: float = 0.04
    other_spelling: float = 0.04
    dropped_word: float = 0.25
    surname_changed: float = 0.03
    swapped_names: float = 0.005
    birth_date_slip: float = 0.012
    postcode_slip: float = 0.02
    identifier_slip: float = 0.012
    sex_slip: float = 0.002
