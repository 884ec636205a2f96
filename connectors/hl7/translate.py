"""A message of a known sender becomes events: the whole of HL7 in one pure function, which knows no network and no clock."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from connectors import attendances
from connectors.hl7.header import Header
from connectors.hl7.message import Message, Segment
from connectors.hl7.patient import identifiers_of, read_patient
from connectors.hl7.reading import Nothing, Reading, Said
from connectors.hl7.story import Story, replace_patient
from connectors.hl7.triggers import TRIGGERS, Trigger
from connectors.hl7.visit import read_visit, visit_number
from connectors.hl7.visits import MOST_TOLD, Known, Visits
from schemas.events import ChildDischarged
from schemas.wire import Sealer
from store.senders import Sender

OLD: Final = timedelta(hours=24)
"""A correction of a record whose patient came longer ago than this is housekeeping, and no news of where a child is."""


def translate(
    message: Message, header: Header, sender: Sender, source: str, *, visits: Visits, sealer: Sealer, now: datetime
) -> Reading:
    """What one message of this sender comes to. `source` is the CloudEvents source, `now` when we have the message.

    Takes any message that could be parsed; nothing in it is an error here. `visits` is asked and not changed.
    """
    trigger = TRIGGERS.get(header.event) if header.kind == "ADT" else None
    if trigger is None:
        return Reading(header, nothing=Nothing.NOT_WANTED, why=("MSH-9: a type of message that nothing is done with",))
    patient = read_patient(message)
    if patient.made_up:
        return Reading(header, nothing=Nothing.MADE_UP, why=("PID-5: a name that begins with ZZZ is a test patient's",))
    visit = read_visit(message, header, now=now)
    story = Story(message, header, sender, source, visits, sealer, now, patient, visit)
    return _STEPS[trigger](story)


NOBODY: Final = (
    "PID-3, PID-5, PID-7: no NHS number, and no surname with a date of birth: there is nobody to look for yet"
)
NOT_HERE: Final = "no visit to A&E that is still open is known for this patient"


def _arrive(story: Story) -> Reading:
    return _present(story, moved=False)


def _move(story: Story) -> Reading:
    return _present(story, moved=True)


def _update(story: Story) -> Reading:
    known, visit = story.known, story.visit
    if not (known and known.ours) and (not visit.number or not story.is_ours()):
        return _identify(story, story.visits.of_patients(story.looked_for(story.patient.identifiers)))
    if (known and known.has_left) or (visit.left_at and visit.left_at <= story.now):
        return story.nothing(Nothing.HAS_LEFT, "the patient has left: nobody is there to be found")
    if visit.arrived_at < visit.recorded_at - OLD and not known:
        return story.nothing(Nothing.HAS_LEFT, "PV1-44: the patient came longer ago than a day")
    return _present(story, moved=False, update=True)


def _present(story: Story, *, moved: bool, update: bool = False) -> Reading:
    """The patient is there: the arrival, again and again the same event; where they are now; and who they are, if that changed."""
    if not story.is_ours():
        return story.nothing(Nothing.NOT_AN_ARRIVAL, "not a visit to A&E")
    before, known = story.known, replace(story.current(), left_at=None)
    if story.patient.person is None:
        return story.nothing(Nothing.NOBODY_NAMED, NOBODY, known)
    said = [story.arrived(known)]
    if before is None and update:
        story.why.append("an update of a visit that was not told of here: its arrival is told, and who it is")
        said.append(story.identified(known, story.patient))
    elif before is not None and before.person not in (None, known.person):
        story.why.append("PID: somebody else, or known better than before: the arrival is matched again")
        said.append(story.identified(known, story.patient))
    if moved or (before is not None and before.place not in (None, known.place)):
        story.why.append("PV1-3: the place has changed")
        said.append(story.moved(known))
    return story.reading(said, _with_told(known, said[1:]))


def _leave(story: Story) -> Reading:
    if not story.is_ours():
        return story.nothing(Nothing.NOT_AN_ARRIVAL, "not a visit to A&E")
    known, visit = story.current(), story.visit
    returns = known.returns(visit.recorded_at)
    if returns < len(known.returned):
        return story.nothing(Nothing.OVERTAKEN, "the discharge was cancelled by a message that came before it")
    left_at = visit.left_at or visit.happened_at
    id_ = attendances.departure_id(story.sealer, known.site, known.attendance, returns)
    data = {"attendance": known.attendance, "site": known.site, "left_at": left_at.isoformat()}
    return story.reading([Said(ChildDischarged.type, id_, left_at, data)], replace(known, left_at=visit.recorded_at))


def _cancel_arrival(story: Story) -> Reading:
    """It was never so, or of somebody else: the arrival and all that was told beside it is taken back."""
    story.is_ours()
    known, at = story.current(), story.visit.recorded_at
    # What was written down at this very second was written before it.
    of = attendances.arrival_id(
        story.sealer, known.site, known.attendance, sum(earlier < at for earlier in known.cancelled)
    )
    said = [story.cancelled(each) for each in (of, *known.told)]
    after = replace(
        known, cancelled=known.cancelled | {at}, told=(), person=None, place=None, left_at=None, arrived_at=None
    )
    return story.reading(said, after)


def _cancel_departure(story: Story) -> Reading:
    """They are there after all."""
    story.is_ours()
    known, at = story.current(), story.visit.recorded_at
    returns = sum(earlier < at for earlier in known.returned)
    of = attendances.departure_id(story.sealer, known.site, known.attendance, returns)
    after = replace(known, returned=known.returned | {at}, left_at=None)
    return story.reading([story.cancelled(of)], after)


def _merge(story: Story) -> Reading:
    """For each patient of the message: the open visits under the former number are the surviving patient's."""
    said: list[Said] = []
    kept: dict[str, Known] = {}
    for group, _ in _pairs(story.message):
        former = _former(group)
        marks = story.looked_for(former)
        one = replace_patient(story, group)
        found = [*story.visits.of_patients(marks)]
        if (known := story.known) is not None and known.ours and known not in found:
            found.append(known)
        for known in found:
            _rekey(one, kept.get(known.keys[0], known), said, kept)
    if not kept:
        return story.nothing(Nothing.NO_OPEN_VISIT, NOT_HERE)
    story.why.append("MRG: the visits of the former number are this patient's")
    return _told_or_nobody(story, said, kept)


