"""What the page shows, as plain words for each place on it. Pure: from what was seen to JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from embedded.demo import cast
from embedded.demo.feeds import SILENT_AFTER
from embedded.demo.scenes import FEEDS, SCENES
from embedded.demo.seen import STAGES, Seen
from embedded.demo.stage import Text
from embedded.demo.story import NOT_WATCHED, clock, ending, fine_clock, spoken, took
from schemas.moments import Outcome

NOTHING = "Nothing has happened yet. Press a button on the left."

HOW = {
    "occurred": "by the agency's own clock",
    "received": "Kafka has it: the agency is told 202",
    "matched": "both lanes compare it with the list",
    "sent": "the provider has taken the text",
    "delivered": "the text is on the phone",
    "accepted": "a person has said: I am dealing with this",
    "contact": "reply 3 when the child is reached",
}


def moment(seen: Seen | None, now: datetime) -> dict[str, Any]:
    """The middle of the page: headline, stages and how it stands."""
    if seen is None:
        return {"headline": NOTHING, "stages": [], "ending": {"words": "", "kind": ""}}
    scene = SCENES[seen.sent.kind]
    on_list = f"{seen.sent.child_id} on the list" if seen.sent.watched else "not on the list"
    return {
        "headline": f"{scene.button}: {seen.sent.child}, {on_list}",
        "stages": stages(seen, now),
        "ending": {"words": sentence(seen, now), "kind": mood(seen)},
    }


def stages(seen: Seen, now: datetime) -> list[dict[str, str]]:
    """A row for each of the seven; the next one counts up. What will not come is left out."""
    rows: list[dict[str, str]] = []
    last = first = seen.at["occurred"]
    coming = True
    for stage in STAGES if seen.outcome in (None, Outcome.PAGED) else STAGES[:3]:
        at = seen.at.get(stage)
        if at is not None:
            since, step = (at - first).total_seconds(), (at - last).total_seconds()
            rows.append(_row(stage, fine_clock(at), took(step), f"+{took(since)}", HOW[stage], "done"))
            last = at
            continue
        waited = took((now - last).total_seconds()) if coming and not seen.ended else ""
        rows.append(_row(stage, "", waited, "", HOW[stage], "next" if waited else "later"))
        coming = False
    return rows


def sentence(seen: Seen, now: datetime) -> str:
    """How it stands, while it does: who is waited for, and what comes next."""
    if not seen.waiting:
        return ending(seen)
    people = list(dict.fromkeys(tried.name for tried in seen.tried if tried.sent_at))
    if not people or seen.next_step_at is None:
        return f"page {seen.reference} is open: the text is on its way"
    left = max(0, (seen.next_step_at - now).total_seconds())
    return f"{seen.reference}: waiting for {people[-1]} to reply 1; step {seen.step}, the next is told in {left:.0f} s"


def mood(seen: Seen) -> str:
    """Which colour that sentence has."""
    if seen.waiting:
        return "waiting"
    return "accepted" if seen.accepted_by else "nothing" if seen.outcome else ""


def earlier(seen: Sequence[Seen]) -> list[list[str]]:
    return [
        [
            clock(each.at["received"]),
            SCENES[each.sent.kind].button,
            each.sent.child_id or "not watched",
            each.reference,
            NOT_WATCHED if each.outcome is Outcome.NOT_WATCHED else ending(each),
        ]
        for each in seen
    ]


def phones(people: Mapping[str, str], texts: Sequence[Text]) -> list[dict[str, Any]]:
    """Every made-up phone, with what is on it. `people` is name by number."""
    return [
        {
            "value": number,
            "label": f"{name}, {spoken(number)}",
            "texts": [
                {"mine": text.mine, "words": text.words, "note": f"{clock(text.at)} {text.note}".strip()}
                for text in texts
                if text.number == number
            ],
        }
        for number, name in people.items()
    ]


def rang(texts: Sequence[Text]) -> dict[str, str] | None:
    """Which phone has the newest text that asks something of somebody."""
    asking = [text for text in texts if not text.mine and "Reply 1" in text.words]
    return {"id": asking[-1].id, "phone": asking[-1].number} if asking else None


def feeds(heard: Mapping[str, datetime], now: datetime) -> list[dict[str, Any]]:
    rows = []
    for feed in FEEDS:
        ago = (now - heard[feed]).total_seconds() if feed in heard else None
        bad = ago is None or ago > SILENT_AFTER
        when = "not heard yet" if ago is None else f"heard {ago:.0f} s ago"
        rows.append({"words": f"{feed}: {'SILENT, ' if bad and ago is not None else ''}{when}", "bad": bad})
    return rows


def choices() -> list[dict[str, str]]:
    """The person picker: the list's children by the names their agencies would use. They are made up."""
    listed = [{"value": child.id or "", "label": f"{child.label} ({child.id})"} for child in cast.watched()]
    return [{"value": "", "label": "whoever is next"}, *listed]


def _row(name: str, at: str, step: str, since: str, what: str, kind: str) -> dict[str, str]:
    return {"name": name, "clock": at, "took": step, "since": since, "what": what, "kind": kind}
