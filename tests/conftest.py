"""What every test may ask for: the servers, and which suites this machine can run. Further fixtures are plugins too."""

import gc
import os

from hypothesis import settings

pytest_plugins = ["tests.servers", "tests.suites", "tests.terminal"]

# No test measures time. In CI the examples are the same each time: what fails there fails here too.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_unconfigure() -> None:
    """A matcher freezes what is in memory when it has loaded: DuckDB, imported before that, would complain for a page at the end."""
    gc.unfreeze()
