"""A message of a known sender becomes events: the whole of HL7 in one pure function, which knows no network and no clock."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from connectors.hl7.header import Header
from connectors.hl7.message import Message, Segment
from connectors.hl7.patient import identifiers_of, read_patient
from connectors.hl7.triggers import TRIGGERS
from connectors.hl7.visit import read_visit, visit_number
from connectors.visits.known import Visits
from connectors.visits.reading import Nothing, Reading
from connectors.visits.shapes import Merge
from connectors.visits.steps import Trigger, take
from connectors.visits.story import Story
from schemas.wire import Sealer
from store.senders import Sender

MERGES: Final = frozenset({Trigger.MERGE, Trigger.RENUMBERED})


def translate(
    message: Message, header: Header, sender: Sender, source: str, *, visits: Visits, sealer: Sealer, now: datetime
) -> Reading:
    """What one message of this sender comes to. `source` is the CloudEvents source, `now` when we have the message.

    Takes any message that could be parsed; nothing in it is an error here. `visits` is asked and not changed.
    """
    trigger = TRIGGERS.get(header.event) if header.kind == "ADT" else None
    if trigger is None:
        return Reading(nothing=Nothing.NOT_WANTED, why=("MSH-9: a type of message that nothing is done with",))
    patient = read_patient(message)
    if patient.made_up:
        return Reading(nothing=Nothing.MADE_UP, why=("PID-5: a name that begins with ZZZ is a test patient's",))
    visit = read_visit(message, header, now=now)
    story = Story(
        sender=sender,
        source=source,
        # As registered, or else as the message says (ITK: the facility in MSH-4).
        site=sender.site or header.facility or sender.sender,
        test=header.processing != "P",
        patient=patient,
        visit=visit,
        visits=visits,
        sealer=sealer,
        now=now,
        merges=tuple(_merges(message)) if trigger in MERGES else (),
        unnumbered=() if visit.number else (header.control_id, *_contents(message)),
    )
    return take(story, trigger)


_ABOUT_PATIENT: Final = ("PD1", "ARV")


def _merges(message: Message) -> Iterator[Merge]:
    """For each MRG of a message: its own patient, with the PV1 that comes after it if one does."""
    patient: tuple[Segment, ...] = ()
    below = message.segments[1:]
    for place, segment in enumerate(below):
        if segment.name == "PID":
            patient = (segment,)
        if segment.name in _ABOUT_PATIENT:
            patient = (*patient, segment)
        if segment.name == "MRG":
            after = next((each for each in below[place + 1 :] if each.name in ("PV1", "PID", "MRG")), None)
            pv1 = (after,) if after is not None and after.name == "PV1" else ()
            group = message.below((*patient, segment, *pv1))
            yield Merge(
                patient=read_patient(group),
                former=_former(group),
                visit=visit_number(segment.part(5)),
                number=visit_number(group.segment("PV1").part(19)),
            )


def _former(group: Message) -> tuple[tuple[str, str], ...]:
    """MRG-1, and in the older versions MRG-2 and MRG-4."""
    mrg = group.segment("MRG")
    return tuple(pair for number in (1, 4, 2) for pair in identifiers_of(mrg.values(number)))


def _contents(message: Message) -> Iterator[str]:
    for segment in message.segments:
        if segment.name in ("PID", "PV1"):
            yield from segment.fields
