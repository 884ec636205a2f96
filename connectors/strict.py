"""JSON as it may come from outside: nothing that two readers could read in two ways, and limits before anything is parsed."""

import json
import math
import re
from typing import Any, Final, Never

DEEPEST: Final = 32
"""Objects and lists within one another (reliability page, R7). The contract's own events need five."""

MOST_KEYS: Final = 200
"""In one object."""

LONGEST_NUMBER: Final = 40
"""Characters. A number of a million digits takes seconds to read."""

# Consumes an unfinished text to its end, and never steps back: the time is linear whatever is sent.
_TEXT: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS: Final = re.compile(rb"[\[{\]}]")


class Malformed(ValueError):
    """These bytes are not JSON that can be trusted. The message is one sentence, and repeats nothing of them."""


def read_json(body: bytes) -> Any:
    """What `body` says: UTF-8 without surrogates or NUL, no duplicate keys, no NaN or Infinity, within the limits above.

    Raises:
        Malformed: with what to mend, and the line and column where they are known.
    """
    _check_depth(body)
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_decimal,
            parse_constant=_refuse_constant,
        )
        _check_text(body, value)
    except UnicodeError as problem:
        raise Malformed("The body is not UTF-8 text: send JSON in UTF-8, without lone surrogates.") from problem
    except json.JSONDecodeError as problem:
        raise Malformed(f"The body is not JSON: see line {problem.lineno}, column {problem.colno}.") from None
    return value


def _check_depth(body: bytes) -> None:
    if body.count(b"{") + body.count(b"[") <= DEEPEST:
        return
    depth = 0
    for bracket in _BRACKETS.findall(_TEXT.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            raise Malformed(f"The body is nested too deep: at most {DEEPEST} objects and lists within one another.")


def _check_text(body: bytes, value: Any) -> None:
    """Only an escape can bring in what UTF-8 cannot hold, and what PostgreSQL will not: it is seldom there to look for."""
    if b"\\u" not in body:
        return
    json.dumps(value, ensure_ascii=False).encode()
    # A backslash that is itself escaped comes first in its pair, so the pairs are read from the left.
    if any(escape == b"\\u0000" for escape in re.findall(rb"\\(?:u[0-9a-fA-F]{4}|.)", body, re.DOTALL)):
        raise Malformed("A text holds the character NUL: leave it out.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MOST_KEYS:
        raise Malformed(f"An object has too many keys: at most {MOST_KEYS}.")
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("An object has the same key twice: which of the two is meant cannot be known.")
    return found


def _integer(digits: str) -> int:
    _check_length(digits)
    return int(digits)


def _decimal(digits: str) -> float:
    _check_length(digits)
    number = float(digits)
    if not math.isfinite(number):
        raise Malformed("A number is too large: nothing in an event needs it.")
    return number


def _check_length(digits: str) -> None:
    if len(digits) > LONGEST_NUMBER:
        raise Malformed(f"A number is too long: at most {LONGEST_NUMBER} characters.")


def _refuse_constant(_: str) -> Never:
    raise Malformed("NaN and Infinity are not JSON: leave the field out.")
