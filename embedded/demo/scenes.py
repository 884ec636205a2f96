"""The four kinds of moment as a newcomer plays them: which feed tells it, what it says of the child, and the event on the wire."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from embedded.demo.cast import Child
from schemas.events import ArrestReported, ChildAdmitted, ChildExcluded, ChildMissing

HAPPENED = timedelta(seconds=2)
"""How long before it is told something happened: an agency's own system takes a moment too."""

BY_NAME = ("family_name", "given_name", "date_of_birth", "sex", "postcode")
"""What a custody suite, a school and a missing-person unit know. Only a hospital has the NHS number."""


@dataclass(frozen=True)
class Scene:
    """One kind. `tells` ends the line "02:06:11 custody-north: …"; `details` is the event's data besides the person."""

    kind: str
    button: str
    feed: str
    type: str
    tells: str
    knows: tuple[str, ...]
    details: Callable[[str, datetime], Mapping[str, Any]]


def _arrest(id_: str, at: datetime) -> Mapping[str, Any]:
    return {"custody_record": id_, "force": "demo", "suite": "Northgate custody suite", "arrested_at": _text(at)}


def _arrival(id_: str, at: datetime) -> Mapping[str, Any]:
    return {"attendance": id_, "site": "DEM01", "site_name": "Lantern Hospital A&E", "arrived_at": _text(at)}


def _exclusion(id_: str, at: datetime) -> Mapping[str, Any]:
    today: date = at.date()
    told = {"exclusion": id_, "school_urn": "999001", "school_name": "Beacon School", "kind": "suspension"}
    return {**told, "reasons": ["PP"], "starts_on": today.isoformat(), "decided_at": _text(at)}


def _missing(id_: str, at: datetime) -> Mapping[str, Any]:
    told = {"report": id_, "force": "demo", "reported_at": _text(at), "risk": "medium"}
    return {**told, "missing_from": "home"}


SCENES: Mapping[str, Scene] = {
    scene.kind: scene
    for scene in (
        Scene("arrest", "An arrest", "custody-north", ArrestReported.type, "a child was booked in", BY_NAME, _arrest),
        Scene(
            "arrival",
            "A&E arrival",
            "aande-lantern",
            ChildAdmitted.type,
            "a child has arrived at A&E",
            (*BY_NAME, "nhs_number"),
            _arrival,
        ),
        Scene(
            "exclusion",
            "An exclusion",
            "school-beacon",
            ChildExcluded.type,
            "a child was sent home from school",
            BY_NAME,
            _exclusion,
        ),
        Scene("missing", "Gone missing", "missing-unit", ChildMissing.type, "a child is missing", BY_NAME, _missing),
    )
}
"""In the order of the contract's table, by their short names."""

FEEDS: Mapping[str, tuple[str, ...]] = {scene.feed: (scene.type,) for scene in SCENES.values()}
"""Every made-up agency, and what it may send."""

BEAT = "nightlight.heartbeat.v1"


def event(scene: Scene, child: Child, *, id: str, now: datetime) -> dict[str, Any]:  # noqa: A002 - CloudEvents' own name
    """The event as the agency posts it: CloudEvents 1.0, structured."""
    at = now - HAPPENED
    person = {field: child.person[field] for field in scene.knows}
    data = {**scene.details(id, at), "person": person}
    return {**_attributes(scene.feed, scene.type, id, at), "authority": child.authority, "data": data}


def heartbeat(feed: str, *, id: str, now: datetime) -> dict[str, Any]:  # noqa: A002
    """The feed is alive, and has nothing to say."""
    return {**_attributes(feed, BEAT, id, now), "data": {}}


def _attributes(feed: str, type_: str, id_: str, at: datetime) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id_,
        "source": feed,
        "type": type_,
        "time": _text(at),
        "datacontenttype": "application/json",
    }


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
