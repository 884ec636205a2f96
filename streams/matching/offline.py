"""`nightlight match`: the join alone, a file of children and lines of events, one line of JSON for each (contract section 7)."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from schemas.moments import Lane
from schemas.person import Person
from streams.matching.listing import read
from streams.matching.matcher import Matcher, Question, today
from streams.matching.model import Model

LONGEST = 262_144
"""Characters of a line: as much as the gateway takes for an event (contract section 3)."""

AT_ONCE = 64
"""Lines of a file that are answered together. Who asks line by line is answered line by line."""


def say(sentence: str) -> None:
    """To stderr."""
    sys.stderr.write(f"{sentence}\n")


def match_lines(
    children_csv: Path,
    events: Iterable[str],
    model: Path | None = None,
    *,
    announce: bool = False,
    complain: Callable[[str], None] = say,
) -> Iterator[str]:
    """One line, without its end, for each line of `events`, as it comes and in its order.

    `announce`: first a line that says the index stands. A line that is no event gets a line with `error` (what is wrong, never a
    value), lane none. `complain` gets what the list or the index had to leave out. Raises ListRefused or ModelRefused.
    """
    started = time.perf_counter()
    weights = Model.load(model) if model else Model.load()
    matcher = Matcher(weights, on_overflow=_once(complain))
    matcher.load(read(children_csv, complain, today()))
    if announce:
        seconds = round(time.perf_counter() - started, 3)
        yield json.dumps({"ready": True, "children": len(matcher), "build_seconds": seconds})
    lines, at_once = iter(events), 1 if announce else AT_ONCE
    while some := list(islice(lines, at_once)):
        yield from map(json.dumps, answers(matcher, some))


def answers(matcher: Matcher, lines: Sequence[str]) -> list[dict[str, Any]]:
    """The answer to each line, in their order. Never raises."""
    asked = [_asked(matcher, line) for line in lines]
    decided = iter(matcher.decide_each([one.question for one in asked if isinstance(one, Asked)]))
    return [
        {"id": one.own, **next(decided).model_dump(mode="json")} if isinstance(one, Asked) else one for one in asked
    ]


class Asked(NamedTuple):
    """A line that asks who somebody is."""

    own: str | int | None
    question: Question


def _asked(matcher: Matcher, line: str) -> Asked | dict[str, Any]:
    """What a line asks, or the answer that refuses it."""
    own: str | int | None = None
    if len(line) > LONGEST:
        return _refused(matcher, None, f"longer than {LONGEST:,} characters")
    try:
        asked = json.loads(line.removeprefix("\ufeff"))
        if not isinstance(asked, dict):
            return _refused(matcher, None, "not a JSON object")
        own = asked.get("id") if isinstance(asked.get("id"), (str, int)) else None
        if not _is_text(line):
            return _refused(matcher, own, "not UTF-8")
        door = asked.get("door")
        person = Person.model_validate(asked.get("person"))
    except ValidationError as problem:
        return _refused(matcher, own, _first(problem))
    except (ValueError, RecursionError):
        return _refused(matcher, own, "not JSON")
    return Asked(own, Question(person, door if isinstance(door, str) else None))


def _is_text(line: str) -> bool:
    """A name whose bytes were of another alphabet is another name: it is refused, not guessed at."""
    return line.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in line)


def _refused(matcher: Matcher, own: str | int | None, why: str) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "lane": Lane.NONE.value,
        "child": None,
        "candidates": [],
        "why": [],
        "model": matcher.model_name,
    }
    return {"id": own, **nothing, "error": why}


def _first(problem: ValidationError) -> str:
    error = problem.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(['person', *map(str, error['loc'])])}: {error['msg']}"


def _once(complain: Callable[[str], None]) -> Callable[[str], None]:
    """The first time each kind of block is met beyond its cap, and every 1,000th time again, with the count."""
    met: dict[str, int] = {}

    def tell(block: str) -> None:
        met[block] = met.get(block, 0) + 1
        if met[block] % 1000 == 1:
            complain(
                f"index: a block of kind {block} is beyond its cap: children found in nothing else are not compared ({met[block]})"
            )

    return tell
