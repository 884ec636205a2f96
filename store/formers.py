"""What an update of a child replaces is kept beside the new: a hospital that has not heard of the move sends the old postcode."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from schemas.child import WatchedChild
from schemas.person import IDENTIFIERS

MOST: Final = 10
"""Of each kind, the newest: a child in care moves often, and an entry without end would match everybody."""

T = TypeVar("T")


def remember(new: WatchedChild, before: WatchedChild) -> WatchedChild:
    """The entry as it shall be, with every former value of the one before that is not said in it.

    A value that only fills a gap, or comes back, replaces nothing. Removing the child and adding it again forgets them all.
    """
    return new.model_copy(
        update={
            "former_family_names": _former(
                [before.family_name], before.former_family_names, [new.family_name, *new.previous_family_names]
            ),
            "former_given_names": _former(
                [before.given_name], before.former_given_names, [new.given_name, *new.other_names]
            ),
            "former_postcodes": _former([before.postcode], before.former_postcodes, [new.postcode]),
            "former_identifiers": _former(_identifiers(before), before.former_identifiers, _identifiers(new)),
        }
    )


def _former(then: Iterable[T | None], earlier: Sequence[T], now: Iterable[T | None]) -> tuple[T, ...]:
    said = set(now)
    return tuple(dict.fromkeys(each for each in (*then, *earlier) if each and each not in said))[:MOST]


def _identifiers(child: WatchedChild) -> list[tuple[str, str]]:
    return [(field, value) for field in IDENTIFIERS if (value := getattr(child, field))]
