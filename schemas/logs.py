"""Logging: one line of JSON each, and only fields on the list. What is not on it is dropped, so that no name reaches a log by accident."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

ALLOWED = frozenset(
    {"at", "level", "what", "process", "logger", "event_key", "type", "feed", "outcome", "lane", "topic", "partition"}
    | {
        "offset",
        "reason",
        "error",
        "page",
        "reference",
        "attempt",
        "step",
        "channel",
        "provider",
        "code",
        "count",
        "seconds",
    }
    | {
        "version",
        "authority",
        "team",
        "status",
        "port",
        "url",
        "signal",
        "state",
        "agency",
        "pid",
        "exit",
        "file",
        "line",
    }
)
"""Every field that a log line may have. Adding one here is a decision: could it ever hold a child, a worker or a phone?"""


def start(process: str, *, to: TextIO = sys.stderr, level: int = logging.INFO) -> None:
    """Set up this process's log, for our own lines and for the libraries' warnings."""
    shared = [structlog.stdlib.add_log_level, _add_time, _only_allowed]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(to),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process)
    handler = logging.StreamHandler(to)
    handler.setFormatter(_Foreign(process))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def hush() -> None:
    """For a command: what it prints is read by people and by scripts, so a log line of ours goes to stderr, and only an error."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def logger() -> Any:
    """The log: `logger().info("event-decided", outcome="paged")`. The first word says what happened."""
    return structlog.get_logger()


def _add_time(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    line["what"] = line.pop("event", "")
    return structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")(None, "", line)


def _only_allowed(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: value for name, value in line.items() if name in ALLOWED}


class _Foreign(logging.Formatter):
    """A library's own line: where it came from and the error's type. Its words may quote a payload, so they stay out."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process
        self._render = structlog.processors.JSONRenderer()

    def format(self, record: logging.LogRecord) -> str:
        raised = record.exc_info[0] if record.exc_info else None
        line = {
            "at": structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")(None, "", {})["at"],
            "level": record.levelname.lower(),
            "what": "library-warning",
            "process": self._process,
            "logger": record.name,
            "file": record.filename,
            "line": record.lineno,
            **({"error": raised.__name__} if raised else {}),
        }
        return str(self._render(None, "", line))
