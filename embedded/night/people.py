"""Made-up people for a made-up night: nobody's names, and NHS numbers of the range that is never issued."""

import csv
import random
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

GIVEN: Final = ("Amber", "Basil", "Clover", "Dune", "Ember", "Fern", "Gale", "Hazel", "Ivory", "Jasper", "Lark", "Moss")
FAMILY: Final = (
    "Brook",
    "Candle",
    "Dusk",
    "Ferry",
    "Glimmer",
    "Harbour",
    "Lantern",
    "Meadow",
    "Quill",
    "Tallow",
    "Wick",
)
ENDS: Final = ("", "er", "field", "ford", "ham", "ley", "man", "s", "ton", "well")
AREAS: Final = ("B", "BD", "BN", "E", "L", "LS", "M", "N", "NE", "SE")
INWARD: Final = "ABDEFGHJLNPQRSTUWXYZ"

WATCHED_AS: Final = ("family_name", "given_name", "date_of_birth", "sex", "postcode", "nhs_number")
BY_KIND: Final = {
    "admission": WATCHED_AS,
    "arrest": ("family_name", "given_name", "date_of_birth", "sex", "postcode"),
    "exclusion": ("family_name", "given_name", "date_of_birth", "postcode"),
    "missing": ("family_name", "given_name", "date_of_birth"),
}
"""What each kind of agency knows: only a hospital has the NHS number."""


def stranger(chance: random.Random, today: date) -> dict[str, Any]:
    """Somebody under eighteen whom nobody watches."""
    return {
        "family_name": chance.choice(FAMILY) + chance.choice(ENDS),
        "given_name": chance.choice(GIVEN),
        "date_of_birth": str(today - timedelta(days=chance.randrange(30, 18 * 365))),
        "sex": chance.choice(("female", "male")),
        "postcode": f"{chance.choice(AREAS)}{chance.randrange(1, 20)} {chance.randrange(10)}{''.join(chance.choices(INWARD, k=2))}",
        "nhs_number": nhs_number(chance),
    }


def nhs_number(chance: random.Random) -> str:
    """One of the range 999, with its check digit (modulus 11; one number in eleven has none)."""
    while True:
        digits = f"999{chance.randrange(10**6):06}"
        check = 11 - sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11
        if check != 10:
            return digits + str(check % 11)


def watched(file: Path) -> list[dict[str, Any]]:
    """The children of a list, as a hospital would write them. Raises ValueError for a file without the columns."""
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    if not rows or not {"family_name", "date_of_birth"} <= rows[0].keys():
        raise ValueError(f"{file.name} is not a list of children: it needs the columns family_name and date_of_birth.")
    return [{field: row[field] for field in WATCHED_AS if row.get(field)} for row in rows]


def known_to(kind: str, person: dict[str, Any]) -> dict[str, Any]:
    """What this kind of agency would write of them."""
    return {field: person[field] for field in BY_KIND[kind] if field in person}


def authorities(count: int) -> Iterable[str]:
    """So many local authorities, by code: London's boroughs, then round again."""
    return (f"E09{number % 33 + 1:06}" for number in range(count))
