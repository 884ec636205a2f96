"""A register of made-up children, large and quick to make: what the benchmarks of the spine match against."""

import csv
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

GIVEN = (
    "Amir",
    "Bea",
    "Cal",
    "Dot",
    "Eli",
    "Fay",
    "Gus",
    "Hal",
    "Ivo",
    "Joy",
    "Kit",
    "Lou",
    "Mae",
    "Ned",
    "Ola",
    "Pip",
    "Sol",
    "Tam",
    "Yas",
    "Zoe",
)
STARTS = (
    "Ash",
    "Bar",
    "Bel",
    "Cop",
    "Dun",
    "Eld",
    "Far",
    "Gar",
    "Hart",
    "Hol",
    "Kel",
    "Lam",
    "Mar",
    "Nor",
    "Oak",
    "Pem",
    "Rad",
    "Sel",
    "Wal",
)
ENDS = (
    "a",
    "an",
    "ard",
    "ell",
    "en",
    "er",
    "ford",
    "ham",
    "ing",
    "ley",
    "man",
    "more",
    "ney",
    "son",
    "ston",
    "ton",
    "well",
    "wick",
    "worth",
)
LETTERS = "ABDEFGHJLNPQRSTUWXYZ"
MIDDLES = (
    "",
    "an",
    "ber",
    "cas",
    "dle",
    "er",
    "fin",
    "gra",
    "hol",
    "ing",
    "ka",
    "lo",
    "mer",
    "nor",
    "op",
    "per",
    "ros",
    "ster",
    "ti",
    "ver",
)
GIVEN_ENDS = ("", "a", "an", "el", "en", "ette", "ia", "ie", "in", "ina", "is", "o", "on", "ora", "us")
"""Some 7,000 family names and 300 given ones, evenly spread: fewer than England has, and without its few very common ones."""


def nhs_number(serial: int) -> str | None:
    """The `serial`th number of the synthetic range that ends in a right check digit, or None if its check digit would be ten."""
    nine = f"{999_000_000 + serial:09d}"
    check = 11 - sum(int(digit) * (10 - place) for place, digit in enumerate(nine)) % 11
    return None if check == 10 else f"{nine}{0 if check == 11 else check}"


def children(count: int, *, seed: int = 1, first: int = 0) -> Iterator[dict[str, Any]]:
    """`count` people, each with a name, a birth date, a postcode and an NHS number that nobody else has."""
    dice = random.Random(seed)  # noqa: S311 - made-up people, not secrets
    serial = first
    for number in range(count):
        while (given_number := nhs_number(serial)) is None:
            serial += 1
        serial += 1
        yield {
            "child_id": f"W-{first + number}",
            "family_name": dice.choice(STARTS) + dice.choice(MIDDLES) + dice.choice(ENDS),
            "given_name": dice.choice(GIVEN) + dice.choice(GIVEN_ENDS),
            "date_of_birth": (date(2009, 1, 1) + timedelta(days=dice.randrange(2900))).isoformat(),
            "sex": dice.choice(("female", "male")),
            "postcode": f"{dice.choice('ENSW')}{dice.randrange(1, 20)} {dice.randrange(1, 9)}{dice.choice(LETTERS)}{dice.choice(LETTERS)}",
            "nhs_number": given_number,
        }


def write(path: Path, count: int, *, today: date, seed: int = 1) -> list[dict[str, Any]]:
    """The register as the CSV of contract section 5. Returns the people in it."""
    people = list(children(count, seed=seed))
    rest = {
        "action": "add",
        "authority": "E09000019",
        "team": "Islington",
        "reason": "at risk",
        "legal_basis": "Children Act 1989 s17",
        "decided_by": "panel",
        "starts_on": today.isoformat(),
        "review_on": (today + timedelta(days=60)).isoformat(),
        "expires_on": (today + timedelta(days=80)).isoformat(),
    }
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*people[0], *rest])
        writer.writeheader()
        writer.writerows({**person, **rest} for person in people)
    return people
