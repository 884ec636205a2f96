"""What every test may ask for: the servers, and which suites this machine can run. Further fixtures are plugins too."""

import gc
import os
import signal
from typing import Any

import pytest
from hypothesis import settings

pytest_plugins = ["tests.order", "tests.servers", "tests.suites", "tests.terminal"]

# No test measures time. In CI the examples are the same each time: what fails there fails here too.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_unconfigure() -> None:
    """A matcher freezes what is in memory when it has loaded: DuckDB, imported before that, would complain for a page at the end."""
    gc.unfreeze()


class TookTooLong(BaseException):
    """A test hangs. No Exception: Hypothesis would try the example again, and hang for good."""


def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool:
    """pytest-timeout's own timer, but for what it raises, and that it rings again where a fixture hangs after the test."""

    def ring(*_: object) -> None:
        raise TookTooLong(f"{item.nodeid} took longer than {settings.timeout:.0f} s")

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    item.cancel_timeout = cancel  # type: ignore[attr-defined]  # where pytest-timeout looks for it
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, settings.timeout)
    return True
