"""The log: one line of JSON, allow-listed fields, and no words of anybody's error."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from schemas import logs

SECRET = "Zuleika Lampwick"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a process has written to its log."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    output = io.StringIO()
    logs.start("gateway", to=output)
    yield output
    root.handlers[:], root.level = before, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(output: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_line_says_when_where_and_what(written: io.StringIO) -> None:
    logs.logger().info("event-decided", outcome="paged")

    (line,) = lines(written)
    assert {**line, "at": None} == {
        "at": None,
        "level": "info",
        "process": "gateway",
        "what": "event-decided",
        "outcome": "paged",
    }


def test_a_field_that_is_not_on_the_list_never_reaches_the_log(written: io.StringIO) -> None:
    logs.logger().info("event-decided", name=SECRET, child=SECRET, person={"family_name": SECRET})

    assert SECRET not in written.getvalue()


def test_a_library_says_where_it_was_and_what_kind_of_error_and_nothing_else(written: io.StringIO) -> None:
    try:
        int(SECRET)
    except ValueError:
        logging.getLogger("aiokafka").exception("could not send %s", SECRET)

    (line,) = lines(written)
    assert (line["what"], line["logger"], line["error"]) == ("library-warning", "aiokafka", "ValueError")
    assert SECRET not in written.getvalue()


def test_a_library_that_chats_is_not_heard(written: io.StringIO) -> None:
    logging.getLogger("faust").info("all is well with %s", SECRET)

    assert written.getvalue() == ""


def test_a_line_break_in_a_value_does_not_begin_a_line(written: io.StringIO) -> None:
    logs.logger().info("event-decided", reason='late"\n{"what": "forged"}')

    assert len(lines(written)) == 1
