"""Time and chance, handed in so that tests need neither."""

from __future__ import annotations

import random
import time
from typing import Protocol


class Clock(Protocol):
    """What waiting needs."""

    def now(self) -> float:
        """Seconds that only ever grow; the zero means nothing."""

    def wall(self) -> float:
        """Seconds since 1970, to read a date that the service names."""

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""

    def chance(self) -> float:
        """A number in [0, 1), so that many clients do not come back at the same moment."""


class SystemClock:
    """The real one."""

    def now(self) -> float:
        """Seconds that only ever grow."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def chance(self) -> float:
        """A number in [0, 1); nothing secret hangs on it."""
        return random.random()  # noqa: S311
