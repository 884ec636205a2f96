"""What time it is, as an argument."""

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]
"""Now, with its offset. `schemas.base.utc_now` in a process; in a test whatever the story needs."""
