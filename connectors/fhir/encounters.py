"""What a message means to us: an arrival at A&E, a departure, a correction, or nothing. The rules are those of every door."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from connectors.fhir.meant import Meant, Teller, nothing
from connectors.fhir.message import Found, Message
from connectors.fhir.patient import flagged, numbers_of, read_patient, restricts
from connectors.fhir.places import Where, read_where
from connectors.fhir.resources import Coding, Encounter, Identifier
from connectors.fhir.visit import no_visit, read_visit, recorded
from connectors.hl7.triggers import TRIGGERS
from connectors.problems import Finding, Refused, invalid
from connectors.visits.reading import Nothing
from connectors.visits.shapes import Merge, Patient
from connectors.visits.steps import Trigger, take
from connectors.visits.story import Story

Numbers = tuple[Identifier, ...]
"""Those of one record."""

THERE: Final = frozenset({"arrived", "triaged", "in-progress", "onleave", "unknown"})
LEFT: Final = frozenset({"finished"})
TAKEN_BACK: Final = frozenset({"cancelled", "entered-in-error"})
NOT_YET: Final = frozenset({"planned"})
ABOUT_PERSON: Final = frozenset({Trigger.UPDATE, Trigger.MERGE, Trigger.RENUMBERED})
REFINES: Final = frozenset({Trigger.MOVE, Trigger.CANCELLED_MOVE, Trigger.CANCELLED_DEPARTURE})
"""What an `eventCoding` of HL7 v2 says of somebody who is there. A transfer or a discharge that is cancelled cancels no visit."""
TESTING: Final = frozenset({"HTEST", "T", "D"})
"""v3-ActReason for test data; and of HL7 v2's table 0103 training and debugging, as converters tag a message."""


def mean(message: Message, teller: Teller) -> list[Meant]:
    """Everything in a message, in order: who was whom, then its encounters or else the records it tells of.

    Raises Refused: a status that FHIR does not know, a time that is none, a patient who is not there.
    """
    former: dict[str, tuple[Found, list[Numbers]]] = {}
    for survivor, numbers in message.merged():
        former.setdefault(survivor.where, (survivor, []))[1].append(numbers)
    meant = [_record(message, survivor, teller, of=numbers) for survivor, numbers in former.values()]
    if encounters := message.encounters():
        told = [one for one in meant if one.told or one.visits]
        return told + [_encounter(message, found, teller) for found in encounters]
    return meant + [_record(message, found, teller) for found in message.patients() if found.where not in former]


def _encounter(message: Message, found: Found, teller: Teller) -> Meant:
    encounter: Encounter = found.resource
    status, trigger = encounter.status, _trigger(message)
    if status not in THERE | LEFT | TAKEN_BACK | NOT_YET:
        known = ", ".join(sorted(THERE | LEFT | TAKEN_BACK | NOT_YET))
        raise invalid([Finding(path=f"{found.where}.status", message=f"must be one of {known}")])
    if status in NOT_YET and trigger not in ABOUT_PERSON:
        return nothing(found, Nothing.NOT_AN_ARRIVAL, "planned: nobody has arrived yet")
    if status in TAKEN_BACK and trigger is None and _is_v2(message):
        return nothing(found, Nothing.NOT_WANTED)  # what was cancelled is a plan
    there = read_where(message, found)
    visit = read_visit(found, there, recorded_at=recorded(message, found, now=teller.now))
    if status in NOT_YET:  # as converters call the encounter of a change of somebody's record: nobody has arrived by it
        visit = replace(visit, patient_class="", treatment_function="", admission_methods=())
    patient, where = _patient(message, found, needed=status in THERE)
    if patient.made_up:
        return nothing(found, Nothing.MADE_UP)
    story = teller.story(patient, visit, there, test=_is_test(message))
    return teller.means(found, take(story, _step(status, trigger, story)), story, person=where)


def _step(status: str, trigger: Trigger | None, story: Story) -> Trigger:
    """What to do: the status says it, unless an `eventCoding` of HL7 v2 says it more exactly."""
    if trigger in REFINES:
        return trigger
    if status in TAKEN_BACK:
        return Trigger.CANCELLED_ARRIVAL
    if status in LEFT:
        return Trigger.DEPARTURE
    if trigger in ABOUT_PERSON:
        return Trigger.UPDATE
    if status == "unknown" and trigger is not None:
        return trigger
    if trigger is Trigger.ARRIVAL:
        return trigger
    left_at = story.known.left_at if story.known else None
    # Nothing but its status says of an encounter that was finished by mistake that it goes on.
    return Trigger.CANCELLED_DEPARTURE if left_at and story.visit.recorded_at > left_at else Trigger.ARRIVAL


def _record(message: Message, found: Found, teller: Teller, *, of: Sequence[Numbers] = ()) -> Meant:
    """A person's record has changed, which goes for the visits that they are on; or other records, whose numbers are in `of`,
    were theirs too."""
    patient = read_patient(found.resource, found.where, restricted=_restricted(message, found))
    if patient.made_up:
        return nothing(found, Nothing.MADE_UP)
    visit = no_visit(recorded(message, found, now=teller.now))
    merges = tuple(
        Merge(patient, (*numbers_of(each), *((one.value.upper(), "") for one in each if one.value and not one.system)))
        for each in of
    )
    story = replace(teller.story(patient, visit, Where(), test=_is_test(message)), merges=merges)
    return teller.means(found, take(story, Trigger.MERGE if of else Trigger.UPDATE), story, person=found.where)


def _patient(message: Message, found: Found, *, needed: bool) -> tuple[Patient, str]:
    """Who it is, and where that is said. Somebody who has left, or never came, need not be named. Raises Refused."""
    try:
        one = message.patient_of(found)
        restricted = _restricted(message, one) or restricts(found.resource.meta) or _is_special(found.resource)
        return read_patient(one.resource, one.where, restricted=restricted), one.where
    except Refused:
        if needed:
            raise
        return Patient(None), found.where


def _restricted(message: Message, patient: Found) -> bool:
    return any(restricts(meta) for meta in (message.bundle.meta, message.header.meta)) or flagged(
        message.flags_of(patient)
    )


_ORDINARY: Final = frozenset({"NRM", "EXT", "PRF", "STF", "UNK", "N", "NO", "0", "U", "FALSE", "NONE", "NORMAL"})
"""Special courtesies that hide nobody. Converters put HL7 v2's PV1-16 here, which in the NHS is the mark of a sensitive record."""


def _is_special(encounter: Encounter) -> bool:
    return any(
        code.upper() not in _ORDINARY for each in encounter.hospitalization.special_courtesy for code in each.codes
    )


def _trigger(message: Message) -> Trigger | None:
    return TRIGGERS.get(_code(message.header.event))


def _is_v2(message: Message) -> bool:
    return re.fullmatch("A[0-9]{2}", _code(message.header.event)) is not None


def _is_test(message: Message) -> bool:
    return any(
        _code(coding) in TESTING
        for meta in (message.bundle.meta, message.header.meta)
        for coding in (*meta.tag, *meta.security)
    )


def _code(coding: Coding | None) -> str:
    return (coding.code if coding else None) or ""
