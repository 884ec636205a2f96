"""What a clock is to a step: a function that gives an aware instant, handed in so that a test can hand in another."""

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]