def _renumber(story: Story) -> Reading:
    """MRG-5 is the visit's former number and PV1-19 its new one: it stays the attendance that it was."""
    said: list[Said] = []
    kept: dict[str, Known] = {}
    for group, pv1 in _pairs(story.message):
        former, number = visit_number(group.segment("MRG").part(5)), visit_number(pv1.part(19))
        if not former:
            continue
        known = story.visits.find(story.key(former))
        if known is None:
            known = Known(story.site, former, (story.key(former),), story.now)
            if number and number != former:
                kept[former] = replace(known, keys=(*known.keys, story.key(number)))
            continue
        keys = (*known.keys, story.key(number)) if number else known.keys
        _rekey(replace_patient(story, group), replace(known, keys=tuple(dict.fromkeys(keys))), said, kept)
    if not kept:
        return _merge(story)
    story.why.append("MRG-5 and PV1-19: the visit has another number, and stays what it was")
    return _told_or_nobody(story, said, kept)


def _identify(story: Story, found: list[Known]) -> Reading:
    """A change of the person's record, without a visit: it goes for the visits that they are on."""
    said: list[Said] = []
    kept: dict[str, Known] = {}
    for known in found:
        _rekey(story, known, said, kept)
    if not kept:
        return story.nothing(Nothing.NO_OPEN_VISIT, NOT_HERE)
    story.why.append("PID: the visits that this patient is on are matched again")
    return _told_or_nobody(story, said, kept)


def _rekey(story: Story, known: Known, said: list[Said], kept: dict[str, Known]) -> None:
    """Let a visit be this story's patient's, and tell so if that says something new."""
    mark = story.person_mark(story.patient)
    patients = known.patients | story.patient_marks(story.patient.identifiers)
    after = replace(known, heard_at=story.now, patients=patients, person=mark or known.person)
    if known.ours and mark is not None and known.person is None:
        said.append(story.arrived(known))  # nobody was named until now, so nothing has been told yet
    elif known.ours and mark is not None and mark != known.person:
        new = story.identified(known, story.patient)
        said.append(new)
        after = _with_told(after, [new])
    kept[known.keys[0]] = after


def _told_or_nobody(story: Story, said: list[Said], kept: Mapping[str, Known]) -> Reading:
    if not said:
        return story.nothing(
            Nothing.NOBODY_NAMED, "nothing is known of them now that was not told before", *kept.values()
        )
    return story.reading(said, *kept.values())


def _with_told(known: Known, said: Iterable[Said]) -> Known:
    told = tuple(dict.fromkeys((*known.told, *(each.id for each in said))))
    return replace(known, told=told[-MOST_TOLD:])


def _pairs(message: Message) -> Iterator[tuple[Message, Segment]]:
    """For each MRG of a message: the message of its own patient, and the PV1 that comes after it (an empty one if none does)."""
    pid: tuple[Segment, ...] = ()
    below = message.segments[1:]
    for place, segment in enumerate(below):
        if segment.name == "PID":
            pid = (segment,)
        if segment.name == "MRG":
            after = next((each for each in below[place + 1 :] if each.name in ("PV1", "PID", "MRG")), None)
            pv1 = after if after is not None and after.name == "PV1" else replace(segment, name="PV1", fields=())
            yield message.below((*pid, segment, pv1)), pv1


def _former(group: Message) -> tuple[tuple[str, str], ...]:
    """MRG-1, and in the older versions MRG-2 and MRG-4."""
    mrg = group.segment("MRG")
    return tuple(pair for number in (1, 4, 2) for pair in identifiers_of(mrg.values(number)))


_STEPS: Final[Mapping[Trigger, Callable[[Story], Reading]]] = {
    Trigger.ARRIVAL: _arrive,
    Trigger.MOVE: _move,
    Trigger.UPDATE: _update,
    Trigger.DEPARTURE: _leave,
    Trigger.CANCELLED_ARRIVAL: _cancel_arrival,
    Trigger.CANCELLED_MOVE: _move,
    Trigger.CANCELLED_DEPARTURE: _cancel_departure,
    Trigger.MERGE: _merge,
    Trigger.RENUMBERED: _renumber,
}
