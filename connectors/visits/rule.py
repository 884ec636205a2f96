"""What an arrival at A&E is, in the words of one sender: a rule in a table, because no two hospitals say it alike."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from connectors.visits.shapes import Visit
from store.senders import Sender

DEFAULT_CLASSES: Final = ("E",)
DEFAULT_FUNCTIONS: Final = ("180",)
DEFAULT_METHODS: Final = ("21",)
"""Where a sender has no rule of its own: class emergency, emergency medicine, or admitted by way of this hospital's own A&E."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Whether the visit is at A&E, and by which column of the table. `why` holds codes of places and never of a person."""

    is_one: bool
    why: str


def arrival(sender: Sender, visit: Visit) -> Arrival:
    """Any one of the columns that fits is enough. Capitals do not matter, and an entry that ends in `*` fits what begins so;
    a location always does."""
    own = sender.classes or sender.locations or sender.treatment_functions or sender.admission_methods
    classes, functions, methods = (
        (sender.classes, sender.treatment_functions, sender.admission_methods)
        if own
        else (DEFAULT_CLASSES, DEFAULT_FUNCTIONS, DEFAULT_METHODS)
    )
    told: tuple[tuple[str, str, Iterable[str], tuple[str, ...]], ...] = (
        ("PV1-2", "class", (visit.patient_class,), classes),
        ("PV1-3", "location", (visit.ward,), tuple(f"{place}*" for place in sender.locations)),
        ("PV1-10", "treatment function", (visit.treatment_function,), functions),
        ("PV1-4", "admission method", visit.admission_methods, methods),
    )
    for where, what, said, wanted in told:
        for entry in wanted:
            if any(_fits(text, entry) for text in said):
                return Arrival(True, f"{where}: the {what} is in the rule ({entry})")
    return Arrival(False, "PV1-2, PV1-3, PV1-4 and PV1-10: nothing in the rule fits")


def _fits(said: str, entry: str) -> bool:
    said, entry = said.casefold(), entry.casefold()
    if entry.endswith("*"):
        return bool(said) and said.startswith(entry.rstrip("*"))
    return bool(said) and said == entry
