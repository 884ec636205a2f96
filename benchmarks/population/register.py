"""The watch list as it is kept: old postcodes, missing identifiers, an alias where one is known."""

from random import Random

from benchmarks.population.people import Child
from benchmarks.population.rates import Rates
from schemas.child import WatchedChild
from schemas.person import Sex


def child_id(child: Child) -> str:
    return f"C{child.number}"


def register(children: list[Child], rates: Rates, seed: int) -> list[WatchedChild]:
    """One row a child, in the same order. `rates.stale_postcode` of them still have the address before."""
    random = Random(seed)  # noqa: S311
    return [_row(child, rates, random) for child in children]


def _row(child: Child, rates: Rates, random: Random) -> WatchedChild:
    stale = random.random() < rates.stale_postcode
    address = child.old_address if stale else child.address
    return WatchedChild(
        child_id=child_id(child),
        authority="E09000019",
        team="islington",
        family_name=child.family,
        given_name=child.given,
        other_names=(child.alias,) if child.alias else (),
        date_of_birth=child.born,
        sex=Sex(child.sex),
        postcode=child.old_postcode if stale else child.postcode,
        address_line=address if random.random() < 0.7 else None,
        nhs_number=child.nhs_number if random.random() < rates.listed_nhs_number else None,
        upn=child.upn if random.random() < rates.listed_upn else None,
        pnc_id=child.pnc_id if random.random() < rates.listed_pnc_id else None,
    )
