"""Ids that come out the same on every replay, so that a second lane, or a second try, finds the first one's rows."""

import hashlib
from collections.abc import Iterator
from uuid import NAMESPACE_URL, UUID, uuid5

from schemas.pages import REFERENCE_LETTERS

NAMESPACE = uuid5(NAMESPACE_URL, "nightlight")
DIGITS = frozenset("0123456789")
LENGTH = 4


def moment_id(child: str, event_key: str) -> UUID:
    """Of the child, and of the first fact's event."""
    return uuid5(NAMESPACE, f"moment/{child}/{event_key}")


def page_id(moment: UUID, team: str) -> UUID:
    return uuid5(NAMESPACE, f"page/{moment}/{team}")


def attempt_id(page: UUID, purpose: str, step: int, round: int, person: str, channel: str, try_: int = 1) -> UUID:  # noqa: A002 - the column's name
    return uuid5(NAMESPACE, f"attempt/{page}/{purpose}/{step}/{round}/{person}/{channel}/{try_}")


def references(page: UUID) -> Iterator[str]:
    """References for this page, best first, without end. Each has a digit, so none is a word (or one of our reply words)."""
    number = 0
    while True:
        digest = hashlib.sha256(f"{page}/{number}".encode()).digest()
        reference = "".join(REFERENCE_LETTERS[byte % len(REFERENCE_LETTERS)] for byte in digest[:LENGTH])
        if DIGITS & set(reference):
            yield reference
        number += 1
