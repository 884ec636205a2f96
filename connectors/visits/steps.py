"""What a message comes to, by what it is about: the trigger table of the domain page, section 2.1, as rules that know no format."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from connectors import attendances
from connectors.visits.known import MOST_TOLD, Known
from connectors.visits.reading import Nothing, Reading, Said
from connectors.visits.story import Story
from schemas.events import ChildDischarged

OLD: Final = timedelta(hours=24)
"""A correction of a record whose patient came longer ago than this is housekeeping, and no news of where a child is."""

NOBODY: Final = "no NHS number, and no surname with a date of birth: there is nobody to look for yet"
NOT_HERE: Final = "no visit to A&E that is still open is known for this patient"


class Trigger(StrEnum):
    """What is done with a message."""

    ARRIVAL = "arrival"
    """Registered or admitted: a candidate for a moment; more of the same moment, if the visit has been told already."""
    MOVE = "move"
    """Transferred, or of another class: the worker must find the child."""
    UPDATE = "update"
    """Perhaps it is known only now who it is."""
    DEPARTURE = "departure"
    CANCELLED_ARRIVAL = "cancelled-arrival"
    CANCELLED_MOVE = "cancelled-move"
    CANCELLED_DEPARTURE = "cancelled-departure"
    MERGE = "merge"
    """Two records were one patient, or a patient has another number."""
    RENUMBERED = "renumbered"
    """A visit has another number, or belongs to another patient."""


def take(story: Story, trigger: Trigger) -> Reading:
    """What one message comes to. Nothing in it is an error here; `story.visits` is asked and not changed."""
    return _STEPS[trigger](story)


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
        return story.nothing(Nothing.HAS_LEFT, "the patient came longer ago than a day")
    return _present(story, moved=False, update=True)


def _present(story: Story, *, moved: bool, update: bool = False) -> Reading:
    """The patient is there: the arrival, again and again the same event; where they are now; and who they are, if that changed.

    A message that others have overtaken tells the arrival alone: what they said of who and where is newer.
    """
    if not story.is_ours():
        return story.nothing(Nothing.NOT_AN_ARRIVAL, "not a visit to A&E")
    before, known, late = story.known, story.current(), story.is_late
    at = story.visit.recorded_at
    known = replace(
        known, said_at=known.said_at if late and known.said_at else at, left_at=known.left_at if late else None
    )
    if story.patient.person is None:
        return story.nothing(Nothing.NOBODY_NAMED, NOBODY, known)
    said = [story.arrived(known)]
    if late:
        story.why.append("what was written down later has been told already: of who and where that holds")
        return story.reading(said, known)
    if before is None and update:
        story.why.append("an update of a visit that was not told of here: its arrival is told, and who it is")
        said.append(story.identified(known, story.patient))
    elif before is not None and before.person not in (None, known.person):
        story.why.append("the patient is somebody else, or known better than before: the arrival is matched again")
        said.append(story.identified(known, story.patient))
    if moved or (before is not None and before.place not in (None, known.place)):
        story.why.append("the place has changed")
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
    # Something written down after it says that they are there: then a later correction is still about somebody.
    overtaken = known.said_at is not None and visit.recorded_at < known.said_at
    after = replace(known, left_at=None if overtaken else visit.recorded_at)
    return story.reading([Said(ChildDischarged.type, id_, left_at, data)], after)


def _cancel_arrival(story: Story) -> Reading:
    """It was never so, or of somebody else: the arrival and all that was told beside it is taken back."""
    story.is_ours()
    known, at = story.current(), story.visit.recorded_at
    if known.said_at and at < known.said_at:
        return story.nothing(
            Nothing.OVERTAKEN, "what was written down later says that they are there, and has been told already"
        )
    # What was written down at this very second was written before it.
    of = attendances.arrival_id(
        story.sealer, known.site, known.attendance, sum(earlier < at for earlier in known.cancelled)
    )
    said = [story.cancelled(each) for each in (of, *known.told)]
    after = replace(
        known,
        cancelled=known.cancelled | {at},
        told=(),
        person=None,
        place=None,
        left_at=None,
        arrived_at=None,
    )
    return story.reading(said, after)


def _cancel_departure(story: Story) -> Reading:
    """They are there after all."""
    story.is_ours()
    before, known, at = story.known, story.current(), story.visit.recorded_at
    returns = sum(earlier < at for earlier in known.returned)
    of = attendances.departure_id(story.sealer, known.site, known.attendance, returns)
    after = replace(known, returned=known.returned | {at}, left_at=None)
    if before is not None:  # who and where is told by the next message: this one says that they are there
        after = replace(after, person=before.person, place=before.place)
    return story.reading([story.cancelled(of)], after)


def _merge(story: Story) -> Reading:
    """For each patient of the message: the open visits under the former number are the surviving patient's."""
    said: list[Said] = []
    kept: dict[str, Known] = {}
    for merge in story.merges:
        one = replace(story, patient=merge.patient)
        found = [*story.visits.of_patients(story.looked_for(merge.former))]
        if (known := story.known) is not None and known.ours and known not in found:
            found.append(known)
        for known in found:
            _rekey(one, kept.get(known.keys[0], known), said, kept)
    if not kept:
        return story.nothing(Nothing.NO_OPEN_VISIT, NOT_HERE)
    story.why.append("the visits of the former number are this patient's")
    return _told_or_nobody(story, said, kept)


def _renumber(story: Story) -> Reading:
    """The visit has another number: it stays the attendance that it was."""
    said: list[Said] = []
    kept: dict[str, Known] = {}
    for merge in story.merges:
        former, number = merge.visit, merge.number
        if not former:
            continue
        known = story.visits.find(story.key(former))
        if known is None:
            known = Known(story.site, former, (story.key(former),), story.now)
            if number and number != former:
                kept[former] = replace(known, keys=(*known.keys, story.key(number)))
            continue
        keys = (*known.keys, story.key(number)) if number else known.keys
        _rekey(replace(story, patient=merge.patient), replace(known, keys=tuple(dict.fromkeys(keys))), said, kept)
    if not kept:
        return _merge(story)
    story.why.append("the visit has another number, and stays what it was")
    return _told_or_nobody(story, said, kept)


def _identify(story: Story, found: list[Known]) -> Reading:
    """A change of the person's record, without a visit: it goes for the visits that they are on."""
    said: list[Said] = []
    kept: dict[str, Known] = {}
    for known in found:
        _rekey(story, known, said, kept)
    if not kept:
        return story.nothing(Nothing.NO_OPEN_VISIT, NOT_HERE)
    story.why.append("the visits that this patient is on are matched again")
    return _told_or_nobody(story, said, kept)


def _rekey(story: Story, known: Known, said: list[Said], kept: dict[str, Known]) -> None:
    """Let a visit be this story's patient's, and tell so if that says something new and is not overtaken."""
    at, mark = story.visit.recorded_at, story.person_mark(story.patient)
    patients = known.patients | story.patient_marks(story.patient.identifiers)
    late = known.person is not None and known.said_at is not None and at < known.said_at
    after = replace(known, heard_at=story.now, patients=patients)
    if mark is not None and not late:
        after = replace(after, person=mark, said_at=max(at, known.said_at or at))
    if known.ours and mark is not None and known.person is None:
        said.append(story.arrived(known))  # nobody was named until now, so nothing has been told yet
    elif known.ours and mark is not None and mark != known.person and not late:
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


def _with_told(known: Known, said: Sequence[Said]) -> Known:
    if not said:
        return known
    told = tuple(dict.fromkeys((*known.told, *(each.id for each in said))))
    return replace(known, told=told[-MOST_TOLD:])


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
