"""`nightlight model compare`: what another model would have decided, event by event, before anybody is paged by it."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from streams.matching.listing import Complain, read
from streams.matching.matcher import Matcher, today
from streams.matching.model import Model
from streams.matching.offline import AT_ONCE, answers


def differences(
    old: Model, new: Model, children_csv: Path, events: Iterable[str], complain: Complain
) -> Iterator[dict[str, Any]]:
    """One dict for each event whose lane or child changes, with the reasons of both, in bits and without a value; the counts last.

    Takes the same files as `nightlight match`. Raises ListRefused. An event that cannot be read is counted as such.
    """
    before, after = Matcher(old), Matcher(new)
    children = list(read(children_csv, complain, today()))
    before.load(children)
    after.load(children)
    counts, lanes, unread = 0, Counter[str](), 0
    for then, now in _both(before, after, iter(events)):
        counts += 1
        unread += "error" in then
        if (then["lane"], then["child"]) != (now["lane"], now["child"]):
            lanes[
                f"{then['lane']} to {now['lane']}" if then["lane"] != now["lane"] else f"{now['lane']}, another child"
            ] += 1
            yield {"id": then["id"], "old": _decided(then), "new": _decided(now)}
    yield {
        "old": old.label,
        "new": new.label,
        "children": len(children),
        "events": counts,
        "unread": unread,
        "changed": sum(lanes.values()),
        "changes": dict(lanes.most_common()),
    }


def _both(before: Matcher, after: Matcher, lines: Iterator[str]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    while some := list(islice(lines, AT_ONCE)):
        yield from zip(answers(before, some), answers(after, some), strict=True)


def _decided(answered: dict[str, Any]) -> dict[str, Any]:
    return {key: answered[key] for key in ("lane", "child", "why")}


def as_table(model: Model) -> Iterator[str]:
    """The model for people: what it is, its thresholds, and each level with its bits for the child and for somebody else at home."""
    yield f"{model.label}, made {model.made}"
    yield model.source
    limits = model.thresholds
    yield (
        f"page from {limits.page}, with the runner-up below {limits.runner_up} and at most {limits.namesakes} namesakes expected; "
        f"review from {limits.review}"
    )
    yield f"prior: {model.prior.share_on_list} of events are about a child of the list, shared among its children"
    yield ""
    yield f"{'field':<14} {'level':<13} {'m':>9} {'u':>10} {'h':>9} {'child':>7} {'home':>7}"
    for field, table in model.fields.items():
        same, stranger, home = model.same(None, "recorded")[field], model.stranger[field], model.household[field]
        for place, level in enumerate(table.levels):
            yield (
                f"{field:<14} {level:<13} {table.m[place]:>9.5f} {table.u[place]:>10.2g} {table.h[place]:>9.5f} "
                f"{same[place] - stranger[place]:>+7.1f} {home[place] - stranger[place]:>+7.1f}"
            )
    yield ""
    yield "child, home: bits for the same child, and for somebody else of its household, both against a stranger."
    yield "A name that agrees counts by how common it is, instead of u; so do 1 January and a shared postcode."


def as_line(fact: dict[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(fact, ensure_ascii=False)
